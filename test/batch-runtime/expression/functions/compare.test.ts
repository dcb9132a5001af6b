import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparisons } from '#runtime/expression/functions/compare.ts';
import { agree } from './duckdb.ts';

test('on all combinations of edge values they give what DuckDB gives', async () => {
  const rows = await agree(comparisons);
  assert(rows > 5000, `${rows} rows`);
});
