// Slots shared among jobs: all that are wished for and offered, in turn, with as little moving as possible.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type SlotOffer, type SlotShare, type SlotWish, shareSlots } from '#manager/leases.ts';

const offer = (executor: string, slots: number, incarnation = 'i'): SlotOffer => ({ executor, incarnation, slots });
const perJob = (shares: readonly SlotShare[], job: number) => shares.filter((one) => one.job === job).reduce((sum, one) => sum + one.slots, 0);

const offers = fc.uniqueArray(
  fc.record({ executor: fc.constantFrom('a', 'b', 'c', 'd'), incarnation: fc.constantFrom('1', '2'), slots: fc.nat(5) }),
  {
    selector: (one) => one.executor,
  },
);
const wishes = fc.uniqueArray(fc.record({ job: fc.integer({ min: 1, max: 6 }), slots: fc.nat(6) }), { selector: (one) => one.job });

test('slots are given as far as wished and offered, fairly, and a second look changes nothing', () => {
  fc.assert(
    fc.property(offers, wishes, offers, wishes, (before, wishedBefore, now, wished) => {
      const shares = shareSlots(now, wished, shareSlots(before, wishedBefore, []));
      const offered = now.reduce((sum, one) => sum + one.slots, 0);
      const wanted = wished.reduce((sum, one) => sum + one.slots, 0);
      assert.equal(
        shares.reduce((sum, one) => sum + one.slots, 0),
        Math.min(offered, wanted),
      );
      for (const { executor, slots, incarnation } of now) {
        const here = shares.filter((one) => one.executor === executor);
        assert.ok(here.reduce((sum, one) => sum + one.slots, 0) <= slots);
        assert.ok(here.every((one) => one.incarnation === incarnation && one.slots > 0));
      }
      for (const a of wished) {
        assert.ok(perJob(shares, a.job) <= a.slots);
        // Nobody waits for a slot while another job has two more than he.
        for (const b of wished) assert.ok(perJob(shares, a.job) === a.slots || perJob(shares, b.job) <= perJob(shares, a.job) + 1);
      }
      assert.deepEqual(shareSlots(now, wished, shares), shares);
    }),
    { numRuns: 400 },
  );
});

test('a late job takes slots from an early one until both have as many', () => {
  const alone = shareSlots([offer('a', 4)], [{ job: 1, slots: 9 }], []);
  assert.deepEqual(alone, [{ job: 1, executor: 'a', incarnation: 'i', slots: 4 }]);
  const both: SlotWish[] = [
    { job: 1, slots: 9 },
    { job: 2, slots: 9 },
  ];
  const shared = shareSlots([offer('a', 4)], both, alone);
  assert.deepEqual([perJob(shared, 1), perJob(shared, 2)], [2, 2]);
});

test('what a job has stays where it is; an executor that restarted has nothing', () => {
  const now = shareSlots([offer('a', 2), offer('b', 2)], [{ job: 1, slots: 2 }], []);
  assert.deepEqual(shareSlots([offer('a', 2), offer('b', 2), offer('c', 2)], [{ job: 1, slots: 2 }], now), now);
  const again = shareSlots([offer('a', 2, 'new'), offer('b', 2)], [{ job: 1, slots: 2 }], [{ job: 1, executor: 'a', incarnation: 'i', slots: 2 }]);
  assert.equal(again.filter((one) => one.incarnation === 'i' && one.executor === 'a').length, 0);
  assert.equal(perJob(again, 1), 2);
});

test('more jobs than slots: the first have one each', () => {
  const shares = shareSlots(
    [offer('a', 2)],
    [1, 2, 3].map((job) => ({ job, slots: 5 })),
    [],
  );
  assert.deepEqual(
    [1, 2, 3].map((job) => perJob(shares, job)),
    [1, 1, 0],
  );
});
