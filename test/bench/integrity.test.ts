import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { removed, without } from '../../bench/integrity.ts';

test('what the bare copy is made without stands in the tree', () => {
  for (const { file, find, replace } of removed) {
    const body = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
    assert.notEqual(without(file, body, find, replace), body);
  }
  assert.throws(() => without('a', 'xx', 'x', 'y'), /2 times/);
});
