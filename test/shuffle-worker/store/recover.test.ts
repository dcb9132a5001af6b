import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { silent } from '#manager/process/ports.ts';
import { KiB } from '#manager/protocol/ids.ts';
import { segmentPath } from '#worker/store/directory.ts';
import { recoverDirectory } from '#worker/store/recover.ts';
import { dataOffset, pageBytes, readGranule, readRegionHeader, regionBytes, trailerOffset } from '#worker/store/region.ts';
import { payloadOf, TestDisk } from '../world.ts';
import { cellsOf, directoryOptions, type Kept, openKept, put, segmentBytes, shuffleOf, targetOf, write } from './kept.ts';

const shuffle = shuffleOf(1);
const some = (seed: number, length = 300) => [0, 1, 2, 3].map((partition) => [partition, payloadOf(length, seed + partition)] as const);

/** A region per group of maps. */
async function written(groups: readonly (readonly number[])[], disk = new TestDisk()): Promise<Kept> {
  const kept = await openKept(disk);
  for (const maps of groups) {
    for (const map of maps) put(kept, targetOf({ shuffle, map }), some(map));
    await kept.store.flushAll();
  }
  return kept;
}

/** Where the regions of a segment begin, with their headers. */
function regionsIn(bytes: Uint8Array, use: number) {
  const found = [];
  for (let at = pageBytes; at + pageBytes <= bytes.length; ) {
    const read = readRegionHeader(bytes.subarray(at), { use, page: at / pageBytes, room: bytes.length - at });
    if (read.kind === 'none') break;
    found.push({ at, header: read.header });
    at += regionBytes(read.header);
  }
  return found;
}

test('attempts whose manifest stands in a whole region are there again, with the counts of their manifests', async () => {
  const { disk, store } = await written([[0, 2], [1]]);
  const again = await openKept(disk);
  assert.deepEqual(cellsOf(again), ['1/0.1', '1/1.1', '1/2.1']);
  assert.equal(again.recovered.dropped, 0);
  const cell = (kept: { store: typeof store }) => [...kept.store.shuffles.get(shuffle)!.cells.all()].find(({ map }) => map === 2)!;
  assert.deepEqual({ ...cell(again), counts: 0 }, { ...cell({ store }), counts: 0 });
  const counts: number[] = [];
  cell(again).counts.each(0, 4, (_, blocks) => counts.push(blocks));
  assert.deepEqual(counts, [1, 1, 1, 1]);
});

test('an attempt whose manifest was not written out is not recovered, whatever blocks of it are', async () => {
  const kept = await written([[0]]);
  const stream = kept.store.open(targetOf({ shuffle, map: 1 }));
  const { sealed } = put(await openKept(), targetOf({ shuffle, map: 1 }), some(1));
  write(kept, stream, sealed.all);
  await kept.store.flushAll();
  assert.deepEqual(cellsOf(await openKept(kept.disk)), ['1/0.1']);
});

test('a torn trailer is no region: its attempts are gone, and so are those of all later ordinals of the shuffle only', async () => {
  const { disk } = await written([[0], [1], [2]]);
  const other = shuffleOf(2);
  const bytes = disk.bytes(segmentPath(0));
  const [, second] = regionsIn(bytes, 1);
  bytes[second!.at + trailerOffset(second!.header) + 60]! ^= 1;
  const again = await openKept(disk);
  assert.deepEqual(cellsOf(again), ['1/0.1']);
  // One was torn, one stood behind the gap.
  assert.equal(again.recovered.dropped, 2);
  // Another shuffle on the same disk is not concerned.
  put(again, targetOf({ shuffle: other, map: 0 }), some(9));
  await again.store.flushAll();
  assert.deepEqual(cellsOf(await openKept(disk)), ['1/0.1', '2/0.1']);
});

test('what was dropped is wiped: later ordinals cannot bring it back', async () => {
  const { disk } = await written([[0], [1], [2]]);
  const bytes = disk.bytes(segmentPath(0));
  const [, second] = regionsIn(bytes, 1);
  bytes[second!.at + trailerOffset(second!.header)]! ^= 1;
  const again = await openKept(disk);
  // A new region takes the ordinal that was missing; the third one must not be believed behind it.
  put(again, targetOf({ shuffle, map: 3 }), some(3));
  await again.store.flushAll();
  const third = await openKept(disk);
  assert.deepEqual(cellsOf(third), ['1/0.1', '1/3.1']);
});

test('old regions of a recycled segment are not believed, though their hashes hold', async () => {
  const kept = await written([[0], [1], [2]]);
  const { store, disk } = kept;
  store.release((one) => one === shuffle);
  const next = shuffleOf(2);
  put(kept, targetOf({ shuffle: next, map: 5 }), some(5));
  await store.flushAll();
  const bytes = disk.bytes(segmentPath(0));
  // The second region of the earlier use is still there, whole.
  const end = regionsIn(bytes, 2).reduce((most, { at, header }) => Math.max(most, at + regionBytes(header)), 0);
  assert.equal(regionsIn(bytes, 2).length, 1);
  const old = readRegionHeader(bytes.subarray(end), { use: 1, page: end / pageBytes, room: segmentBytes - end });
  assert.equal(old.kind, 'region', 'the test needs an old region where the next one would begin');
  assert.deepEqual(cellsOf(await openKept(disk)), ['2/5.1']);
});

test('a region that is copied to another place is none', async () => {
  const { disk } = await written([[0], [1]]);
  const bytes = disk.bytes(segmentPath(0));
  const [first, second] = regionsIn(bytes, 1);
  bytes.copyWithin(second!.at, first!.at, first!.at + regionBytes(first!.header));
  assert.deepEqual(cellsOf(await openKept(disk)), ['1/0.1']);
});

test('a bad index, a bad manifest and a short file lose what they concern', async () => {
  const bad: [string, (bytes: Uint8Array, disk: TestDisk) => void, string[]][] = [
    [
      'index',
      (bytes) => {
        const { at, header } = regionsIn(bytes, 1)[1]!;
        bytes[at + trailerOffset(header) - 5]! ^= 1;
      },
      ['1/0.1', '1/1.1'],
    ],
    [
      'manifest',
      (bytes) => {
        const { at, header } = regionsIn(bytes, 1)[0]!;
        const granule = readGranule(new DataView(bytes.buffer), at + dataOffset + header.dataBytes + header.indexBytes - 32);
        bytes[at + dataOffset + granule.offset + 70]! ^= 1;
      },
      ['1/0.1', '1/2.1'],
    ],
    [
      'length',
      (bytes, disk) => {
        const { at } = regionsIn(bytes, 1)[1]!;
        disk.files.get(segmentPath(0))!.bytes = bytes.slice(0, at + 5000);
      },
      ['1/0.1', '1/1.1'],
    ],
  ];
  for (const [what, harm, left] of bad) {
    const { disk } = await written([[0, 1], [2]]);
    harm(disk.bytes(segmentPath(0)), disk);
    assert.deepEqual(cellsOf(await openKept(disk)), left, what);
  }
});

test('files of other segments, folders or clusters, and heads that went bad, are none', async () => {
  const { disk } = await written([[0]]);
  const open = (more: object) => recoverDirectory(directoryOptions(disk, more), silent);
  const copy = new TestDisk();
  copy.files.set(segmentPath(3), { bytes: disk.bytes(segmentPath(0)).slice(), synced: new Uint8Array(0) });
  copy.files.set('segments/readme', { bytes: new Uint8Array(5), synced: new Uint8Array(0) });
  assert.deepEqual((await recoverDirectory(directoryOptions(copy), silent)).segments, []);
  assert.deepEqual([...copy.files.keys()], ['segments/readme']);
  disk.bytes(segmentPath(0))[40]! ^= 1;
  assert.deepEqual((await open({})).shuffles, []);
  assert.equal(disk.files.size, 0);
});

test('property: wherever one byte changes, only whole attempts are lost, and never one is invented', async () => {
  const { disk } = await written([[0], [1, 2], [3]]);
  const bytes = disk.bytes(segmentPath(0));
  const last = regionsIn(bytes, 1).at(-1)!;
  const used = last.at + regionBytes(last.header);
  const all = ['1/0.1', '1/1.1', '1/2.1', '1/3.1'];
  await fc.assert(
    fc.asyncProperty(fc.nat(used - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const copy = new TestDisk();
      const harmed = bytes.slice(0, segmentBytes);
      harmed[at]! ^= change;
      copy.files.set(segmentPath(0), { bytes: harmed, synced: new Uint8Array(0) });
      const { shuffles } = await recoverDirectory(directoryOptions(copy), silent);
      const found = shuffles.flatMap(({ cells }) => cells.map(({ map, attempt }) => `1/${map}.${attempt}`)).sort();
      assert.ok(found.every((cell) => all.includes(cell)));
      // Regions are believed as a prefix: what is lost of the list besides one manifest is its end.
      const regions = shuffles[0]?.regions.length ?? 0;
      assert.ok(found.length >= [0, 1, 3, 4][regions]! - 1);
    }),
    { numRuns: 60 },
  );
});

test('property: cut anywhere by a loss of power, what was acknowledged as durable is there', async () => {
  const disk = new TestDisk();
  const kept = await openKept(disk);
  const durable: string[] = [];
  for (let map = 0; map < 6; map++) {
    const { stream } = put(kept, targetOf({ shuffle, map }), some(map, 8 * KiB));
    const level = map % 2 === 0 ? 'durable' : 'written';
    kept.store.whenAt(stream, level, (error) => {
      assert.equal(error, null);
      if (level === 'durable') durable.push(`1/${map}.1`);
    });
    await kept.clock.advance(20);
  }
  assert.equal(durable.length, 3);
  disk.crash();
  const found = cellsOf(await openKept(disk));
  for (const cell of durable) assert.ok(found.includes(cell), cell);
});
