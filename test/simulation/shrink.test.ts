// The smaller world: found for a planted bug in the real simulator, and for one that is stuck; it plays again and ends in time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FaultKind } from './faults.ts';
import { type Outcome, play } from './run.ts';
import { type Cuts, cutScenario, scenarioOf } from './scenario.ts';
import { shrink } from './shrink.ts';

const permitted: readonly FaultKind[] = ['kill', 'delay', 'slowCall'];

/** A bug that is there whenever a worker that held something was killed: no oracle of the product's sees it. */
async function playPlanted(seed: number, cuts: Cuts): Promise<Outcome> {
  const outcome = await play(seed, permitted, cuts);
  return (outcome.faults.get('kill') ?? 0) > 0 ? { ...outcome, verdict: 'wrong' } : outcome;
}

test('a planted bug is shrunk to the one fault that shows it, and the smaller world plays again', async () => {
  let seed = 3;
  let outcome = await playPlanted(seed, {});
  while (outcome.verdict !== 'wrong' || outcome.fired.length < 3) outcome = await playPlanted(++seed, {});
  const shrunk = await shrink({ seed, permitted, outcome, play: (cuts) => playPlanted(seed, cuts), mayGoOn: () => true });
  assert.equal(shrunk.fired.length, 1, shrunk.fired.join());
  assert.match(shrunk.fired[0]!, /^kill:\d$/);
  const again = await playPlanted(seed, JSON.parse(JSON.stringify(shrunk.cuts)) as Cuts);
  assert.deepEqual([again.verdict, again.fired], ['wrong', shrunk.fired]);
  const smaller = cutScenario(scenarioOf(seed, permitted), shrunk.cuts);
  assert.ok(smaller.shuffles.length <= 2 && smaller.shuffles.every(({ maps }) => maps <= 2), JSON.stringify(shrunk.cuts));
});

test('what needs two faults, three maps and one of the shuffles keeps them, and loses all else', async () => {
  const scenario = scenarioOf(11);
  const fired = ['cut:1', 'kill:1', 'kill:2', 'delay:1', 'rot:1'];
  const shuffle = scenario.shuffles.length - 1;
  const fake = async ({ only = fired, maps = 9, shuffles = [shuffle] }: Cuts): Promise<Pick<Outcome, 'verdict' | 'fired'>> => {
    const isStuck = only.includes('kill:2') && only.includes('rot:1') && maps >= 3 && shuffles.includes(shuffle);
    return { verdict: isStuck ? 'stuck' : 'right', fired: only };
  };
  const options = { seed: 11, permitted: [], outcome: { verdict: 'stuck', fired } as const, play: fake };
  const { cuts } = await shrink({ ...options, mayGoOn: () => true });
  assert.deepEqual(cuts.only, ['kill:2', 'rot:1']);
  if (scenario.shuffles.length > 1) assert.deepEqual(cuts.shuffles, [shuffle]);
  assert.deepEqual([cuts.workers ?? scenario.workers, cuts.executors ?? scenario.executors, cuts.blocks ?? 1], [1, 1, 1]);
  let left = 3;
  const { plays } = await shrink({ ...options, mayGoOn: () => left-- > 0 });
  assert.ok(plays <= 3);
});
