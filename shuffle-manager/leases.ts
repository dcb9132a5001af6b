/**
 * Which executor serves which job with how many slots: one pure function from offers, wishes and what is now to what should
 * be. Jobs get slots in turn, one each per round, so a late job is not starved by an early one; a job above its share
 * loses slots (its running tasks end first, which is the executor's doing). Called by manager.ts.
 */

export interface SlotOffer {
  readonly executor: string;
  readonly incarnation: string;
  readonly slots: number;
}

export interface SlotWish {
  readonly job: number;
  readonly slots: number;
}

export interface SlotShare {
  readonly job: number;
  readonly executor: string;
  readonly incarnation: string;
  readonly slots: number;
}

/**
 * Shares all offered slots. Per job at most what it wishes; per executor at most what it offers; when there are more jobs than
 * slots the first ones have one each and the others wait for them to end.
 * @param wishes   in the order the jobs came
 * @param current  the shares now; kept where they fit, so that tasks move as little as possible
 * Cost: O(slots x executors).
 */
export function shareSlots(offers: readonly SlotOffer[], wishes: readonly SlotWish[], current: readonly SlotShare[]): SlotShare[] {
  const free = new Map(offers.map((offer) => [offer.executor, offer.slots]));
  const due = dealRounds(
    wishes,
    offers.reduce((sum, offer) => sum + offer.slots, 0),
  );
  const given = new Map<string, number>();
  const give = (job: number, executor: string, slots: number) => {
    if (slots <= 0) return;
    const key = `${job} ${executor}`;
    given.set(key, (given.get(key) ?? 0) + slots);
    free.set(executor, (free.get(executor) as number) - slots);
    due.set(job, (due.get(job) as number) - slots);
  };
  const here = new Map(offers.map((offer) => [offer.executor, offer.incarnation]));
  for (const share of current) {
    if (here.get(share.executor) !== share.incarnation) continue;
    give(share.job, share.executor, Math.min(share.slots, due.get(share.job) ?? 0, free.get(share.executor) ?? 0));
  }
  for (const { job } of wishes) {
    while ((due.get(job) ?? 0) > 0) {
      const freest = offers.reduce((best, offer) => ((free.get(offer.executor) ?? 0) > (free.get(best.executor) ?? 0) ? offer : best));
      give(job, freest.executor, 1);
    }
  }
  return wishes.flatMap(({ job }) =>
    offers.flatMap(({ executor, incarnation }) => {
      const slots = given.get(`${job} ${executor}`) ?? 0;
      return slots > 0 ? [{ job, executor, incarnation, slots }] : [];
    }),
  );
}

/** How many slots each job gets when they are dealt one by one. */
function dealRounds(wishes: readonly SlotWish[], slots: number): Map<number, number> {
  const due = new Map(wishes.map(({ job }) => [job, 0]));
  let left = slots;
  for (let round = 0; left > 0; round++) {
    let dealt = false;
    for (const wish of wishes) {
      if (left === 0 || wish.slots <= round) continue;
      due.set(wish.job, round + 1);
      left--;
      dealt = true;
    }
    if (!dealt) break;
  }
  return due;
}
