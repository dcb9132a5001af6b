import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aggregates } from '#runtime/aggregate/table.ts';
import type { Frame } from '#runtime/expression/expression.ts';
import { cases } from '../aggregate/cases.ts';
import { withDuckDb } from '../expression/functions/duckdb.ts';
import { compareWindow, type WindowCase } from './duckdb.ts';

const frames: readonly Frame[] = [
  { unit: 'range', start: null, end: 0 },
  { unit: 'range', start: null, end: null },
  { unit: 'range', start: 0, end: null },
  { unit: 'range', start: -2, end: 1 },
  { unit: 'rows', start: null, end: 0 },
  { unit: 'rows', start: -2, end: 1 },
  { unit: 'rows', start: 0, end: null },
  { unit: 'rows', start: 1, end: 2 },
  { unit: 'rows', start: -3, end: -2 },
];

test('every aggregate of the table over every frame gives what DuckDB gives', async () => {
  // What has a further argument is held by its own case; sketches have no reference to be compared with row by row.
  const own = cases.filter(({ kinds, fn }) => kinds.length < 2 && !fn.startsWith('approx') && fn !== 'joinText' && fn !== 'toList');
  const more: typeof cases = [{ fn: 'joinText', kinds: ['utf8'], sql: "string_agg($1, '+')", options: ['+'] }];
  assert.deepEqual(
    Object.keys(aggregates).filter((fn) => !fn.startsWith('approx') && fn !== 'toList' && ![...own, ...more].some((one) => one.fn === fn)),
    [],
  );
  const rows = await withDuckDb(async (duck) => {
    let compared = 0;
    for (const { fn, kinds, sql, options = [], without, within } of [...own, ...more]) {
      // All frames on the kinds that are worked out in ways of their own, a few on the others.
      const some = ['int32', 'int64', 'float64', 'utf8'].includes(kinds[0] ?? 'int32') ? frames : frames.filter((_, k) => k % 3 === 0);
      for (const frame of some) {
        const one: WindowCase = {
          fn,
          kind: kinds[0] ?? null,
          // In a window the order is that of the rows.
          sql: sql.replace(' order by i', '').replaceAll('$1', 'x'),
          options,
          frame,
          ...(frame.unit === 'rows' || ['first', 'last', 'joinText'].includes(fn) ? { total: frame.unit === 'rows' || !isFar(frame) } : {}),
          ...(without === undefined ? {} : { without }),
          ...(within === undefined ? {} : { within }),
        } as WindowCase;
        if (['first', 'last', 'joinText'].includes(fn) && isFar(frame)) continue;
        compared += await compareWindow(duck, one);
        if (!one.total && frame.unit === 'range') compared += await compareWindow(duck, { ...one, descending: true });
      }
    }
    return compared;
  });
  assert(rows > 10_000, `${rows} rows`);
});

/** A frame of distances, which has one key, so that equal rows come in any order. */
const isFar = ({ unit, start, end }: Frame): boolean => unit === 'range' && [start, end].some((bound) => bound !== null && bound !== 0);
