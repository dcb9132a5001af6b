import assert from 'node:assert/strict';
import { test } from 'node:test';
import { roundings } from '#runtime/expression/functions/rounding.ts';
import { agree } from './duckdb.ts';

test('on all combinations of edge values they give what DuckDB gives', async () => {
  const rows = await agree(roundings);
  assert(rows > 50, `${rows} rows`);
});
