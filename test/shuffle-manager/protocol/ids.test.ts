import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Compile } from 'typebox/compile';
import { hex128, jobOf, mint128, shuffleFrom, shuffleId, shuffleText, u64Text } from '#manager/protocol/ids.ts';
import { seededRandom } from '../world.ts';

test('a shuffle is its job and its run', () => {
  const id = shuffleId(0xffffffff, 0xfffffffe);
  assert.equal(shuffleText(id), '18446744073709551614');
  assert.equal(shuffleFrom(shuffleText(id)), id);
  assert.equal(jobOf(id), 0xffffffff);
  assert.equal(jobOf(shuffleId(3, 1)), 3);
});

test('a 128-bit id is 32 hex digits, and the schemas say so', () => {
  const id = mint128(seededRandom(1));
  assert.ok(Compile(hex128).Check(id));
  assert.ok(!Compile(hex128).Check(id.toUpperCase().replace(/^./, 'A')));
  assert.ok(!Compile(u64Text).Check('-1'));
  assert.notEqual(mint128(seededRandom(1)), mint128(seededRandom(2)));
});
