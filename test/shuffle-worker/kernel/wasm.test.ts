import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileWasm, createMemory } from '#worker/kernel/wasm.ts';

/** (module (import "env" "memory" (memory 1)) (func (export "at") (param i32) (result i32) (i32.load (local.get 0)))) */
const loads = 'AGFzbQEAAAABBgFgAX8BfwIPAQNlbnYGbWVtb3J5AgABAwIBAAcGAQJhdAAACgkBBwAgACgCAAs=';

test('a module works over the memory it is given, which is at least as large as was asked for', () => {
  const instantiate = compileWasm<{ at(address: number): number }>(loads);
  const [one, other] = [createMemory(65_537), createMemory(8)];
  assert.deepEqual([one.buffer.byteLength, other.buffer.byteLength], [2 * 65_536, 65_536]);
  new Int32Array(one.buffer)[3] = 42;
  assert.deepEqual([instantiate(one).at(12), instantiate(other).at(12)], [42, 0]);
  assert.throws(() => compileWasm('AGFzbQ=='));
});
