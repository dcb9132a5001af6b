import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { callOf, partialSchema } from '#runtime/aggregate/table.ts';
import type { Schema } from '#runtime/batch/batch.ts';
import type { PlainValue } from '#runtime/batch/rows.ts';
import { slice } from '#runtime/batch/slice.ts';
import type { Aggregate } from '#runtime/expression/expression.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import { createAggregate } from '#runtime/operators/aggregate.ts';
import { nestedBatch, plainArb, plainRows, typeArb } from '../batch/nested.ts';
import { withDuckDb } from '../expression/functions/duckdb.ts';
import { askDuck, sqlOfPlain } from '../expression/functions/nested-duckdb.ts';
import { run } from '../operators/run.ts';

const key = { name: 'g', type: { kind: 'int32' }, nullable: false } as const;
const tableArb = typeArb(2).chain((type) =>
  fc.array(fc.tuple(fc.nat(3), plainArb(type, true), fc.boolean()), { maxLength: 25 }).map((rows) => ({ type, rows })),
);

test('each group has its values in the order of rows, nulls too, in one phase and in two; rows the filter leaves out are not in it', () => {
  fc.assert(
    fc.property(tableArb, fc.nat(), fc.boolean(), ({ type, rows }, at, filtered) => {
      const schema: Schema = [key, { name: 'v', type, nullable: true }, { name: 'f', type: { kind: 'bool' }, nullable: false }];
      const filter = filtered ? columnRef(schema[2]!) : null;
      const aggregate: Aggregate = { name: 'l', ...callOf('toList', { argument: columnRef(schema[1]!), filter }, false) };
      const gives: Schema = [key, { name: 'l', type: aggregate.type, nullable: aggregate.nullable }];
      const batch = nestedBatch(schema, rows);
      const cut = at % (rows.length + 1);
      const parts = [slice(batch, 0, cut), slice(batch, cut, rows.length)];
      const operator = (phase: 'complete' | 'partial' | 'final', of: Schema, to: Schema) =>
        createAggregate({ kind: 'aggregate', uid: 'a', input: 0, phase, keys: ['g'], aggregates: [aggregate], schema: to }, of, []);
      const expected = new Map<number, PlainValue[] | null>();
      for (const [g, value, keeps] of rows) {
        if (!expected.has(g)) expected.set(g, null);
        if (!filtered || keeps) expected.set(g, [...(expected.get(g) ?? []), value]);
      }
      const sorted = (given: ReturnType<typeof run>) => given.flatMap(plainRows).sort((a, b) => Number(a[0]) - Number(b[0]));
      const wanted = [...expected].sort(([a], [b]) => a - b);
      assert.deepEqual(sorted(run(operator('complete', schema, gives), parts)), wanted);
      const between = partialSchema([key], [aggregate]);
      const states = parts.flatMap((part) => run(operator('partial', schema, between), [part]));
      assert.deepEqual(sorted(run(operator('final', between, gives), states)), wanted);
    }),
    { numRuns: 150 },
  );
});

test('as DuckDB has it', async () => {
  await withDuckDb(async (duck) => {
    const type = { kind: 'list', item: { type: { kind: 'utf8' }, nullable: true } } as const;
    const values: readonly PlainValue[] = [['a', null], null, [], ['b']];
    const texts = values.map((value, i) => `(${i}, ${sqlOfPlain(value, type)})`).join(', ');
    const [list] = await askDuck(duck, `select list(v order by i) from (values ${texts}) t(i, v)`, {
      kind: 'list',
      item: { type, nullable: true },
    });
    assert.deepEqual(list, values);
    const none = await askDuck(duck, `select list(v) from (values ${texts}) t(i, v) where i > 9`, type);
    assert.deepEqual(none, [null]);
  });
});

test('its type: a list of what it is asked of; over all rows it may be null, nulls alone are none', () => {
  const argument = columnRef({ name: 'v', type: { kind: 'int32' }, nullable: true });
  const grouped = callOf('toList', { argument, filter: null }, false);
  assert.deepEqual(grouped.type, { kind: 'list', item: { type: { kind: 'int32' }, nullable: true } });
  assert.deepEqual([grouped.nullable, callOf('toList', { argument, filter: null }, true).nullable], [false, true]);
  assert.throws(() => callOf('toList', { argument: null, filter: null }, false), { code: 'EXPRESSION_TYPE' });
  const list = columnRef({ name: 'l', type: grouped.type, nullable: false });
  assert.throws(() => callOf('min', { argument: list, filter: null }, false), { code: 'EXPRESSION_TYPE', message: /min takes no list: unnest it/ });
  assert.equal(callOf('count', { argument: list, filter: null }, false).nullable, false);
});
