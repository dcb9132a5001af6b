import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timeFields } from '#runtime/expression/functions/time-fields.ts';
import { agree } from './duckdb.ts';

test('on all combinations of edge values they give what DuckDB gives', async () => {
  const rows = await agree(timeFields);
  assert(rows > 200, `${rows} rows`);
});
