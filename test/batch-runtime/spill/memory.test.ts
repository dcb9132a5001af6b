import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createTaskMemory, unbounded } from '#runtime/spill/memory.ts';
import { tight } from './tight.ts';

test('what operators may hold is never more than the budget, and each may have its own part whatever the others hold', () => {
  const moves = fc.array(fc.tuple(fc.nat(3), fc.nat(1500)), { maxLength: 40 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), moves, (count, steps) => {
      const { memory, remove } = tight(1000);
      const shares = Array.from({ length: count }, () => memory.open());
      const held = shares.map(() => 0);
      for (const [index, bytes] of steps) {
        const at = index % count;
        const may = shares[at]!.hold(bytes);
        if (may) held[at] = bytes;
        else {
          // It spills: what it holds then always fits.
          assert.ok(bytes > 250 / count);
          shares[at]!.hold(0);
          held[at] = 0;
        }
        assert.ok(held.reduce((a, b) => a + b, 0) <= 1000);
        assert.equal(
          memory.heldBytes,
          held.reduce((a, b) => a + b, 0),
        );
        assert.ok(shares[at]!.limitBytes <= 1000);
      }
      remove();
    }),
  );
});

test('one that is alone has all of it; the peak is what was held at once', () => {
  const { memory, remove } = tight(1000);
  const first = memory.open();
  assert.equal(first.limitBytes, 1000);
  assert.ok(first.hold(1000));
  assert.ok(!first.hold(1001));
  first.hold(10);
  const second = memory.open();
  assert.equal(first.limitBytes, 875);
  assert.ok(second.hold(875));
  assert.ok(first.hold(125));
  assert.ok(!first.hold(126));
  assert.equal(memory.heldBytes, 1001);
  assert.equal(memory.peakBytes, 1001);
  remove();
});

test('without a budget nothing spills', () => {
  const share = unbounded().open();
  assert.ok(share.hold(Number.MAX_SAFE_INTEGER));
  assert.equal(createTaskMemory(Number.POSITIVE_INFINITY, share.scratch).open().limitBytes, Number.POSITIVE_INFINITY);
});
