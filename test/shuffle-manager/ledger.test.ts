// Records applied to a ledger: what each does, what does not fit, and that the state as JSON is the whole state.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  apply,
  bitsOfMaps,
  emptyLedger,
  fateOf,
  type Ledger,
  type LedgerRecord,
  nextShuffle,
  requireJob,
  requireRun,
  runsOf,
  snapshotOf,
  staleReplica,
} from '#manager/ledger.ts';
import { viewLayout } from '#manager/protocol/layout.ts';
import { Story } from './story.ts';
import { hex, openWorld, specOf } from './world.ts';

const replica = (worker: number, incarnation = 100 + worker) => ({
  worker: hex(worker),
  incarnation: hex(incarnation),
  host: 'h',
  port: worker,
  hostLabel: `h${worker}`,
});
const job = (number: number): LedgerRecord => ({ kind: 'job', job: number, name: 'j', url: 'u', openedAt: 5, expiresAt: 0 });
const run = (shuffle: string, name = 'x', maps = 9): LedgerRecord => ({
  kind: 'run',
  shuffle,
  name,
  stageAttempt: 0,
  spec: specOf({ maps }),
  locations: [{ id: 0, mapFrom: 0, mapTo: maps, partitionFrom: 0, partitionTo: 4, replicas: [replica(1)] }],
});
const commit = (shuffle: string, map: number, attempt: number): LedgerRecord => ({ kind: 'commit', shuffle, map, attempt, cells: [[0, '7', 1]] });
const ledgerOf = (...records: LedgerRecord[]): Ledger => {
  const ledger = emptyLedger(hex(1));
  for (const record of records) apply(ledger, record);
  return ledger;
};
const first = ((1n << 32n) | 1n).toString();
const second = ((1n << 32n) | 2n).toString();
const attempts = (ledger: Ledger, shuffle: string) => [...requireRun(ledger, shuffle).places].map((place) => place !== 0 && place < 0x8000);

test('jobs and runs are numbered from the journal, never again', () => {
  const ledger = ledgerOf(job(1));
  assert.equal(nextShuffle(requireJob(ledger, 1)), first);
  apply(ledger, run(first));
  assert.equal(nextShuffle(requireJob(ledger, 1)), second);
  assert.throws(() => apply(ledger, run(first)), /numbered/);
  assert.throws(() => apply(ledger, job(1)), /never reused/);
  apply(ledger, { kind: 'closed', job: 1 });
  assert.throws(() => apply(ledger, job(1)), /never reused/);
  assert.throws(() => requireJob(ledger, 1), { code: 'JOB_UNKNOWN' });
});

test('open, released and unknown are three answers', () => {
  const ledger = ledgerOf(job(1), job(2), run(first), run(second, 'y'), { kind: 'released', shuffle: first });
  assert.deepEqual(
    [first, second, ((1n << 32n) | 3n).toString(), ((2n << 32n) | 1n).toString(), '0', (9n << 32n).toString()].map((id) => fateOf(ledger, id)),
    ['released', 'open', 'unknown', 'unknown', 'unknown', 'unknown'],
  );
  assert.throws(() => requireRun(ledger, first), { code: 'SHUFFLE_RELEASED' });
  assert.throws(() => requireRun(ledger, '77'), { code: 'SHUFFLE_UNKNOWN' });
  apply(ledger, { kind: 'closed', job: 1 });
  assert.equal(fateOf(ledger, second), 'released');
  assert.deepEqual(ledger.released, ['job:1'], 'the job covers its shuffles');
});

test('a run that is too large leaves nothing behind', () => {
  const ledger = ledgerOf(job(1));
  const before = JSON.stringify(snapshotOf(ledger));
  assert.throws(() => apply(ledger, run(first, 'x', 2 ** 32 - 1)), { code: 'REQUEST_INVALID' });
  assert.equal(JSON.stringify(snapshotOf(ledger)), before);
});

test('commit, loss and new locations change one run and raise its version', () => {
  const ledger = ledgerOf(job(1), run(first), commit(first, 3, 8), commit(first, 4, 8));
  assert.equal(requireRun(ledger, first).version, 3);
  apply(ledger, { kind: 'vacated', shuffle: first, location: 0, replica: 0, maps: [3], maybeBack: false });
  assert.deepEqual(attempts(ledger, first).indexOf(true), 4);
  apply(ledger, { kind: 'vacated', shuffle: first, location: 0, replica: 0, maps: null, maybeBack: true });
  assert.ok(!attempts(ledger, first).includes(true));
  const location = { id: 1, mapFrom: 0, mapTo: 9, partitionFrom: 0, partitionTo: 4, replicas: [replica(2)] };
  apply(ledger, { kind: 'located', shuffle: first, locations: [location] });
  assert.equal(requireRun(ledger, first).version, 6);
  assert.throws(() => apply(ledger, { kind: 'located', shuffle: first, locations: [location] }), /only grow/);
  assert.throws(() => apply(ledger, commit(second, 0, 1)), /is open/);
});

test('an announcement moves what was kept to the new incarnation and vacates the rest', () => {
  const ledger = ledgerOf(job(1), run(first), run(second, 'y'), ...[0, 7, 8].map((map) => commit(first, map, 1)), commit(second, 0, 1));
  const now = replica(1, 999);
  assert.equal(staleReplica(requireRun(ledger, first).locations[0]!, now), 0);
  assert.equal(staleReplica(requireRun(ledger, first).locations[0]!, replica(2, 999)), -1);
  apply(ledger, { kind: 'announced', replica: now, kept: [[first, 0, bitsOfMaps([0, 8], 0, 9)]] });
  const kept = attempts(ledger, first);
  assert.deepEqual([kept[0], kept[7], kept[8]], [true, false, true]);
  assert.ok(!attempts(ledger, second).includes(true));
  for (const one of runsOf(ledger)) assert.equal(one.locations[0]!.replicas[0]!.incarnation, hex(999));
  assert.equal(staleReplica(requireRun(ledger, first).locations[0]!, now), -1);
});

test('leases end with their job, tombstones are remembered up to a thousand', () => {
  const ledger = ledgerOf(job(1), job(2), {
    kind: 'leases',
    leases: [1, 2].map((number) => ({ lease: hex(number), job: number, executor: hex(5), incarnation: hex(5), slots: 1 })),
  });
  apply(ledger, { kind: 'closed', job: 1 });
  assert.deepEqual(
    ledger.leases.map((lease) => lease.job),
    [2],
  );
  for (let number = 3; number < 1105; number++) {
    apply(ledger, job(number));
    apply(ledger, { kind: 'closed', job: number });
  }
  assert.equal(ledger.released.length, 1000);
  assert.equal(ledger.released.at(-1), 'job:1104');
});

test('random lives: the JSON is the whole state, and the invariants hold after every step', async () => {
  const seen = new Map<string, number>();
  for (let seed = 1; seed <= 25; seed++) {
    const world = await openWorld();
    const story = new Story(world, seed);
    const versions = new Map<string, number>();
    for (let i = 0; i < 60; i++) {
      const what = await story.step();
      seen.set(what, (seen.get(what) ?? 0) + 1);
      const json = JSON.parse(JSON.stringify(world.manager.snapshot()));
      const again = ledgerOf({ kind: 'snapshot', ledger: json });
      assert.deepEqual(snapshotOf(again), json, `seed ${seed} step ${i}`);
      for (const one of runsOf(again)) {
        const layout = await story.layout(one.shuffle);
        const view = viewLayout(layout);
        const where = `seed ${seed} step ${i} shuffle ${one.shuffle}`;
        assert.ok(layout.version >= (versions.get(one.shuffle) ?? 0), where);
        versions.set(one.shuffle, layout.version);
        assert.equal(layout.sealed, view.vacant().length === 0, where);
        for (let map = 0; map < layout.spec.maps; map++) {
          const holding = layout.locations.filter((location) => view.winner(map, location.id) >= 0);
          assert.equal(new Set(holding.map((location) => location.partitionFrom)).size, holding.length, `${where}: a cell is committed once`);
        }
      }
    }
    await world.manager.close();
  }
  // The lives are not too quiet: all that can happen did.
  for (const what of ['committed', 'vacated', 'announced', 'released', 'closed', 'SHUFFLE_RELEASED']) {
    assert.ok((seen.get(what) ?? 0) > 3, `${what}: ${JSON.stringify([...seen])}`);
  }
});
