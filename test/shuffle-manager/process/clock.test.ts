import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock, systemRandom } from '#manager/process/clock.ts';

test('time goes forward and a timer fires once, unless it is cancelled', async () => {
  const start = systemClock.now();
  const fired: string[] = [];
  const cancelled = systemClock.after(1, () => fired.push('cancelled'));
  cancelled.cancel();
  await new Promise<void>((resolve) => {
    systemClock.after(5, () => {
      fired.push('fired');
      resolve();
    });
    // The port's timers do not keep a process alive; this one does, for the test.
    setTimeout(() => {}, 50);
  });
  assert.deepEqual(fired, ['fired']);
  assert.ok(systemClock.now() - start >= 4);
  assert.ok(Math.abs(systemClock.wall() - Date.now()) < 1000);
});

test('random bytes differ, numbers are in [0, 1)', () => {
  assert.notDeepEqual(systemRandom.fill(new Uint8Array(16)), systemRandom.fill(new Uint8Array(16)));
  for (let i = 0; i < 100; i++) {
    const number = systemRandom.next();
    assert.ok(number >= 0 && number < 1);
  }
});
