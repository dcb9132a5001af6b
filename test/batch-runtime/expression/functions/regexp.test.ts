import assert from 'node:assert/strict';
import { test } from 'node:test';
import { regexps } from '#runtime/expression/functions/regexp.ts';
import { agree } from './duckdb.ts';

test('on all combinations of edge values they give what DuckDB gives', async () => {
  const rows = await agree(regexps);
  assert(rows > 900, `${rows} rows`);
});
