import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timeTexts } from '#runtime/expression/functions/time-text.ts';
import { agree } from './duckdb.ts';

test('on all combinations of edge values they give what DuckDB gives', async () => {
  const rows = await agree(timeTexts);
  assert(rows > 300, `${rows} rows`);
});
