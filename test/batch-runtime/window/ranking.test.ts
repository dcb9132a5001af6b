import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rankings } from '#runtime/window/ranking.ts';
import { withDuckDb } from '../expression/functions/duckdb.ts';
import { kinds } from '../expression/random.ts';
import { compareWindow, type WindowCase } from './duckdb.ts';

/** Each function as DuckDB's SQL: what the oracle of this file runs. */
const cases: readonly WindowCase[] = [
  { fn: 'rowNumber', kind: null, sql: 'row_number()', total: true },
  ...kinds.flatMap((key) =>
    [true, false].flatMap((descending): WindowCase[] => [
      { fn: 'rank', kind: null, sql: 'rank()', key, descending },
      { fn: 'denseRank', kind: null, sql: 'dense_rank()', key, descending },
      { fn: 'percentRank', kind: null, sql: 'percent_rank()', key, descending },
      { fn: 'cumeDist', kind: null, sql: 'cume_dist()', key, descending },
    ]),
  ),
  ...[1, 2, 3, 7, 100].map((parts): WindowCase => ({ fn: 'ntile', kind: null, sql: `ntile(${parts})`, options: [parts], total: true })),
  ...kinds.flatMap((kind) =>
    [1, 2, 0, -1, 50].flatMap((rows): WindowCase[] => [
      { fn: 'lag', kind, sql: `lag(x, ${rows})`, options: [rows], total: true },
      { fn: 'lead', kind, sql: `lead(x, ${rows})`, options: [rows], total: true },
      { fn: 'lead', kind, sql: `lead(x, ${rows}, y)`, options: [rows], fallback: true, total: true },
    ]),
  ),
];

test('every function has a case, and gives what DuckDB gives', async () => {
  assert.deepEqual(
    Object.keys(rankings).filter((fn) => !cases.some((one) => one.fn === fn)),
    [],
    'add it to the cases above',
  );
  const rows = await withDuckDb(async (duck) => {
    let compared = 0;
    for (const one of cases) compared += await compareWindow(duck, one);
    return compared;
  });
  assert(rows > 5000);
});

test('every row says what it is, in a sentence, and refuses what it cannot', () => {
  for (const [fn, { doc }] of Object.entries(rankings)) assert.match(doc, /^[A-Z(].*\.$/, fn);
  const refused = (fn: string, ...options: (string | number)[]) =>
    assert.throws(() => rankings[fn]!.resolve(fn, null, [], options), { code: 'EXPRESSION_TYPE' });
  refused('ntile', 0);
  refused('ntile', 1.5);
  refused('lag', 1);
});
