import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { systemClock } from '#manager/process/clock.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { serveLease } from '#runtime/execute/lease.ts';
import type { Assignment, CoordinatorLink, Ended, JobDescription } from '#runtime/schedule/messages.ts';
import type { createMemoryShuffle } from '#runtime/shuffle/memory.ts';
import { fixture, jobWorld, lease } from '../schedule/job-world.ts';

type Poll = Awaited<ReturnType<CoordinatorLink['poll']>>;
const idle: Poll = { assignments: [], cancel: [], done: false };
const never = new AbortController().signal;

/** A coordinator that says what a test tells it to, one answer after the other, then that the job is over. */
function scripted(description: JobDescription, answers: readonly (Poll | (() => Promise<Poll>))[]) {
  const ended: Ended[] = [];
  const left = [...answers];
  const link: CoordinatorLink = {
    join: async () => description,
    async poll() {
      const next = left.shift();
      return typeof next === 'function' ? next() : (next ?? { ...idle, done: true });
    },
    async report(said) {
      ended.push(...said.ended);
      return {};
    },
  };
  return { link, ended };
}

async function describe(
  name: string,
): Promise<{ description: JobDescription; assignment: Assignment; driver: ReturnType<typeof createMemoryShuffle> }> {
  const world = await jobWorld({ url: fixture(name) });
  const description = await world.coordinator.join({ lease: lease(9) });
  const { assignments } = await world.coordinator.poll({ lease: lease(9), slots: 1, waitMs: 1_000 });
  return { description, assignment: assignments[0]!, driver: world.driver };
}
const serve = (link: CoordinatorLink, driver: ReturnType<typeof createMemoryShuffle>, signal = never) =>
  serveLease({ link, lease: lease(1), slots: 1, clock: systemClock, openDriver: async () => driver, signal });

/** What a lease reports of one assignment, when the job is over as soon as that has ended. */
async function ran(description: JobDescription, assignment: Assignment, driver: ReturnType<typeof createMemoryShuffle>): Promise<Ended[]> {
  const done = Promise.withResolvers<void>();
  const over = async (): Promise<Poll> => {
    await done.promise;
    return { ...idle, done: true };
  };
  const { link, ended } = scripted(description, [{ ...idle, assignments: [assignment] }, over]);
  const report: CoordinatorLink['report'] = (said) => {
    done.resolve();
    return link.report(said);
  };
  await serve({ ...link, report }, driver);
  return ended;
}

test('a lease runs what it is given, reports its end and ends with the job', async () => {
  const { description, assignment, driver } = await describe('words');
  const ended = await ran(description, assignment, driver);
  assert.equal(ended.length, 1);
  assert.equal(ended[0]?.error, null);
  assert.equal(ended[0]?.stage, assignment.stage);
  assert.ok((ended[0]?.outcome?.rowsWritten ?? 0) > 0);
});

test('a graph that is built otherwise here is refused, with the node', async () => {
  const { description, assignment, driver } = await describe('words');
  const plan = structuredClone(description.plan) as { nodes: { uid: string }[] };
  plan.nodes[1]!.uid = 'another';
  const { link, ended } = scripted({ ...description, hasFunctions: true, digest: 'another', plan }, [{ ...idle, assignments: [assignment] }]);
  await serve(link, driver);
  assert.equal(ended[0]?.error?.code, 'JOB_GRAPH_DIFFERS');
  assert.match(ended[0]?.error?.message ?? '', /first at rows-1/);
});

test('a module without functions is not loaded: all of the job is in its description', async () => {
  const { description, assignment, driver } = await describe('words');
  assert.equal(description.hasFunctions, false);
  const ended = await ran({ ...description, module: 'file:///not/there.ts' }, assignment, driver);
  assert.equal(ended[0]?.error, null);
});

test('a module whose functions cannot be loaded here fails the tasks, not the executor', async () => {
  const { description, assignment, driver } = await describe('words');
  const { link, ended } = scripted({ ...description, hasFunctions: true, module: 'file:///not/there.ts' }, [{ ...idle, assignments: [assignment] }]);
  await serve(link, driver);
  assert.equal(ended[0]?.error?.code, 'JOB_MODULE_INVALID');
});

test('a cancelled attempt ends INTERRUPTED, is reported, and commits nothing', async () => {
  const { description, assignment, driver } = await describe('words');
  const { stage, task, attempt } = assignment;
  const { link, ended } = scripted(description, [
    { ...idle, assignments: [assignment], cancel: [] },
    { ...idle, cancel: [{ stage, task, attempt }] },
  ]);
  await serve(link, driver);
  assert.equal(ended[0]?.error?.code, 'INTERRUPTED');
  const handle = Object.values(assignment.shuffles)[0];
  assert.ok(handle);
  assert.deepEqual(await driver.vacant(handle), [0]);
});

test('an attempt whose lease is taken away is no failure of the job: it ends LEASE_ENDED, to run elsewhere', async () => {
  const { description, assignment, driver } = await describe('words');
  const taken = new AbortController();
  const { link, ended } = scripted(description, [
    { ...idle, assignments: [assignment] },
    async () => {
      taken.abort();
      return idle;
    },
  ]);
  await serve(link, driver, taken.signal);
  assert.equal(ended[0]?.error?.code, 'LEASE_ENDED');
  const handle = Object.values(assignment.shuffles)[0];
  assert.ok(handle);
  assert.deepEqual(await driver.vacant(handle), [0]);
});

test('an end that does not get home ends the lease, so that the coordinator gives the task away', async () => {
  const { description, assignment, driver } = await describe('words');
  let given = false;
  const link: CoordinatorLink = {
    join: async () => description,
    async poll(_, signal) {
      assert.ok(signal);
      if (!given) {
        given = true;
        return { ...idle, assignments: [assignment] };
      }
      // A long poll: it ends when the lease calls it off.
      if (!signal.aborted) await once(signal, 'abort');
      return idle;
    },
    report: async () => {
      throw new SluiceError('CONNECTION_LOST', { what: 'a test' });
    },
  };
  await assert.rejects(serve(link, driver), { code: 'CONNECTION_LOST' });
});

test('a coordinator that is gone ends the lease', async () => {
  const { description, driver } = await describe('words');
  const { link } = scripted(description, [
    async () => {
      throw new SluiceError('CONNECTION_LOST', { what: 'the coordinator' });
    },
  ]);
  await assert.rejects(serve(link, driver), { code: 'CONNECTION_LOST' });
});
