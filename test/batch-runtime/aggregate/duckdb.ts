/** Compares rows of the aggregate table with DuckDB, over groups of edge values. */
import assert from 'node:assert/strict';
import { callOf, partialSchema } from '#runtime/aggregate/table.ts';
import type { Batch, Schema } from '#runtime/batch/batch.ts';
import { slice } from '#runtime/batch/slice.ts';
import type { Aggregate } from '#runtime/expression/expression.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import { isWhole, type Value } from '#runtime/expression/values.ts';
import { createAggregate } from '#runtime/operators/aggregate.ts';
import { batchOf } from '../batch/columns.ts';
import { ours, sqlOf, withDuckDb } from '../expression/functions/duckdb.ts';
import { edges, typeOf } from '../expression/random.ts';
import { namedRows, run } from '../operators/run.ts';
import type { Case } from './cases.ts';

/** Each gives what DuckDB gives. @returns groups compared */
export const agree = (cases: readonly Case[]): Promise<number> =>
  withDuckDb(async (duck) => {
    let compared = 0;
    for (const one of cases) {
      const { batch, values } = rowsOf(one);
      const aggregate = aggregateOf(one, batch.schema.slice(1));
      const answer = await duck.runAndReadAll(
        `select g, ${sqlText(one, aggregate)} from (values ${values}) t(i, g, ${
          batch.schema
            .slice(1)
            .map(({ name }) => name)
            .join(', ') || 'none'
        }) group by g order by g`,
      );
      const theirs = answer.getRows().map(([, value]) => ours(value, aggregate.type));
      for (const [phases, rows] of Object.entries(resultsOf(aggregate, batch))) {
        const mine = rows.sort((a, b) => Number(a['g']) - Number(b['g'])).map((row) => row['a']!);
        mine.forEach((value, g) => {
          assert.ok(
            same(value, theirs[g]!, one.within),
            `${one.sql} of ${one.kinds}, ${phases}, group ${g}: ${String(value)}, DuckDB ${String(theirs[g])}`,
          );
          compared++;
        });
        assert.equal(mine.length, theirs.length);
      }
    }
    return compared;
  });

const sqlText = ({ sql, kinds }: Case, { type }: Aggregate): string => {
  const text = sql.replaceAll(/\$(\d)/g, (_, k) => `c${k}`);
  return kinds.length === 0 || isWhole(type) ? `(${text})::BIGINT` : text;
};

function same(a: Value, b: Value, within: number | undefined): boolean {
  if (typeof a === 'number' && typeof b === 'number' && within !== undefined && Number.isFinite(a))
    return Math.abs(a - b) <= within * Math.max(Math.abs(a), Math.abs(b));
  return typeof a === 'number' && typeof b === 'number' ? Object.is(a + 0, b + 0) : a === b;
}

/** Groups with no row that has a value, one, a few that repeat, all; each group's rows in two places of the batch. */
function rowsOf({ kinds, without }: Case): { readonly batch: Batch; readonly values: string } {
  const schema: Schema = [
    { name: 'g', type: { kind: 'int32' }, nullable: false },
    ...kinds.map((kind, k) => ({ name: `c${k + 1}`, type: typeOf(kind), nullable: true })),
  ];
  const [first, second] = kinds;
  const all = first === undefined ? [1, 2, 3] : edges[first].filter((value) => without === undefined || !without(value));
  const keys = second === undefined ? [null] : edges[second];
  const groups: Value[][] = [
    [null, null],
    [all[0]!],
    [null, all.at(-1)!, null],
    ...all.map((value, i) => [value, null, all[(3 * i + 1) % all.length]!, value]),
    [...all, ...all],
  ];
  const rows = [0, 1].flatMap((round) =>
    groups.flatMap((group, g) => group.map((value, k) => [g, value, keys[(7 * k + 3 * g + round) % keys.length]!].slice(0, 1 + kinds.length))),
  );
  const values = rows.map(
    (row, i) =>
      `(${i}, ${row[0]}, ${
        row.length === 1
          ? '0'
          : row
              .slice(1)
              .map((value, k) => sqlOf(value!, kinds[k]!))
              .join(', ')
      })`,
  );
  return { batch: batchOf(schema, rows), values: values.join(', ') };
}

function aggregateOf({ fn, kinds, options = [] }: Case, fields: Schema): Aggregate {
  const [argument = null, ...more] = fields.map(columnRef);
  assert.equal(fields.length, kinds.length);
  return { name: 'a', ...callOf(fn, { argument, more, options, filter: null }, false) };
}

/** In one phase, and in two with several tasks. */
function resultsOf(aggregate: Aggregate, batch: Batch): Record<string, Record<string, Value>[]> {
  const key = batch.schema[0]!;
  const schema: Schema = [key, { name: 'a', type: aggregate.type, nullable: aggregate.nullable }];
  const of = (phase: 'partial' | 'final' | 'complete', input: Schema) =>
    createAggregate({ kind: 'aggregate', uid: 'a', input: 0, phase, keys: ['g'], aggregates: [aggregate], schema }, input, []);
  const between = partialSchema([key], [aggregate]);
  const cuts = [0, 7, batch.length >> 1, batch.length];
  const parts = cuts.slice(1).map((to, k) => slice(batch, cuts[k]!, to));
  const partials = parts.flatMap((part) => run(of('partial', batch.schema), [part]));
  for (const { columns } of partials)
    assert.deepEqual(
      columns.map(({ type }) => type),
      between.map(({ type }) => type),
    );
  return {
    'in one phase': namedRows(run(of('complete', batch.schema), parts)) as Record<string, Value>[],
    'in two': namedRows(run(of('final', between), partials)) as Record<string, Value>[],
  };
}
