import assert from 'node:assert/strict';
import { test } from 'node:test';
import { times } from '#runtime/expression/functions/time.ts';
import { agree } from './duckdb.ts';

test('on all combinations of edge values they give what DuckDB gives', async () => {
  const rows = await agree(times);
  assert(rows > 400, `${rows} rows`);
});
