// The time by which leases run out: that of the clock while somebody looks, and none in between.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeaseTime } from '#manager/lease-time.ts';
import { ManualClock } from './world.ts';

test('it goes with the clock from look to look, stands when nobody looks, and goes on without a leap', async () => {
  const clock = new ManualClock();
  const time = new LeaseTime(clock, 1000);
  for (let i = 0; i < 5; i++) {
    await clock.advance(900);
    time.look();
  }
  assert.equal(time.now(), 4500);
  await clock.advance(60_000);
  assert.equal(time.now(), 5500);
  time.look();
  assert.equal(time.now(), 5500);
  await clock.advance(400);
  assert.equal(time.now(), 5900);
});
