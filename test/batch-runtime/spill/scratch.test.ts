import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { createScratch } from '#runtime/spill/scratch.ts';
import { tight } from './tight.ts';

/** Files of the folder that a process has open, with a name or without. */
const openFiles = (pid: number | 'self', folder: string): number =>
  readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(folder);
    } catch {
      return false;
    }
  }).length;
const isLinux = existsSync('/proc/self/fd');

test('what was appended is read back anywhere; a file that ends before is no silence', () => {
  const { scratch, names, remove } = tight(0);
  const file = scratch.create();
  file.append(Uint8Array.from([1, 2, 3]));
  file.append(Uint8Array.from([4, 5]));
  const into = new Uint8Array(3);
  file.read(into, 1);
  assert.deepEqual([...into], [2, 3, 4]);
  assert.throws(() => file.read(into, 3), { code: 'DISK_FAILED' });
  assert.equal(scratch.writtenBytes, 5);
  assert.deepEqual(names(), [], 'it has no name');
  remove();
});

test('closed files are gone, one by one or all together', { skip: !isLinux }, () => {
  const { scratch, folder, remove } = tight(0);
  const [first] = [scratch.create(), scratch.create(), scratch.create()] as const;
  assert.equal(openFiles('self', folder), 3);
  first.close();
  first.close();
  assert.equal(openFiles('self', folder), 2);
  assert.equal(scratch.open, 2);
  scratch.close();
  assert.equal(openFiles('self', folder), 0);
  remove();
});

const holder = new URL('./holder.ts', import.meta.url);

test('a thread that is ended by force leaves no file open', { skip: !isLinux }, async () => {
  const { folder, remove } = tight(0);
  const worker = new Worker(holder, { argv: [folder] });
  await new Promise((resolve) => worker.once('message', resolve));
  const open = openFiles('self', folder);
  await worker.terminate();
  assert.equal(open, 1);
  assert.equal(openFiles('self', folder), 0);
  remove();
});

test('a process that is killed leaves no file', { skip: !isLinux }, async () => {
  const { folder, names, remove } = tight(0);
  const child = spawn(process.execPath, [fileURLToPath(holder), folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  assert.equal(openFiles(child.pid!, folder), 1);
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('exit', resolve));
  assert.deepEqual(names(), []);
  remove();
});

test('a full disk is NO_SPACE that says where, another failure is DISK_FAILED', () => {
  const { folder, remove } = tight(0);
  for (const [code, expected] of [
    ['ENOSPC', 'NO_SPACE'],
    ['EDQUOT', 'NO_SPACE'],
    ['EIO', 'DISK_FAILED'],
  ] as const) {
    const scratch = createScratch(folder, {
      write() {
        throw Object.assign(new Error(code), { code });
      },
    });
    const file = scratch.create();
    assert.throws(
      () => file.append(new Uint8Array(1)),
      (error: { code: string; message: string }) => error.code === expected && error.message.includes(folder),
    );
    scratch.close();
  }
  // A folder that cannot be made.
  writeFileSync(join(folder, 'file'), '');
  assert.throws(() => createScratch(join(folder, 'file', 'folder')).create(), { code: 'DISK_FAILED' });
  remove();
});

test('a disk that takes less than it was given gets the rest', () => {
  const { folder, remove } = tight(0);
  const taken: number[] = [];
  const scratch = createScratch(folder, {
    write(_file, _bytes, _from, length) {
      taken.push(length);
      return Math.min(length, 4);
    },
  });
  scratch.create().append(new Uint8Array(10));
  assert.deepEqual(taken, [10, 6, 2]);
  scratch.close();
  remove();
});
