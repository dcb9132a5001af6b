import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsons } from '#runtime/expression/functions/json.ts';
import { agree } from './duckdb.ts';

test('on all combinations of edge values they give what DuckDB gives', async () => {
  const rows = await agree(jsons);
  assert(rows > 100, `${rows} rows`);
});
