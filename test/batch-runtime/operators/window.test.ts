import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Batch, batchRows, type Schema } from '#runtime/batch/batch.ts';
import { slice } from '#runtime/batch/slice.ts';
import type { Frame, WindowFunction } from '#runtime/expression/expression.ts';
import { call, columnRef, literal } from '#runtime/expression/functions.ts';
import type { SortKey } from '#runtime/graph/plan.ts';
import { createSort } from '#runtime/operators/sort.ts';
import { createWindow } from '#runtime/operators/window.ts';
import type { Share } from '#runtime/spill/memory.ts';
import { callOrRanking } from '#runtime/window/call.ts';
import { batchArb, batchOf } from '../batch/columns.ts';
import { tight } from '../spill/tight.ts';
import { cells, elementsOf, field, inOrder, namedRows, reference, run } from './run.ts';

const input: Schema = [field('p', 'utf8'), field('q', 'bool'), field('k', 'int32'), field('x', 'int64'), field('z', 'float64'), field('s', 'utf8')];
const ref = (name: string) => columnRef(input.find((each) => each.name === name)!);
const running: Frame = { unit: 'range', start: null, end: 0 };
const around: Frame = { unit: 'rows', start: -1, end: 2 };
const filter = call('gt', [ref('k'), literal(0, { kind: 'int32' })]);
const make = (name: string, fn: string, argument: string | null, frame: Frame, rest: Partial<WindowFunction> = {}): WindowFunction => {
  const given = { argument: argument === null ? null : ref(argument), filter: null, ...rest };
  return { name, ...callOrRanking(fn, given, frame), frame };
};
const functions: readonly WindowFunction[] = [
  make('number', 'rowNumber', null, running),
  make('rank', 'rank', null, running),
  make('dense', 'denseRank', null, running),
  make('part', 'ntile', null, running, { options: [3] }),
  make('before', 'lag', 's', running, { options: [1] }),
  make('behind', 'lead', 'x', running, { options: [2], more: [literal(7, { kind: 'int64' })] }),
  make('n', 'count', null, running),
  make('some', 'count', 'x', around, { filter }),
  make('least', 'min', 'x', around),
  make('most', 'max', 's', running, { filter }),
  make('first', 'first', 's', around),
  make('last', 'last', 'k', running, { filter }),
  make('different', 'countDistinct', 's', around),
  make('words', 'joinText', 's', running, { options: ['/'] }),
  make('nearest', 'min', 'z', { unit: 'range', start: -3, end: 3 }),
];
const orderArb: fc.Arbitrary<SortKey[]> = fc.constantFrom<SortKey[]>([{ name: 'k', descending: false }], [{ name: 'k', descending: true }]);

const window = (partitionBy: readonly string[], orderBy: readonly SortKey[], of: readonly WindowFunction[], share?: Share) =>
  createWindow(
    {
      kind: 'window',
      uid: 'w',
      input: 0,
      partitionBy,
      orderBy,
      functions: of,
      schema: [...input, ...of.map(({ name, type, nullable }) => ({ name, type, nullable }))],
    },
    input,
    [],
    share,
  );
const sorted = (batches: readonly Batch[], partitionBy: readonly string[], orderBy: readonly SortKey[]): Batch[] => {
  const keys = [...partitionBy.map((name) => ({ name, descending: false })), ...orderBy];
  return run(createSort({ kind: 'sort', uid: 's', input: 0, keys, limit: null, schema: input }, input), batches);
};

test('each row has what plain loops over its partition find, in order of the keys', () => {
  const given = fc.tuple(
    fc.array(batchArb(input, 25, 4), { maxLength: 3 }),
    fc.subarray(['p', 'q', 'z'], { maxLength: 2 }),
    orderArb,
    fc.subarray([...functions], { minLength: 1, maxLength: 5 }),
  );
  fc.assert(
    fc.property(given, ([batches, partitionBy, orderBy, of]) => {
      const running = window(partitionBy, orderBy, of);
      const schema = [...input, ...of.map(({ name, type, nullable }) => ({ name, type, nullable }))];
      const node = { kind: 'window', uid: 'w', input: 0, partitionBy, orderBy, functions: of, limit: null, schema } as const;
      const expected = reference(node, { schema: input, rows: namedRows(batches) });
      assert.deepEqual(inOrder(namedRows(run(running, sorted(batches, partitionBy, orderBy))), schema), inOrder(expected, schema));
    }),
    { numRuns: 200 },
  );
});

/** Partitions of so many rows. */
const many = (rows: number, size: number): Batch =>
  batchOf(
    input,
    Array.from({ length: rows }, (_, i) => [`p${String(Math.floor(i / size)).padStart(6, '0')}`, true, i, BigInt(i), i / 2, null]),
  );

test('partitions leave when the next one begins, in batches of at most 64 K rows, and only the last one is kept', () => {
  const of = [make('sum', 'sum', 'x', { unit: 'range', start: null, end: null })];
  const orderBy = [{ name: 'k', descending: false }];
  const running = window(['p'], orderBy, of);
  const early = [...running.process({ kind: 'batch', batch: many(batchRows + 40_000, 50_000) }, 0)];
  assert.equal(
    early.reduce((sum, element) => sum + (element.kind === 'batch' ? element.batch.length : 0), 0),
    100_000,
  );
  assert.ok(early.every((element) => element.kind === 'batch' && element.batch.length <= batchRows));
  const late = elementsOf(running, []);
  assert.equal(late.at(-1)!.kind, 'end');
  const [batch] = late.flatMap((element) => (element.kind === 'batch' ? [element.batch] : []));
  assert.equal(batch!.length, batchRows + 40_000 - 100_000);
  assert.equal(new Set(cells(batch!, 'sum')).size, 1);
});

test('small partitions go through a small memory, and one that does not fit goes to disk', () => {
  const of = [make('sum', 'sum', 'x', running)];
  const small = tight(256 * 1024);
  const given = run(window(['p'], [{ name: 'k', descending: false }], of, small.memory.open()), [
    slice(many(40_000, 10), 0, 20_000),
    slice(many(40_000, 10), 20_000, 40_000),
  ]);
  assert.equal(
    given.reduce((sum, { length }) => sum + length, 0),
    40_000,
  );
  small.remove();
  assert.equal(small.scratch.writtenBytes, 0);
  const large = tight(256 * 1024);
  const batches = run(window(['p'], [], of, large.memory.open()), [many(70_000, 70_000), many(10, 70_000)]);
  assert.equal(cells(batches.at(-1)!, 'sum').at(-1), BigInt((70_000 * 69_999) / 2 + 45));
  assert.ok(large.scratch.writtenBytes > 0);
  large.remove();
});

test('sums are exact beyond 2^53 and an error beyond their type; floats that slide lose no digit', () => {
  const big = 2n ** 62n;
  const rows = [big, -big, big, 1n].map((x, i) => ['p', true, i, x, [1e17, 1, -1e17, 1][i]!, null]);
  const batch = batchOf(input, rows);
  const at = (frame: Frame, fn: string, argument: string) =>
    cells(run(window(['p'], [{ name: 'k', descending: false }], [make('v', fn, argument, frame)]), [batch])[0]!, 'v');
  assert.deepEqual(at({ unit: 'rows', start: -1, end: 0 }, 'sum', 'x'), [big, 0n, 0n, big + 1n]);
  assert.throws(
    () =>
      at({ unit: 'rows', start: -3, end: 0 }, 'sum', 'x') &&
      at({ unit: 'rows', start: 0, end: 0 }, 'sum', 'x') &&
      run(window([], [], [make('v', 'sum', 'x', { unit: 'rows', start: 0, end: 1 })]), [
        batchOf(input, [...rows.slice(2), ...rows.slice(0, 1), ...rows.slice(0, 1)]),
      ]),
    { code: 'VALUE_OUT_OF_RANGE' },
  );
  assert.deepEqual(at({ unit: 'rows', start: 0, end: 0 }, 'sum', 'z'), [1e17, 1, -1e17, 1]);
  assert.deepEqual(at({ unit: 'rows', start: 0, end: null }, 'sum', 'z').at(-1), 1);
});
