/**
 * Hash aggregation. partial: rows to keys and accumulators, in a table of bounded size that is emptied when full, so a group
 * may leave more than once; final: those to results; complete: rows to results at once. Null keys are one group. Without
 * keys final and complete give one row, even over none. Groups leave in order of first sight, or, where they did not fit in
 * memory, partition by partition of their key hash.
 */
import assert from 'node:assert/strict';
import { SluiceError } from '#manager/protocol/errors.ts';
import { MiB } from '#manager/protocol/ids.ts';
import type { Accumulator } from '../aggregate/row.ts';
import { aggregateRow, createAccumulator, partialSchema } from '../aggregate/table.ts';
import { type Batch, batchRows, type Column, type Schema } from '../batch/batch.ts';
import { bitAt } from '../batch/bitmap.ts';
import { makeBatch } from '../batch/column.ts';
import { GroupTable } from '../batch/groups.ts';
import { KeyEncoder } from '../batch/keys.ts';
import { slice } from '../batch/slice.ts';
import { compileProjection } from '../expression/compile.ts';
import type { Aggregate, Expression } from '../expression/expression.ts';
import { call, literal } from '../expression/functions.ts';
import type { UserFunction } from '../graph/plan.ts';
import type { StageOperator } from '../graph/stage.ts';
import { type Share, unbounded } from '../spill/memory.ts';
import { createPartitions, type Partitions, partitionSizes } from '../spill/partitions.ts';
import type { SpillFile } from '../spill/spill-file.ts';
import type { Operator } from './operator.ts';

/** A partial table that is larger is given out and begun anew. */
const partialGroups = 1 << 18;
const partialBytes = 64 << 20;
/** A table with fewer groups and bytes is never put aside: it would be as large again at once. */
const leastGroups = 256;
const leastBytes = MiB;
/** Groups that are still together here have the same key hash. */
const maxLevel = 8;

type Spec = Extract<StageOperator, { kind: 'aggregate' }>;

/** Where the arguments and filters of the aggregates stand among the compiled columns; -1: there is none. */
interface Inputs {
  readonly expressions: readonly Expression[];
  readonly arguments: readonly number[];
  readonly more: readonly (readonly number[])[];
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
    more: aggregates.map(({ more = [] }) => more.map(place)),
    filters: seen.map((a) => place(a.filter)),
    expressions,
  };
}

/** An argument that is computed is not computed where the filter is not true: it might fail there. Then its nulls are the filter. */
function seenOf({ fn, argument, filter }: Aggregate): Pick<Aggregate, 'argument' | 'filter'> {
  if (argument === null || filter === null || argument.op === 'column') return { argument, filter };
  const guarded = call('when', [filter, argument, literal(null, argument.type)]);
  return { argument: guarded, filter: aggregateRow(fn).nulls === 'skip' ? null : filter };
}

/** A table of groups with their accumulators. */
interface Groups {
  readonly size: number;
  readonly bytes: number;
  add(batch: Batch): void;
  /** There is one group, though there was no row. */
  addEmpty(): void;
  /** The keys and accumulators of all groups, or their results. */
  result(of: 'partial' | 'final'): Batch;
  clear(): void;
}

/** @param project  of rows: arguments and filters; null: what is added are keys and accumulators */
function createGroups(spec: Spec, input: Schema, keyColumns: readonly number[], project: ReturnType<typeof compileProjection> | null): Groups {
  const { aggregates } = spec;
  const keyFields = keyColumns.map((c) => input[c]!);
  const schemas = { partial: partialSchema(keyFields, aggregates), final: spec.schema };
  const inputs = inputsOf(aggregates);
  const rowsOf = aggregates.map(({ fn }) => aggregateRow(fn));
  const widths = aggregates.map((each, a) => rowsOf[a]!.fields(each).length);

  let encoder = new KeyEncoder(keyFields);
  let table = new GroupTable(encoder.width);
  let accumulators = aggregates.map(createAccumulator);
  let lanes = new Int32Array(0);
  let groups = new Int32Array(0);
  let masked = new Int32Array(0);

  const merge = (batch: Batch): void => {
    let at = keyColumns.length;
    accumulators.forEach((accumulator, a) => {
      const width = widths[a]!;
      accumulator.merge(groups, batch.length, batch.columns.slice(at, at + width));
      at += width;
    });
  };
  const update = (batch: Batch, columns: readonly Column[]): void => {
    accumulators.forEach((accumulator, a) => {
      const argument = inputs.arguments[a]! < 0 ? null : columns[inputs.arguments[a]!]!;
      const filter = inputs.filters[a]! < 0 ? null : columns[inputs.filters[a]!]!;
      const validity = rowsOf[a]!.nulls === 'keep' ? null : (argument?.validity ?? null);
      const rows = filter === null && validity === null ? groups : mask(groups, batch.length, validity, filter, masked);
      accumulator.update(
        rows,
        batch.length,
        argument,
        inputs.more[a]!.map((c) => columns[c]!),
      );
    });
  };
  return {
    get size() {
      return table.size;
    },
    get bytes() {
      return table.bytes + encoder.bytes + accumulators.reduce((sum, { bytes }) => sum + bytes, 0);
    },
    add(batch) {
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
    },
    addEmpty() {
      table.addEmpty();
      for (const accumulator of accumulators) accumulator.grow(1);
    },
    result(of) {
      const count = table.size;
      const values = accumulators.flatMap((accumulator: Accumulator) => (of === 'partial' ? accumulator.partial(count) : [accumulator.final(count)]));
      return makeBatch(schemas[of], count, [...encoder.decode(table.keys, count), ...values]);
    },
    clear() {
      encoder = new KeyEncoder(keyFields);
      table = new GroupTable(encoder.width);
      accumulators = aggregates.map(createAccumulator);
    },
  };
}

/**
 * @throws VALUE_OUT_OF_RANGE when a sum does not fit its type · MEMORY_EXCEEDED when one group alone does not fit · NO_SPACE, DISK_FAILED ·
 *         whatever the expressions throw
 * Memory: its share. A partial table that fills it is given out; another is put aside by partitions of the key hash, as partial
 *         results, which are put together at the end.
 */
export function createAggregate(spec: Spec, input: Schema, functions: readonly UserFunction[], share: Share = unbounded().open()): Operator {
  const { phase, keys, aggregates } = spec;
  const keyColumns = keys.map((name) => {
    const column = input.findIndex((f) => f.name === name);
    assert.ok(column >= 0, `no column ${name} to group by`);
    return column;
  });
  const partials = partialSchema(
    keyColumns.map((c) => input[c]!),
    aggregates,
  );
  const ofPartials = keyColumns.map((_, k) => k);
  const project = phase === 'final' ? null : compileProjection(input, inputsOf(aggregates).expressions, functions);
  const groups = createGroups(spec, input, keyColumns, project);
  let aside: Partitions | null = null;

  /** What a table holds is there once more when it is given out. */
  const fits = ({ bytes }: Groups): boolean => share.hold(2 * bytes);
  /** Puts the table aside if it does not fit. Below these sizes it goes on: a smaller one is no help. */
  const relieve = (table: Groups, level: number, to: Partitions | null): Partitions | null => {
    if (fits(table) || (table.size < leastGroups && table.bytes < leastBytes)) return to;
    if (table.size < 2 || level > maxLevel)
      throw new SluiceError('MEMORY_EXCEEDED', {
        budgetBytes: Math.floor(share.limitBytes),
        what: `one group of ${spec.uid}, which has ${table.bytes} bytes: give executors a larger --memory-budget, or the group less to keep`,
      });
    return putAside(table, level, to);
  };
  const putAside = (table: Groups, level: number, to: Partitions | null): Partitions => {
    const partitions =
      to ?? createPartitions({ scratch: share.scratch, schema: partials, keys: ofPartials, level, ...partitionSizes(share.limitBytes) });
    partitions.write(table.result('partial'));
    table.clear();
    share.hold(0);
    return partitions;
  };
  /** Results, partition by partition; one that does not fit is spread again. */
  function* results(file: SpillFile, level: number): Generator<Batch> {
    for (let part = 0; part < file.parts; part++) {
      if (file.rows(part) === 0) continue;
      const table = createGroups(spec, partials, ofPartials, null);
      let again: Partitions | null = null;
      for (const batch of file.read(part)) {
        table.add(batch);
        again = relieve(table, level, again);
      }
      if (again === null) yield* inPieces(table.result('final'));
      else yield* results(putAside(table, level, again).finish(), level + 1);
    }
    file.close();
  }

  return {
    *process(element) {
      if (element.kind === 'batch') {
        if (element.batch.length > 0) groups.add(element.batch);
        if (phase !== 'partial') aside = relieve(groups, 0, aside);
        else if (!fits(groups) || groups.size >= partialGroups || groups.bytes >= partialBytes) {
          for (const batch of inPieces(groups.result('partial'))) yield { kind: 'batch', batch };
          groups.clear();
        }
        return;
      }
      if (element.kind === 'end') {
        if (keys.length === 0 && phase !== 'partial') groups.addEmpty();
        const given =
          aside === null ? inPieces(groups.result(phase === 'partial' ? 'partial' : 'final')) : results(putAside(groups, 0, aside).finish(), 1);
        for (const batch of given) yield { kind: 'batch', batch };
        groups.clear();
        share.hold(0);
      }
      yield element;
    },
  };
}

function* inPieces(all: Batch): Generator<Batch> {
  for (let from = 0; from < all.length; from += batchRows) yield slice(all, from, Math.min(all.length, from + batchRows));
}

/** Groups with -1 where the filter is not true or the argument is null. */
function mask(groups: Int32Array, length: number, validity: Uint8Array | null, filter: Column | null, out: Int32Array): Int32Array {
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
