import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choices } from '#runtime/expression/functions/choice.ts';
import { agree } from './duckdb.ts';

test('on all combinations of edge values they give what DuckDB gives', async () => {
  const rows = await agree(choices);
  assert(rows > 2000, `${rows} rows`);
});
