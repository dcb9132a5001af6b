import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conversions } from '#runtime/expression/functions/conversion.ts';
import { agree } from './duckdb.ts';

test('on all combinations of edge values they give what DuckDB gives', async () => {
  const rows = await agree(conversions);
  assert(rows > 400, `${rows} rows`);
});
