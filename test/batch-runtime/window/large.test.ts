import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aggregates } from '#runtime/aggregate/table.ts';
import type { Batch, Schema } from '#runtime/batch/batch.ts';
import { slice } from '#runtime/batch/slice.ts';
import type { Frame, WindowFunction } from '#runtime/expression/expression.ts';
import { call, columnRef, literal } from '#runtime/expression/functions.ts';
import type { SortKey } from '#runtime/graph/plan.ts';
import { createSort } from '#runtime/operators/sort.ts';
import { createWindow } from '#runtime/operators/window.ts';
import { callOrRanking } from '#runtime/window/call.ts';
import { rankings } from '#runtime/window/ranking.ts';
import { cases } from '../aggregate/cases.ts';
import { batchOf } from '../batch/columns.ts';
import { field, namedRows, run } from '../operators/run.ts';
import { randomOf, tight } from '../spill/tight.ts';

const input: Schema = [
  field('p', 'int32'),
  field('k', 'int32'),
  field('i', 'int32'),
  field('int32', 'int32'),
  field('int64', 'int64'),
  field('float64', 'float64'),
  field('utf8', 'utf8'),
  field('bool', 'bool'),
];
const ref = (name: string) => columnRef(input.find((each) => each.name === name)!);

/** Partition 1 is far larger than the budget; it has long runs of peers and nulls of every column. */
function rowsOf(count: number): Batch[] {
  const random = randomOf(7);
  const rows = Array.from({ length: count }, (_, i) => {
    const p = i < 40 ? 0 : i >= count - 40 ? 2 : 1;
    const orNull = <T>(value: T): T | null => (random() < 0.1 ? null : value);
    const n = Math.floor(random() * 200) - 100;
    // Halves: sums of floats are exact in any order.
    return [
      p,
      orNull(Math.floor(random() * 300)),
      i,
      orNull(n),
      orNull(BigInt(n) * 1_000_000_007n),
      orNull(n / 2),
      orNull(`text ${n % 17} ${'x'.repeat(20 + (n & 15))}`),
      orNull(n > 0),
    ];
  });
  return Array.from({ length: Math.ceil(count / 700) }, (_, b) => batchOf(input, rows.slice(700 * b, 700 * (b + 1))));
}

const cut = (batches: readonly Batch[]): Batch[] =>
  batches.flatMap((batch) =>
    Array.from({ length: Math.ceil(batch.length / 150) }, (_, c) => slice(batch, 150 * c, Math.min(batch.length, 150 * (c + 1)))),
  );

const orderBy: readonly SortKey[] = [
  { name: 'k', descending: false },
  { name: 'i', descending: false },
];
const price = call('cast', [ref('int32')], { kind: 'decimal', precision: 12, scale: 2 });
const make = (fn: string, argument: string | null, frame: Frame, rest: Partial<WindowFunction> = {}): WindowFunction => {
  const given = { argument: argument === null ? null : ref(argument), filter: null, ...rest };
  return { name: 'w', ...callOrRanking(fn, given, frame), frame };
};

const sortedBy = (batches: readonly Batch[], keys: readonly SortKey[]): Batch[] =>
  cut(
    run(
      createSort({ kind: 'sort', uid: 's', input: 0, keys: [{ name: 'p', descending: false }, ...keys], limit: null, schema: input }, input),
      batches,
    ),
  );

type Row = ReturnType<typeof namedRows>[number];

/** The rows with and without room for them. */
function both(
  batches: readonly Batch[],
  of: readonly WindowFunction[],
  keys: readonly SortKey[],
  partitionBy: readonly string[] = ['p'],
  budget = 70_000,
) {
  const named = of.map((each, f) => ({ ...each, name: `w${f}` }));
  const schema: Schema = [...input, ...named.map(({ name, type, nullable }) => ({ name, type, nullable }))];
  const spec = { kind: 'window', uid: 'w', input: 0, partitionBy, orderBy: keys, functions: named, schema } as const;
  const wide = namedRows(run(createWindow(spec, input, []), batches));
  const { memory, scratch, remove } = tight(budget);
  const narrow = namedRows(run(createWindow(spec, input, [], memory.open()), batches));
  assert.ok(scratch.writtenBytes > 0, 'it went to disk');
  assert.equal(scratch.open, 0, 'files are closed');
  remove();
  return { wide, narrow };
}

/** The first row that differs, rather than all. */
function same(narrow: readonly Row[], wide: readonly Row[]): void {
  assert.equal(narrow.length, wide.length);
  // Sums of floats that were added up from the other end differ in their last digits.
  const isSame = (a: unknown, b: unknown): boolean =>
    typeof a === 'number' && typeof b === 'number' ? Object.is(a, b) || Math.abs(a - b) <= 1e-9 * Math.abs(b) : String(a) === String(b);
  const at = narrow.findIndex((row, i) => !Object.entries(wide[i]!).every(([name, value]) => isSame(row[name], value)));
  if (at >= 0) assert.deepEqual(narrow[at], wide[at], `row ${at}`);
}

const batches = rowsOf(1200);
const total = sortedBy(batches, orderBy);
const peers = sortedBy(batches, [{ name: 'k', descending: true }]);

test('every function of a place gives what it gives in memory', () => {
  const options: Readonly<Record<string, readonly number[]>> = { ntile: [7], lag: [3], lead: [400] };
  const frame: Frame = { unit: 'range', start: null, end: 0 };
  const of = Object.keys(rankings).map((fn) => make(fn, fn === 'lag' || fn === 'lead' ? 'utf8' : null, frame, { options: options[fn] ?? [] }));
  of.push(make('lag', 'int64', frame, { options: [700], more: [ref('int64')] }));
  for (const [rows, keys] of [
    [total, orderBy],
    [peers, [{ name: 'k', descending: true }]],
    [peers, []],
  ] as const) {
    const { wide, narrow } = both(rows, of, keys);
    same(narrow, wide);
  }
});

const frames: readonly Frame[] = [
  { unit: 'range', start: null, end: null },
  { unit: 'range', start: null, end: 0 },
  { unit: 'range', start: 0, end: null },
  { unit: 'range', start: -2, end: 1 },
  { unit: 'rows', start: null, end: -5 },
  { unit: 'rows', start: -25, end: 8 },
  { unit: 'rows', start: 4, end: 9 },
];

for (const frame of frames) {
  test(`every aggregate over ${JSON.stringify(frame)} gives what it gives in memory`, () => {
    const filter = call('gt', [ref('int32'), literal(0, { kind: 'int32' })]);
    const one = Object.keys(aggregates).flatMap((fn): WindowFunction[] => {
      const found = cases.find((each) => each.fn === fn && each.kinds.length < 2);
      if (found === undefined || fn === 'joinText' || fn === 'toList') return [];
      if (frame.end === null && frame.start !== null && aggregates[fn]!.order({} as never) === 'result') return [];
      const kind = found.kinds[0] ?? null;
      const argument = kind === null ? null : input.some(({ name }) => name === kind) ? kind : 'int32';
      return [make(fn, argument, frame, { options: found.options ?? [] }), make(fn, argument, frame, { options: found.options ?? [], filter })];
    });
    const of = [
      ...one,
      make('sum', null, frame, { argument: price }),
      make('avg', null, frame, { argument: price }),
      make('max', 'utf8', frame),
      make('sum', 'float64', frame),
    ];
    const range = frame.unit === 'range' && [frame.start, frame.end].some((bound) => bound !== null && bound !== 0);
    for (let from = 0; from < of.length; from += 6) {
      const { wide, narrow } = both(range ? peers : total, of.slice(from, from + 6), range ? [{ name: 'k', descending: true }] : orderBy);
      same(narrow, wide);
    }
  });
}

test('without keys all rows are one partition', () => {
  const of = [make('rowNumber', null, frames[1]!), make('sum', 'int64', frames[1]!), make('count', null, frames[0]!)];
  const { wide, narrow } = both(total, of, [], []);
  same(narrow, wide);
});

test('a frame that does not fit, and one to the end of an aggregate that asks for an order, say so', () => {
  const refused = (of: WindowFunction, message: RegExp) => assert.throws(() => both(total, [of], orderBy), { code: 'MEMORY_EXCEEDED', message });
  refused(make('max', 'utf8', { unit: 'rows', start: -1000, end: 0 }), /a frame of w, in a partition of 1120 rows/);
  refused(make('joinText', 'utf8', { unit: 'rows', start: 0, end: null }, { options: ['/'] }), /joinText over frames to the end/);
});
