import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Batch, Schema } from '#runtime/batch/batch.ts';
import { hashKeys } from '#runtime/batch/hash.ts';
import { hashes } from '#runtime/expression/functions/hash.ts';
import { call, columnRef } from '#runtime/expression/functions.ts';
import { interpret } from '#runtime/expression/interpret.ts';
import { columnOf, edges, kinds, typeOf } from '../random.ts';
import { agree } from './duckdb.ts';

test('it is the key hash that rows are spread by, of one column and of several', () => {
  for (const kind of kinds) {
    const values = [null, ...edges[kind]];
    const one: Schema = [{ name: 'x', type: typeOf(kind), nullable: true }];
    const batch: Batch = { schema: one, length: values.length, columns: [columnOf(kind, values)] };
    const x = columnRef(one[0]!);
    for (const count of [1, 3]) {
      const expected = hashKeys(
        Array.from({ length: count }, () => batch.columns[0]!),
        values.length,
      );
      const hash = call(
        'hash',
        Array.from({ length: count }, () => x),
      );
      values.forEach((value, i) => void assert.equal(interpret(hash, batch, i), expected[i], `${kind} ${value} ${count}`));
    }
  }
});

test('compiled it is the same', async () => {
  assert((await agree(hashes)) > 1000);
});
