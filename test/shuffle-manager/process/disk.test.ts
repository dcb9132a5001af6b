import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { behind, diskError, openDisk } from '#manager/process/disk.ts';
import { SluiceError } from '#manager/protocol/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-disk-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('what is written at an offset is read back there, and a read ends at the end of the file', async () => {
  const disk = await openDisk(join(folder, 'deep', 'root'));
  const file = await disk.open('a', 'create');
  await file.write(3, new Uint8Array([1, 2, 3]));
  await file.sync();
  const into = new Uint8Array(10);
  assert.equal(await file.read(2, into), 4);
  assert.deepEqual([...into.subarray(0, 4)], [0, 1, 2, 3]);
  await file.truncate(4);
  assert.equal(await file.size(), 4);
  await file.close();
  await disk.rename('a', 'b');
  assert.deepEqual(await disk.list('.'), ['b']);
  const again = await disk.open('b', 'write');
  await again.write(0, new Uint8Array([9]));
  await again.close();
  const emptied = await disk.open('b', 'create');
  assert.equal(await emptied.size(), 0);
  await emptied.close();
  await disk.makeFolder('x/y');
  await disk.remove('x');
  await disk.remove('b');
  await disk.remove('b');
  assert.deepEqual(await disk.list('.'), []);
  assert.deepEqual(await disk.list('absent'), []);
  assert.ok((await disk.free()) > 0);
});

test('parts are written one behind the other, however many bytes the system takes at once', async () => {
  const disk = await openDisk(join(folder, 'parts'));
  const file = await disk.open('a', 'create');
  const parts = [5, 0, 300, 1].map((length, i) => new Uint8Array(length).fill(i + 1));
  await file.write(7, ...parts);
  const into = new Uint8Array(400);
  assert.equal(await file.read(7, into), 306);
  assert.ok(Buffer.concat(parts).equals(into.subarray(0, 306)));
  await file.close();
  // What a short write has left.
  for (let written = 0; written <= 306; written++) {
    assert.ok(Buffer.concat(behind(parts, written)).equals(Buffer.concat(parts).subarray(written)));
    assert.ok(behind(parts, written).every((part) => part.length > 0));
  }
});

test('errors are typed, and an absent file says so', async () => {
  const disk = await openDisk(folder);
  await assert.rejects(disk.open('absent', 'read'), (error: SluiceError) => error.code === 'DISK_FAILED' && error.facts['code'] === 'ENOENT');
  assert.equal(diskError('p', Object.assign(new Error('full'), { code: 'ENOSPC' })).code, 'NO_SPACE');
  assert.equal(diskError('p', Object.assign(new Error('quota'), { code: 'EDQUOT' })).code, 'NO_SPACE');
  assert.equal(diskError('p', Object.assign(new Error('io'), { code: 'EIO' })).code, 'DISK_FAILED');
  const own = new SluiceError('NO_SPACE', {});
  assert.equal(diskError('p', own), own);
});

test('a full device answers NO_SPACE', { skip: process.platform !== 'linux' }, async () => {
  const disk = await openDisk('/dev');
  const full = await disk.open('full', 'write');
  await assert.rejects(full.write(0, new Uint8Array(8192)), { code: 'NO_SPACE' });
  await full.close();
});

test('a path that leaves the folder is a mistake of the program', async () => {
  const disk = await openDisk(folder);
  await assert.rejects(async () => disk.open('../x', 'create'), /leaves its folder/);
  await assert.rejects(async () => disk.open('/etc/passwd', 'read'), /leaves its folder/);
});
