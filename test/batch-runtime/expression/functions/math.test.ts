import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maths, power } from '#runtime/expression/functions/math.ts';
import { agree } from './duckdb.ts';

test('on all combinations of edge values they give what DuckDB gives', async () => {
  const rows = await agree(maths);
  assert(rows > 700, `${rows} rows`);
});

test('1 to any power is 1, and so is -1 to an infinite one', () => {
  assert.deepEqual([power(1, Number.NaN), power(-1, Number.NEGATIVE_INFINITY), power(-1, Number.NaN), power(2, 10)], [1, 1, Number.NaN, 1024]);
});
