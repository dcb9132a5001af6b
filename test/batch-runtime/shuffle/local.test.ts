import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock, type TestContext, test } from 'node:test';
import { MiB } from '#manager/protocol/ids.ts';
import { createLocalShuffle } from '#runtime/shuffle/local.ts';
import { all, attempt, failsWith, multiset, payload, readAll, request, type Seen, seenOf, type Written } from '../../contract/shuffle.ts';

async function folderOf(t: TestContext): Promise<string> {
  const folder = await fs.mkdtemp(join(tmpdir(), 'sluice-local-'));
  t.after(() => fs.rm(folder, { recursive: true, force: true }));
  return folder;
}

const blocksOf = (count: number, bytes: number, partitions: number): Written[] =>
  Array.from({ length: count }, (_, i) => ({ partition: (i * 7) % partitions, records: i, payload: payload(bytes, i) }));

test('an attempt larger than the buffer is several runs of one file', async (t) => {
  const folder = await folderOf(t);
  const driver = createLocalShuffle({ folder });
  const handle = await driver.open(request('a', 2, 5));
  const large = blocksOf(11, 7 * MiB, 5);
  const many = blocksOf(80_000, 3, 5);
  await attempt(driver, handle, 0, 0, large);
  await attempt(driver, handle, 1, 0, many);
  assert.equal((await fs.readdir(join(folder, handle.id))).length, 3, 'shuffle.json and a file per map');
  const seen: Seen[] = [];
  for (let partition = 0; partition < 5; partition++) {
    const part = await readAll(driver, handle, { ...all(handle, true), partitionFrom: partition, partitionTo: partition + 1 });
    for (let i = 1; i < part.length; i++) {
      assert.ok(part[i]!.map > part[i - 1]!.map || part[i]!.records > part[i - 1]!.records, 'as written');
    }
    seen.push(...part);
  }
  assert.deepEqual(multiset(seen), multiset([...large.map((w) => seenOf(0, w)), ...many.map((w) => seenOf(1, w))]));
});

test('whatever byte of a file changes, and wherever it is cut: right, or MISSING', async (t) => {
  const folder = await folderOf(t);
  const driver = createLocalShuffle({ folder });
  const handle = await driver.open(request('a', 1, 3));
  const blocks = blocksOf(6, 20, 3);
  await attempt(driver, handle, 0, 0, blocks);
  const expected = multiset(blocks.map((w) => seenOf(0, w)));
  const path = join(folder, handle.id, '0.winner.0');
  const whole = await fs.readFile(path);
  const outcomes = { right: 0, missing: 0 };
  const check = async (bytes: Uint8Array): Promise<void> => {
    await fs.writeFile(path, bytes);
    try {
      assert.deepEqual(multiset(await readAll(driver, handle)), expected);
      outcomes.right++;
    } catch (error) {
      failsWith('MISSING')(error);
      outcomes.missing++;
      await fs.rm(join(folder, handle.id, '0.lost.0'));
    }
  };
  for (let at = 0; at < whole.length; at++) {
    const changed = Uint8Array.from(whole);
    changed[at]! ^= 1 << (at % 8);
    await check(changed);
  }
  for (let length = 0; length < whole.length; length += 8) await check(whole.subarray(0, length));
  // What is never looked at may change: index entries inside the range, and the footer's empty word is under its hash.
  assert.ok(outcomes.right <= 16 && outcomes.missing > 400, JSON.stringify(outcomes));
});

test('a block of another map, attempt or shuffle is not believed', async (t) => {
  const folder = await folderOf(t);
  const driver = createLocalShuffle({ folder });
  const one = await driver.open(request('one', 2, 3));
  const two = await driver.open(request('two', 2, 3));
  for (const handle of [one, two]) for (const map of [0, 1]) await attempt(driver, handle, map, 0, blocksOf(6, 20, 3));
  await fs.copyFile(join(folder, one.id, '0.winner.0'), join(folder, one.id, '1.winner.0'));
  await fs.copyFile(join(folder, one.id, '0.winner.0'), join(folder, two.id, '0.winner.0'));
  await assert.rejects(readAll(driver, one), failsWith('MISSING'));
  assert.deepEqual(await driver.vacant(one), [1]);
  await assert.rejects(readAll(driver, two), failsWith('MISSING'));
  assert.deepEqual(await driver.vacant(two), [0]);
});

test('a full disk is NO_SPACE, then and again, and leaves no file', async (t) => {
  const folder = await folderOf(t);
  const driver = createLocalShuffle({ folder });
  const handle = await driver.open(request('a', 1, 3));
  const { open } = fs;
  t.after(() => mock.restoreAll());
  mock.method(fs, 'open', async (...args: Parameters<typeof open>) => {
    const file = await open(...args);
    file.write = async () => {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    };
    return file;
  });
  const writer = await driver.createWriter(handle, 0, 0);
  await writer.write(0, payload(100, 1), 1);
  await assert.rejects(writer.commit(), failsWith('NO_SPACE'));
  await assert.rejects(writer.commit(), failsWith('NO_SPACE'));
  await assert.rejects(writer.write(0, payload(100, 1), 1), failsWith('NO_SPACE'));
  await writer.abort();
  const larger = blocksOf(20, 7 * MiB, 3);
  await assert.rejects(attempt(driver, handle, 0, 1, larger), failsWith('NO_SPACE'));
  assert.deepEqual(await fs.readdir(join(folder, handle.id)), ['shuffle.json']);
  mock.restoreAll();
  assert.equal((await attempt(driver, handle, 0, 2, blocksOf(6, 20, 3))).won, true);
  assert.equal((await readAll(driver, handle)).length, 6);
});

test('aborted, superseded and released attempts leave no file; a released shuffle only its tombstone', async (t) => {
  const folder = await folderOf(t);
  const driver = createLocalShuffle({ folder });
  const handle = await driver.open(request('a', 1, 3));
  const aborted = await driver.createWriter(handle, 0, 0);
  for (const b of blocksOf(6, 7 * MiB, 3)) await aborted.write(b.partition, b.payload, b.records);
  assert.deepEqual(await fs.readdir(join(folder, handle.id)), ['0-0.part', 'shuffle.json']);
  await aborted.abort();
  await attempt(driver, handle, 0, 1, blocksOf(6, 20, 3));
  await attempt(driver, handle, 0, 2, blocksOf(6, 20, 3));
  assert.deepEqual(await fs.readdir(join(folder, handle.id)), ['0.winner.0', 'shuffle.json']);
  const late = await driver.createWriter(handle, 0, 3);
  for (const b of blocksOf(6, 7 * MiB, 3)) await late.write(b.partition, b.payload, b.records);
  await driver.release(handle);
  await assert.rejects(late.commit(), failsWith('SHUFFLE_RELEASED'));
  assert.deepEqual(await fs.readdir(folder), [`${handle.id}.released`]);
  await assert.rejects(driver.open(request('a', 1, 3)), failsWith('SHUFFLE_RELEASED'));
  await assert.rejects(driver.release({ ...handle, id: '0123456789abcdef' }), failsWith('SHUFFLE_UNKNOWN'));
  await assert.rejects(driver.vacant({ ...handle, id: '../../etc' }), failsWith('SHUFFLE_UNKNOWN'));
});

test('a reader has few files open, a writer one', async (t) => {
  const folder = await folderOf(t);
  const driver = createLocalShuffle({ folder });
  const handle = await driver.open(request('a', 60, 3));
  for (let map = 0; map < 60; map++) await attempt(driver, handle, map, 0, blocksOf(6, 20, 3));
  const opened = async (): Promise<number> => {
    const links = (await fs.readdir('/proc/self/fd')).map((fd) => fs.readlink(`/proc/self/fd/${fd}`).catch(() => ''));
    return (await Promise.all(links)).filter((path) => path.startsWith(folder)).length;
  };
  let most = 0;
  for await (const _ of driver.createReader(handle, all(handle))) most = Math.max(most, await opened());
  assert.ok(most >= 1 && most <= 6, `${most} files open`);
  for await (const _ of driver.createReader(handle, all(handle))) break;
  const writer = await driver.createWriter(handle, 0, 1);
  for (const b of blocksOf(6, 7 * MiB, 3)) await writer.write(b.partition, b.payload, b.records);
  assert.equal(await opened(), 1);
  await writer.abort();
  assert.equal(await opened(), 0);
});

test('processes that race for the same maps: one wins each', async (t) => {
  const folder = await folderOf(t);
  const maps = 12;
  const driver = createLocalShuffle({ folder });
  const handle = await driver.open(request('a', maps, 4));
  const racer = (number: number): Promise<number[]> => {
    const script = `
      import { createLocalShuffle } from ${JSON.stringify(import.meta.resolve('#runtime/shuffle/local.ts'))};
      const driver = createLocalShuffle({ folder: ${JSON.stringify(folder)} });
      const won = [];
      for (let map = 0; map < ${maps}; map++) {
        const writer = await driver.createWriter(${JSON.stringify(handle)}, map, ${number});
        for (let p = 0; p < 4; p++) await writer.write(p, new Uint8Array([${number}, map, p]), ${number});
        if ((await writer.commit()).won) won.push(map);
      }
      console.log(JSON.stringify(won));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    return new Promise((resolve, reject) => {
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      child.on('error', reject);
      child.on('exit', (code) => (code === 0 ? resolve(JSON.parse(text) as number[]) : reject(new Error(`exit ${code}`))));
    });
  };
  const won = await Promise.all([racer(1), racer(2), racer(3)]);
  assert.deepEqual(
    won.flat().sort((a, b) => a - b),
    Array.from({ length: maps }, (_, map) => map),
  );
  for await (const block of driver.createReader(handle, all(handle))) {
    const number = won.findIndex((list) => list.includes(block.map)) + 1;
    assert.deepEqual([...block.payload, block.records], [number, block.map, block.partition, number]);
  }
});
