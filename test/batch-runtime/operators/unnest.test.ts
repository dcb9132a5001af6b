import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { batchRows, type Schema } from '#runtime/batch/batch.ts';
import type { PlainValue } from '#runtime/batch/rows.ts';
import { createUnnest } from '#runtime/operators/unnest.ts';
import { fieldsOf, int32, list } from '#runtime/schema.ts';
import { unnested } from '#runtime/verbs/unnest.ts';
import { nestedBatch, nestedBatchArb, plainRows, typeArb } from '../batch/nested.ts';
import { withDuckDb } from '../expression/functions/duckdb.ts';
import { plainOfDuck, sqlOfPlain } from '../expression/functions/nested-duckdb.ts';
import { elementsOf, run } from './run.ts';

const kept = { name: 'k', type: { kind: 'int32' }, nullable: false } as const;
const schemaArb = fc
  .tuple(typeArb(2), fc.boolean(), fc.boolean())
  .map(([type, items, lists]): Schema => [kept, { name: 'l', type: { kind: 'list', item: { type, nullable: items } }, nullable: lists }]);

test('a row for each value, in order, with its place; what has none goes, or stays with a null', () => {
  const given = schemaArb.chain((schema) => fc.tuple(fc.constant(schema), fc.array(nestedBatchArb(schema), { maxLength: 3 })));
  fc.assert(
    fc.property(given, fc.boolean(), fc.boolean(), fc.boolean(), ([schema, batches], outer, counted, named) => {
      const node = unnested('u', schema, schema[1]!, { outer, ...(counted ? { ordinality: 'i' } : {}), ...(named ? { as: 'v' } : {}) });
      const operator = createUnnest({ kind: 'unnest', uid: 'u', input: 0, ...node }, schema);
      const expected = batches.flatMap(({ rows }) =>
        rows.flatMap(([k, l]) => {
          const items = (l ?? []) as PlainValue[];
          if (items.length === 0) return outer ? [[k, null, ...(counted ? [null] : [])]] : [];
          return items.map((item, i) => [k, item, ...(counted ? [String(i + 1)] : [])]);
        }),
      );
      const out = run(
        operator,
        batches.map(({ batch }) => batch),
      );
      assert.deepEqual(out.flatMap(plainRows), expected);
      for (const batch of out) assert.deepEqual(batch.schema, node.schema);
    }),
    { numRuns: 200 },
  );
});

test('as DuckDB has it', async () => {
  const [k, l] = fieldsOf({ k: int32(), l: list(int32().nullable()).nullable() });
  const rows: PlainValue[][] = [
    [1, [10, null]],
    [2, null],
    [3, []],
    [4, [40]],
  ];
  const schema = [k!, l!];
  await withDuckDb(async (duck) => {
    const values = rows.map(([a, b]) => `(${a}, ${sqlOfPlain(b!, l!.type)})`).join(', ');
    for (const outer of [false, true]) {
      const sql = outer
        ? `select k, u.v from (values ${values}) t(k, l) left join lateral (select unnest(l) as v) u on true order by k, v nulls last`
        : `select k, unnest(l) as v from (values ${values}) t(k, l) order by k, v nulls last`;
      const theirs = (await duck.runAndReadAll(sql)).getRows().map(([a, b]) => [a, plainOfDuck(b!, { kind: 'int32' })]);
      const operator = createUnnest({ kind: 'unnest', uid: 'u', input: 0, ...unnested('u', schema, l!, { outer }) }, schema);
      assert.deepEqual(run(operator, [nestedBatch(schema, rows)]).flatMap(plainRows), theirs);
    }
  });
});

test('batches stay of the usual size, however long a list is; what is no batch passes', () => {
  const schema = fieldsOf({ l: list(int32()) });
  const long = Array.from({ length: 2 * batchRows + 5 }, (_, i) => i);
  const operator = createUnnest({ kind: 'unnest', uid: 'u', input: 0, ...unnested('u', schema, schema[0]!, {}) }, schema);
  const elements = elementsOf(operator, [nestedBatch(schema, [[[7]], [long], [[]]])]);
  const batches = elements.flatMap((element) => (element.kind === 'batch' ? [element.batch] : []));
  assert.deepEqual(
    batches.map(({ length }) => length),
    [batchRows, batchRows, 6],
  );
  assert.deepEqual(
    batches.flatMap(plainRows).map(([value]) => value),
    [7, ...long],
  );
  assert.deepEqual(elements.at(-1), { kind: 'end' });
});
