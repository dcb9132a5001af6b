/**
 * Hash aggregation. partial: rows to keys and accumulators, in a table of bounded size that is emptied when full, so a group
 * may leave more than once; final: those to results; complete: rows to results at once. Null keys are one group. Without
 * keys final and complete give one row, even over none. Groups leave in order of first sight.
 */
import assert from 'node:assert/strict';
import { type Batch, batchRows, type Column, type Schema } from '../batch/batch.ts';
import { bitAt } from '../batch/bitmap.ts';
import { makeBatch } from '../batch/column.ts';
import { GroupTable } from '../batch/groups.ts';
import { KeyEncoder } from '../batch/keys.ts';
import { slice } from '../batch/slice.ts';
import { compileProjection } from '../expression/compile.ts';
import type { Aggregate, Expression } from '../expression/expression.ts';
import { call, literal } from '../expression/functions.ts';
import { accumulatorFields, partialSchema } from '../graph/partial-aggregate.ts';
import type { UserFunction } from '../graph/plan.ts';
import type { StageOperator } from '../graph/stage.ts';
import { type Accumulator, createAccumulator } from './accumulate.ts';
import type { Operator } from './operator.ts';

/** A partial table that is larger is given out and begun anew. */
const partialGroups = 1 << 18;
const partialBytes = 64 << 20;

type Spec = Extract<StageOperator, { kind: 'aggregate' }>;

/** Where the arguments and filters of the aggregates stand among the compiled columns; -1: there is none. */
interface Inputs {
  readonly expressions: readonly Expression[];
  readonly arguments: readonly number[];
  readonly filters: readonly number[];
}

function inputsOf(aggregates: readonly Aggregate[]): Inputs {
  const expressions: Expression[] = [];
  const place = (expression: Expression | null): number => {
    if (expression === null) return -1;
    const text = JSON.stringify(expression);
    const known = expressions.findIndex((e) => JSON.stringify(e) === text);
    return known >= 0 ? known : expressions.push(expression) - 1;
  };
  const seen = aggregates.map(seenOf);
  return {
    arguments: seen.map((a) => place(a.argument)),
    filters: seen.map((a) => place(a.filter)),
    expressions,
  };
}

/** An argument that is computed is not computed where the filter is not true: it might fail there. Then its nulls are the filter. */
function seenOf({ argument, filter }: Aggregate): Pick<Aggregate, 'argument' | 'filter'> {
  if (argument === null || filter === null || argument.op === 'column') return { argument, filter };
  return { argument: call('when', [filter, argument, literal(null, argument.type)]), filter: null };
}

/**
 * @throws VALUE_OUT_OF_RANGE when a sum does not fit its type; whatever the expressions throw
 * Memory: keys and accumulators of all groups (partial: at most about partialBytes), and the texts of keys.
 */
export function createAggregate(spec: Spec, input: Schema, functions: readonly UserFunction[]): Operator {
  const { phase, keys, aggregates } = spec;
  const keyColumns = keys.map((name) => {
    const column = input.findIndex((f) => f.name === name);
    assert.ok(column >= 0, `no column ${name} to group by`);
    return column;
  });
  const keyFields = keyColumns.map((c) => input[c]!);
  const output = phase === 'partial' ? partialSchema(keyFields, aggregates) : spec.schema;
  const inputs = inputsOf(aggregates);
  const project = phase === 'final' ? null : compileProjection(input, inputs.expressions, functions);

  let encoder = new KeyEncoder(keyFields);
  let table = new GroupTable(encoder.width);
  let accumulators = aggregates.map(createAccumulator);
  let lanes = new Int32Array(0);
  let groups = new Int32Array(0);
  let masked = new Int32Array(0);

  const merge = (batch: Batch): void => {
    let at = keys.length;
    accumulators.forEach((accumulator, a) => {
      const width = accumulatorFields(aggregates[a]!).length;
      accumulator.merge(groups, batch.length, batch.columns.slice(at, at + width));
      at += width;
    });
  };
  const update = (batch: Batch, columns: readonly Column[]): void => {
    accumulators.forEach((accumulator, a) => {
      const argument = inputs.arguments[a]! < 0 ? null : columns[inputs.arguments[a]!]!;
      const filter = inputs.filters[a]! < 0 ? null : columns[inputs.filters[a]!]!;
      const rows =
        filter === null && (argument === null || argument.validity === null) ? groups : mask(groups, batch.length, argument, filter, masked);
      accumulator.update(rows, batch.length, argument);
    });
  };
  const add = (batch: Batch): void => {
    const n = batch.length;
    if (groups.length < n) {
      groups = new Int32Array(n);
      masked = new Int32Array(n);
      lanes = new Int32Array(n * encoder.width);
    }
    encoder.encode(
      keyColumns.map((c) => batch.columns[c]!),
      n,
      false,
      lanes,
    );
    table.add(lanes, n, groups);
    for (const accumulator of accumulators) accumulator.grow(table.size);
    if (project === null) merge(batch);
    else update(batch, project(batch));
  };
  const result = (): Batch => {
    const count = table.size;
    const values = accumulators.flatMap((accumulator: Accumulator) =>
      phase === 'partial' ? accumulator.partial(count) : [accumulator.final(count)],
    );
    return makeBatch(output, count, [...encoder.decode(table.keys, count), ...values]);
  };

  return {
    *process(element) {
      if (element.kind === 'batch') {
        if (element.batch.length > 0) add(element.batch);
        if (phase !== 'partial' || (table.size < partialGroups && table.bytes + encoder.bytes < partialBytes)) return;
      } else if (element.kind !== 'end') {
        yield element;
        return;
      } else if (keys.length === 0 && phase !== 'partial') {
        table.addEmpty();
        for (const accumulator of accumulators) accumulator.grow(1);
      }
      const all = result();
      encoder = new KeyEncoder(keyFields);
      table = new GroupTable(encoder.width);
      accumulators = aggregates.map(createAccumulator);
      for (let from = 0; from < all.length; from += batchRows)
        yield { kind: 'batch', batch: slice(all, from, Math.min(all.length, from + batchRows)) };
      if (element.kind === 'end') yield element;
    },
  };
}

/** Groups with -1 where the filter is not true or the argument is null. */
function mask(groups: Int32Array, length: number, argument: Column | null, filter: Column | null, out: Int32Array): Int32Array {
  const validity = argument?.validity ?? null;
  if (filter === null) {
    for (let i = 0; i < length; i++) out[i] = bitAt(validity!, i) === 1 ? groups[i]! : -1;
    return out;
  }
  const data = filter.data as Uint8Array;
  for (let i = 0; i < length; i++) {
    const keep =
      bitAt(data, i) === 1 && (filter.validity === null || bitAt(filter.validity, i) === 1) && (validity === null || bitAt(validity, i) === 1);
    out[i] = keep ? groups[i]! : -1;
  }
  return out;
}
