import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Batch, Schema } from '#runtime/batch/batch.ts';
import { createTopGroups } from '#runtime/operators/top-groups.ts';
import type { Share } from '#runtime/spill/memory.ts';
import { batchArb, batchOf } from '../batch/columns.ts';
import { compareRows, type Row } from '../graph/reference.ts';
import { tight } from '../spill/tight.ts';
import { elementsOf, field, inOrder, namedRows, run } from './run.ts';

const input: Schema = [field('p', 'utf8'), field('k', 'int32'), field('x', 'int32')];
const top = (keys: readonly string[], count: number, share?: Share) =>
  createTopGroups({ kind: 'top-groups', uid: 't', input: 0, keys, orderBy: [{ name: 'k', descending: true }], count, schema: input }, input, share);

/** The rows that have fewer than `count` of their group before them, as they came. */
const expected = (rows: readonly Row[], keys: readonly string[], count: number): Row[] => {
  const group = keys.map((name) => ({ name, descending: false }));
  const before = (a: number, b: number): boolean => {
    const order = compareRows(rows[a]!, rows[b]!, [{ name: 'k', descending: true }]);
    return compareRows(rows[a]!, rows[b]!, group) === 0 && (order < 0 || (order === 0 && a < b));
  };
  return rows.filter((_, i) => rows.filter((__, j) => before(j, i)).length < count);
};

test('of each group the first rows stay, earlier ones among equal ones, in the order they came', () => {
  fc.assert(
    fc.property(
      fc.array(batchArb(input, 20, 4), { maxLength: 4 }),
      fc.constantFrom([], ['p'], ['p', 'x']),
      fc.integer({ min: 0, max: 3 }),
      (batches, keys, count) => {
        assert.deepEqual(inOrder(namedRows(run(top(keys, count), batches)), input), inOrder(expected(namedRows(batches), keys, count), input));
      },
    ),
    { numRuns: 200 },
  );
});

const many = (from: number, rows: number): Batch =>
  batchOf(
    input,
    Array.from({ length: rows }, (_, i) => [`p${(from + i) % 5}`, ((from + i) * 7919) % 100_003, from + i]),
  );

test('what it keeps stays small, and with too little memory it gives more than it must, never less', () => {
  const batches = Array.from({ length: 10 }, (_, k) => many(30_000 * k, 30_000));
  const wanted = inOrder(namedRows(run(top(['p'], 2), batches)), input).sort();
  assert.equal(wanted.length, 10);
  const { memory, remove } = tight(64 * 1024);
  const given = run(top(['p'], 2, memory.open()), batches);
  const again = inOrder(namedRows(run(top(['p'], 2), given)), input).sort();
  assert.deepEqual(again, wanted);
  remove();
  assert.equal(elementsOf(top(['p'], 2), []).at(-1)!.kind, 'end');
});
