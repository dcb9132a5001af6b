import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Batch, batchRows } from '#runtime/batch/batch.ts';
import { slice } from '#runtime/batch/slice.ts';
import type { SortKey } from '#runtime/graph/plan.ts';
import { columnOrder, createSort } from '#runtime/operators/sort.ts';
import { batchArb, batchOf, fieldsOf, kinds } from '../batch/columns.ts';
import { rowBatches, rowSchema, type Skew, tight } from '../spill/tight.ts';
import { batchesOf, cells, elementsOf, field, inOrder, namedRows, reference, run } from './run.ts';

const schema = fieldsOf(...kinds);
const sortOf = (keys: readonly SortKey[], limit: number | null, of = schema) =>
  createSort({ kind: 'sort', uid: 's', input: 0, keys, limit, schema: of }, of);
const keysArb = fc.array(fc.record({ name: fc.constantFrom(...schema.map(({ name }) => name)), descending: fc.boolean() }), {
  minLength: 1,
  maxLength: 3,
});

test('rows leave in the order of plain loops, equal ones as they came, only the first `limit` of them', () => {
  fc.assert(
    fc.property(fc.array(batchArb(schema, 12, 3), { maxLength: 4 }), keysArb, fc.option(fc.nat(20)), (batches, keys, limit) => {
      const node = { kind: 'sort', uid: 's', input: 0, keys, limit, schema } as const;
      assert.deepEqual(
        inOrder(namedRows(run(sortOf(keys, limit), batches)), schema),
        inOrder(reference(node, { schema, rows: namedRows(batches) }), schema),
      );
    }),
    { numRuns: 150 },
  );
});

test('more than 64 K rows leave in several batches; with a limit little is kept', () => {
  const of = [field('a', 'int32'), field('b', 'int32')];
  const n = 80_000;
  const batch = batchOf(
    of,
    Array.from({ length: n }, (_, i) => [Math.imul(i, 7919) % 1000, i]),
  );
  const keys = [{ name: 'a', descending: true }];
  const sorted = run(sortOf(keys, null, of), [slice(batch, 0, 10), slice(batch, 10, n)]);
  assert.deepEqual(
    sorted.map(({ length }) => length),
    [batchRows, n - batchRows],
  );
  const values = sorted.flatMap((each) => cells(each, 'a')) as number[];
  assert(values.every((value, i) => i === 0 || values[i - 1]! >= value));
  // Eight times over: what was kept is cut on the way, and the ties are still those that came first.
  const many: Batch[] = Array.from({ length: 8 }, () => batch);
  const top = run(sortOf(keys, 300, of), many);
  const [a, b] = [cells(batch, 'a'), cells(batch, 'b')] as [number[], number[]];
  const best = b.filter((i) => a[i] === 999);
  assert(best.length < 300 && 8 * best.length > 300);
  assert.deepEqual(cells(top[0]!, 'a'), Array(300).fill(999));
  assert.deepEqual(
    cells(top[0]!, 'b'),
    Array.from({ length: 300 }, (_, i) => best[i % best.length]),
  );
});

test('nothing in, only the end out; so with limit 0', () => {
  assert.deepEqual(elementsOf(sortOf([{ name: 'c0', descending: false }], null), [batchOf(schema, [])]), [{ kind: 'end' }]);
  assert.deepEqual(elementsOf(sortOf([{ name: 'c0', descending: false }], 0), [batchOf(schema, [[1, 1, 1n, 1, true, '', 1, 1n]])]), [
    { kind: 'end' },
  ]);
});

test('keys by name are columns by number; a name that is not there is a mistake', () => {
  assert.deepEqual(columnOrder(schema, [{ name: 'c2', descending: true }]), [{ column: 2, descending: true }]);
  assert.throws(() => columnOrder(schema, [{ name: 'none', descending: true }]), /none/);
});

test('beyond memory: the same rows in the same order, ties too, with a limit and without, and no file is left', () => {
  const keys = fc.constantFrom<SortKey[]>(
    [{ name: 'key', descending: false }],
    [
      { name: 'name', descending: true },
      { name: 'size', descending: false },
    ],
    [],
  );
  const skews = fc.constantFrom<Skew>('even', 'zipf', 'one');
  fc.assert(
    fc.property(fc.integer(), keys, skews, fc.constantFrom(null, 10, 3000), fc.constantFrom(20_000, 65_536), (seed, by, skew, limit, budget) => {
      const batches = rowBatches(seed, 6000, 500, skew);
      const { memory, scratch, remove } = tight(budget);
      const spec = { kind: 'sort', uid: 's', input: 0, keys: by, limit, schema: rowSchema } as const;
      const given = run(createSort(spec, rowSchema, memory.open()), batches);
      assert.deepEqual(namedRows(given), namedRows(run(createSort(spec, rowSchema), batches)));
      assert.ok(scratch.writtenBytes > 0 && scratch.open === 0);
      assert.equal(memory.heldBytes, 0);
      remove();
    }),
    { numRuns: 15 },
  );
});

test('more runs than can be merged at once are merged in several passes', () => {
  const batches = rowBatches(7, 30_000, 20_000, 'even');
  const { memory, scratch, remove } = tight(16_384);
  const spec = { kind: 'sort', uid: 's', input: 0, keys: [{ name: 'size', descending: false }], limit: null, schema: rowSchema } as const;
  const sort = createSort(spec, rowSchema, memory.open());
  for (const batch of batches) assert.deepEqual([...sort.process({ kind: 'batch', batch }, 0)], []);
  const written = scratch.writtenBytes;
  const given = batchesOf([...sort.process({ kind: 'end' }, 0)]);
  assert.ok(scratch.writtenBytes > 1.9 * written, 'all rows were written again');
  assert.deepEqual(namedRows(given), namedRows(run(createSort(spec, rowSchema), batches)));
  remove();
});
