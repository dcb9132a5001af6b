import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '#manager/protocol/errors.ts';
import { Directory, segmentPath } from '#worker/store/directory.ts';
import { pageBytes } from '#worker/store/region.ts';
import { readSegmentHead } from '#worker/store/segment.ts';
import { TestDisk } from '../world.ts';
import { cluster, directoryOptions, segmentBytes } from './kept.ts';

const isNoSpace = (thrown: unknown): boolean => thrown instanceof SluiceError && thrown.code === 'NO_SPACE';
const headOf = (disk: TestDisk, segment: number) =>
  readSegmentHead(disk.bytes(segmentPath(segment)).subarray(0, pageBytes), { segment, cluster, directory: 'd'.repeat(32) });

test('regions follow one another; a segment that is full gives way to another one', async () => {
  const disk = new TestDisk();
  const directory = new Directory(directoryOptions(disk));
  const places = [];
  for (let i = 0; i < 3; i++) places.push(await directory.place(100 * pageBytes));
  assert.deepEqual(
    places.map(({ segment, offset, use }) => [segment.number, offset / pageBytes, use]),
    [
      [0, 1, 1],
      [0, 101, 1],
      [1, 1, 2],
    ],
  );
  assert.equal(directory.diskBytes, 2 * segmentBytes);
  assert.equal(disk.bytes(segmentPath(0)).length, segmentBytes);
  assert.equal(directory.regionRoom, segmentBytes - pageBytes);
});

test('a segment without regions is used again, under a new use that its first page states', async () => {
  const disk = new TestDisk();
  const directory = new Directory(directoryOptions(disk));
  const first = await directory.place(pageBytes);
  const second = await directory.place(pageBytes);
  directory.release(first.segment);
  assert.equal((await directory.place(pageBytes)).offset, 3 * pageBytes, 'one region is still wanted');
  directory.release(first.segment);
  directory.release(second.segment);
  const again = await directory.place(pageBytes);
  assert.deepEqual([again.segment.number, again.offset, again.use], [0, pageBytes, 2]);
  const head = headOf(disk, 0);
  assert.equal(head.kind === 'segment' && head.head.use, 2);
});

test('the next use is above that of every segment that was found', async () => {
  const disk = new TestDisk();
  const before = new Directory(directoryOptions(disk));
  const { segment } = await before.place(pageBytes);
  const after = new Directory(directoryOptions(disk), [{ ...segment, use: 41, regions: 0 }]);
  assert.equal((await after.place(pageBytes)).use, 42);
});

test('no budget and no room on the file system are NO_SPACE; recycling needs neither', async () => {
  const disk = new TestDisk();
  let mayGrow = true;
  const directory = new Directory(directoryOptions(disk, { mayGrow: () => mayGrow }));
  const { segment } = await directory.place(segmentBytes - pageBytes);
  mayGrow = false;
  await assert.rejects(directory.place(pageBytes), isNoSpace);
  mayGrow = true;
  disk.freeBytes = segmentBytes - 1;
  await assert.rejects(directory.place(pageBytes), isNoSpace);
  directory.release(segment);
  assert.equal((await directory.place(pageBytes)).segment, segment);
});

test('what is written while a sync runs is not taken for synced, and a second sync does not overtake one that fails', async () => {
  const disk = new TestDisk();
  const directory = new Directory(directoryOptions(disk));
  await directory.place(pageBytes);
  const first = directory.sync();
  while (disk.syncs === 0) await Promise.resolve();
  await directory.place(pageBytes);
  await first;
  await directory.sync();
  assert.equal(disk.syncs, 2);
  await directory.place(pageBytes);
  disk.failSync = new SluiceError('DISK_FAILED', { what: 'sync' });
  const both = [directory.sync(), directory.sync()];
  for (const sync of both) await assert.rejects(sync, { code: 'DISK_FAILED' });
  await directory.close();
});

test('a sync makes durable what was written, once; a segment whose sync failed is given up', async () => {
  const disk = new TestDisk();
  const directory = new Directory(directoryOptions(disk));
  const { segment } = await directory.place(pageBytes);
  await directory.sync();
  await directory.sync();
  assert.equal(disk.syncs, 1);
  await directory.place(pageBytes);
  disk.failSync = new SluiceError('DISK_FAILED', { what: 'sync' });
  await assert.rejects(directory.sync());
  disk.failSync = null;
  assert.equal(segment.failed, true);
  // The next call of the system would succeed, though what was written is lost.
  await assert.rejects(directory.sync(), { code: 'DISK_FAILED' });
  directory.release(segment);
  directory.release(segment);
  assert.notEqual((await directory.place(pageBytes)).segment, segment);
  await directory.close();
});
