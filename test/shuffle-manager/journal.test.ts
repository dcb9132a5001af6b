// The journal under everything a disk does: cut at every byte, a bit flipped anywhere, full, failing to sync, claimed by another manager.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Journal, type JournalOptions } from '#manager/journal.ts';
import { apply, emptyLedger, type LedgerRecord, snapshotOf } from '#manager/ledger.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { protocolVersion } from '#manager/protocol/ids.ts';
import { Story } from './story.ts';
import { hex, MemoryDisk, openWorld, seededRandom, specOf } from './world.ts';

type List = { readonly all: number[] } | number;
/** A journal of numbers: its snapshot is the list so far. */
async function openNumbers(disk: MemoryDisk, facts: Partial<JournalOptions<List>> = {}) {
  let numbers: number[] = [];
  const failures: string[] = [];
  const journal = await Journal.open<List>({
    disk,
    random: seededRandom(disk.writes + 1),
    replay: (record) => {
      if (typeof record === 'number') numbers.push(record);
      else numbers = [...record.all];
    },
    snapshot: () => ({ all: numbers }),
    failed: (error) => void failures.push(error.code),
    compactBytes: 1 << 20,
    ...facts,
  });
  const add = (number: number) => {
    numbers.push(number);
    journal.append(number);
  };
  return { journal, add, failures, list: () => numbers };
}
const full = () => new SluiceError('NO_SPACE', { what: 'test' });
const journalOf = (disk: MemoryDisk): [string, Uint8Array] => [...disk.files].find(([, bytes]) => bytes.length > 0) as [string, Uint8Array];
const withBytes = (name: string, bytes: Uint8Array): MemoryDisk => {
  const disk = new MemoryDisk();
  disk.files.set(name, bytes);
  return disk;
};

/** What a manager's journal holds, as a hash of the replayed ledger. */
async function replayed(disk: MemoryDisk): Promise<string> {
  const ledger = emptyLedger('');
  await Journal.open<LedgerRecord>({
    disk,
    random: seededRandom(3),
    replay: (record) => apply(ledger, record),
    snapshot: () => ({ kind: 'snapshot', ledger: snapshotOf(ledger) }),
    failed: () => {},
    compactBytes: 1 << 20,
  });
  return hashOf(snapshotOf(ledger));
}
const hashOf = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');

/** A short life of a manager: its journal, and the state at the end of each frame, applied record by record. */
async function life(seed: number, steps: number) {
  const world = await openWorld();
  const story = new Story(world, seed);
  const seen: string[] = [];
  for (let i = 0; i < steps; i++) {
    await story.step();
    seen.push(hashOf(world.manager.snapshot()));
  }
  const [name, bytes] = journalOf(world.disk);
  await world.manager.close();
  const ledger = emptyLedger('');
  const states: { bytes: number; hash: string }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = new DataView(bytes.buffer, at).getUint32(4, true);
    const payload = Buffer.from(bytes.buffer, at + 24, length).toString();
    for (const record of JSON.parse(payload) as LedgerRecord[]) apply(ledger, record);
    at += 24 + length;
    states.push({ bytes: at, hash: hashOf(snapshotOf(ledger)) });
  }
  const hashes = new Set(states.map((state) => state.hash));
  for (const [i, hash] of seen.entries()) assert.ok(hashes.has(hash), `the state after step ${i} is in the journal`);
  assert.equal(states.at(-1)?.hash, seen.at(-1));
  return { name, bytes, states };
}

test('cut at every byte, a journal gives the state of the last whole frame before it', async () => {
  const { name, bytes, states } = await life(38, 36);
  assert.ok(states.length > 15, String(states.length));
  const first = states[0]!.bytes;
  for (let cut = first; cut <= bytes.length; cut++) {
    const wanted = states.findLast((state) => state.bytes <= cut)!;
    assert.equal(await replayed(withBytes(name, bytes.slice(0, cut))), wanted.hash, `cut at ${cut}`);
  }
  // A file is renamed into place with its first frame, so a shorter one is damaged; an empty one is a claim.
  for (let cut = 1; cut < first; cut += 7) {
    await assert.rejects(replayed(withBytes(name, bytes.slice(0, cut))), { code: 'JOURNAL_CORRUPT', facts: { path: name, offset: 0 } });
  }
});

test('a flipped bit is named with path and offset, or is in the last frame, which is left out; no flip gives another state', async () => {
  const { name, bytes, states } = await life(11, 40);
  const ends = states.map((state) => state.bytes);
  for (let at = 0; at < bytes.length; at += 3) {
    const damaged = bytes.slice();
    damaged[at] = (damaged[at] as number) ^ (1 << (at & 7));
    const frame = ends.findIndex((end) => at < end);
    const disk = withBytes(name, damaged);
    if (frame === states.length - 1) {
      assert.equal(await replayed(disk), states[frame - 1]!.hash, `bit in byte ${at}`);
      continue;
    }
    const offset = frame === 0 ? 0 : ends[frame - 1];
    await assert.rejects(replayed(disk), { code: 'JOURNAL_CORRUPT', facts: { path: name, offset } }, `bit in byte ${at}`);
    assert.deepEqual(disk.files.get(name), damaged, 'what is damaged is not touched');
    assert.deepEqual(await disk.list(), [name], 'and the claim is taken back');
  }
});

test('a frame that is missing in the middle is not passed over', async () => {
  const { name, bytes, states } = await life(38, 60);
  const [from, to] = [states[3]!.bytes, states[4]!.bytes];
  const gap = new Uint8Array(bytes.length - (to - from));
  gap.set(bytes.subarray(0, from));
  gap.set(bytes.subarray(to), from);
  await assert.rejects(replayed(withBytes(name, gap)), { code: 'JOURNAL_CORRUPT', facts: { path: name, offset: from } });
});

test('the term grows with each start, and the older file goes once the new one stands', async () => {
  const disk = new MemoryDisk();
  for (let term = 1; term <= 4; term++) {
    const { journal, add, list } = await openNumbers(disk);
    assert.equal(journal.term, term);
    assert.deepEqual(
      list(),
      Array.from({ length: term - 1 }, (_, i) => i + 1),
    );
    add(term);
    await journal.flushed();
    await journal.close();
    assert.equal((await disk.list()).length, 1);
  }
});

test('records of one turn are one batch; what comes while it is written is the next', async () => {
  const disk = new MemoryDisk();
  const { journal, add } = await openNumbers(disk);
  for (let i = 0; i < 100; i++) add(i);
  await journal.flushed();
  assert.deepEqual([journal.counters.batches, journal.counters.records], [1, 100]);
  add(1);
  const one = journal.flushed();
  await Promise.resolve();
  await Promise.resolve();
  add(2);
  await Promise.all([one, journal.flushed()]);
  assert.deepEqual([journal.counters.batches, journal.counters.records], [3, 102]);
});

test('on a full disk nothing is answered and nothing counts; with space again the journal goes on where it was', async () => {
  const disk = new MemoryDisk();
  const { journal, add, failures } = await openNumbers(disk);
  add(1);
  await journal.flushed();
  const before = journal.bytes;
  disk.failWrite = full();
  add(2);
  const later = journal.flushed();
  await assert.rejects(later, { code: 'NO_SPACE' });
  assert.deepEqual([failures, journal.bytes, journal.counters.failures], [['NO_SPACE'], before, 1]);
  disk.failWrite = null;
  add(3);
  await journal.flushed();
  await journal.close();
  assert.deepEqual((await openNumbers(disk)).list(), [1, 3]);
});

test('a record appended while a batch fails fails with it', async () => {
  const disk = new MemoryDisk();
  const { journal, add } = await openNumbers(disk);
  disk.failWrite = full();
  add(1);
  const first = journal.flushed();
  await Promise.resolve();
  await Promise.resolve();
  add(2);
  const second = journal.flushed();
  await assert.rejects(first, { code: 'NO_SPACE' });
  await assert.rejects(second, { code: 'NO_SPACE' });
  disk.failWrite = null;
  await journal.flushed();
  assert.deepEqual((await openNumbers(disk.copy())).list(), []);
});

test('after a failed sync the file is not written again: the next batch starts a new one', async () => {
  const disk = new MemoryDisk();
  const numbers = await openNumbers(disk);
  const [spoiled] = await disk.list();
  disk.failSync = new SluiceError('DISK_FAILED', { what: 'test' });
  numbers.add(1);
  await assert.rejects(numbers.journal.flushed(), { code: 'DISK_FAILED' });
  numbers.add(2);
  await assert.rejects(numbers.journal.flushed(), { code: 'DISK_FAILED' });
  disk.failSync = null;
  numbers.add(3);
  await numbers.journal.flushed();
  const names = await disk.list();
  assert.equal(names.length, 1);
  assert.notEqual(names[0], spoiled);
  // The owner puts his state right by replaying; this one did not, so that its snapshot shows which state was taken.
  assert.deepEqual((await openNumbers(disk)).list(), [1, 2, 3]);
});

test('a long file is followed by one that begins with a snapshot', async () => {
  const disk = new MemoryDisk();
  const { journal, add } = await openNumbers(disk, { compactBytes: 500 });
  for (let i = 0; i < 100; i++) {
    add(i);
    await journal.flushed();
  }
  assert.ok(journal.bytes < 2500, String(journal.bytes));
  assert.equal((await disk.list()).length, 1);
  await journal.close();
  const again = await openNumbers(disk);
  assert.equal(again.list().length, 100);
});

test('a new file that finds no space leaves the old one in use', async () => {
  const disk = new MemoryDisk();
  const { journal, add } = await openNumbers(disk, { compactBytes: 300 });
  while (journal.bytes <= 300) {
    add(1);
    await journal.flushed();
  }
  const [name] = await disk.list();
  const open = disk.open.bind(disk);
  disk.open = async (path, mode) => {
    if (mode === 'create') throw full();
    return open(path, mode);
  };
  add(2);
  await journal.flushed();
  assert.deepEqual(await disk.list(), [name]);
  disk.open = open;
  assert.equal((await openNumbers(disk)).list().at(-1), 2);
});

test('of two managers on one folder the older one acknowledges nothing more', async () => {
  const disk = new MemoryDisk();
  const older = await openNumbers(disk);
  older.add(1);
  await older.journal.flushed();
  const newer = await openNumbers(disk);
  assert.deepEqual(newer.list(), [1]);
  older.add(2);
  await assert.rejects(older.journal.flushed(), { code: 'FENCED' });
  await assert.rejects(older.journal.checkTerm(), { code: 'FENCED' });
  older.add(3);
  await assert.rejects(older.journal.flushed(), { code: 'FENCED' });
  newer.add(4);
  await newer.journal.flushed();
  await newer.journal.checkTerm();
  await newer.journal.close();
  assert.deepEqual((await openNumbers(disk)).list(), [1, 4]);
});

test('two managers that start at once, step by step together, end up in different terms, and one of them serves', async () => {
  const disk = new MemoryDisk();
  const settled = await Promise.allSettled([1, 2].map((seed) => openNumbers(disk, { random: seededRandom(seed) })));
  const open = settled.filter((one) => one.status === 'fulfilled').map((one) => one.value);
  for (const one of settled) if (one.status === 'rejected') assert.equal(one.reason.code, 'FENCED');
  open.sort((a, b) => a.journal.term - b.journal.term);
  assert.equal(new Set(open.map(({ journal }) => journal.term)).size, open.length);
  await open.at(-1)!.journal.checkTerm();
  for (const { journal } of open.slice(0, -1)) await assert.rejects(journal.checkTerm(), { code: 'FENCED' });
});

test('a draft that a crash left is removed, a claim without records is passed over', async () => {
  const disk = new MemoryDisk();
  const { journal, add } = await openNumbers(disk);
  add(5);
  await journal.flushed();
  await journal.close();
  disk.files.set('draft-journal-0000000007-abcdef01', Uint8Array.of(1, 2, 3));
  disk.files.set('journal-0000000007-abcdef01-000000', new Uint8Array(0));
  const next = await openNumbers(disk);
  assert.deepEqual([next.journal.term, next.list()], [8, [5]]);
  assert.equal((await disk.list()).length, 1);
});

test('a full disk at the start is said, and the older journal stays', async () => {
  const world = await openWorld();
  await world.calls.openJob({ name: 'j', url: '', slots: 0 });
  await world.manager.close();
  const state = world.manager.snapshot();
  world.disk.failWrite = full();
  await assert.rejects(openWorld(world.disk), { code: 'NO_SPACE' });
  world.disk.failWrite = null;
  assert.deepEqual((await openWorld(world.disk)).manager.snapshot(), state);
});

test('what a manager answered survives a disk that fails at random: replay has the winner of every answered commit', async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const world = await openWorld();
    const random = seededRandom(seed * 77);
    await world.calls.registerWorker({ worker: hex(1), incarnation: hex(2), host: 'h', port: 1, hostLabel: 'h', pid: 1, protocol: protocolVersion });
    const { job } = await world.calls.openJob({ name: 'j', url: '', slots: 0 });
    const maps = 20;
    const { shuffle } = await world.calls.openShuffle({ job, name: 'x', spec: specOf({ maps, level: 'written' }) });
    const winners = new Map<number, number>();
    const send = async (sender: number): Promise<void> => {
      for (let i = 0; i < 40; i++) {
        const map = Math.floor(random.next() * maps);
        const attempt = sender * 100 + i;
        const cells = [{ location: 0, incarnations: [hex(2)], manifestHash: String(attempt) }];
        const dice = random.next();
        if (dice < 0.1) world.disk.failWrite = full();
        else if (dice < 0.2) world.disk.failSync = new SluiceError('DISK_FAILED', { what: 'test' });
        else if (dice < 0.6) world.disk.failWrite = world.disk.failSync = null;
        await world.calls.commit({ shuffle, map, attempt, cells }).then(
          ({ winner }) => {
            assert.equal(winners.get(map) ?? winner, winner, `seed ${seed}: an answered winner stays`);
            winners.set(map, winner);
          },
          (error: SluiceError) => assert.ok(['NO_SPACE', 'DISK_FAILED', 'LEDGER_UNAVAILABLE'].includes(error.code), error.message),
        );
      }
    };
    await Promise.all([1, 2, 3, 4].map(send));
    world.disk.failWrite = world.disk.failSync = null;
    const again = await openWorld(world.disk.copy());
    const layout = await again.calls.layout({ shuffle, after: -1, waitMs: 0 });
    for (const [map, winner] of winners) assert.equal(layout.winners.attempts[map], winner, `seed ${seed} map ${map}`);
    await world.manager.close();
    await again.manager.close();
  }
});
