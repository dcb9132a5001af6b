import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { openBytes, type Packing, packingOf, packingOfName, unpackedName } from '#runtime/connectors/input-bytes.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-bytes-'));
after(() => rmSync(folder, { recursive: true }));
const content = Buffer.from(Array.from({ length: 100_000 }, (_, i) => `line ${i}\n`).join(''));
const packers = { gzip: gzipSync, zstd: zstdCompressSync };

const put = (name: string, bytes: Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};
const packing = async (path: string): Promise<Packing | null> => {
  const handle = await open(path, 'r');
  return packingOf(path, handle).finally(() => handle.close());
};
async function readAll(path: string, from = 0, to: number | null = null): Promise<Buffer> {
  const { size, mtimeMs: modified } = statSync(path);
  const input = await openBytes({ file: { path, size, modified }, from, to, packing: await packing(path) });
  try {
    const parts: Buffer[] = [];
    for (;;) {
      const bytes = new Uint8Array(10_007);
      const got = await input.read(bytes, 7, 10_000);
      parts.push(Buffer.from(bytes.subarray(7, 7 + got)));
      if (got < 10_000) return Buffer.concat(parts);
    }
  } finally {
    await input.close();
  }
}

test('bytes come as they are, or unpacked, from anywhere on; what is packed is told by its first bytes', async () => {
  assert.deepEqual(await readAll(put('plain', content), 5, 500_005), content.subarray(5, 500_005));
  for (const [name, pack] of Object.entries(packers)) {
    const path = put(`${name}.data`, pack(content));
    assert.equal(await packing(path), name);
    assert.deepEqual(await readAll(path), content);
    assert.deepEqual(await readAll(path, 123_456), content.subarray(123_456));
    // As `cat a.gz b.gz` makes them.
    assert.equal((await readAll(put('two', Buffer.concat([pack(content), pack(content)])))).length, 2 * content.length);
  }
});

test('what is broken or cut off says so, and names the file', async () => {
  for (const [name, pack] of Object.entries(packers)) {
    const whole = pack(content);
    const flipped = Buffer.from(whole);
    flipped.fill(0xff, whole.length >> 1, (whole.length >> 1) + 50);
    for (const bad of [whole.subarray(0, whole.length - 5), whole.subarray(0, 6), flipped]) {
      const path = put(`bad-${name}`, bad);
      await assert.rejects(readAll(path), { code: 'FILE_CORRUPT', message: new RegExp(`bad-${name}.*broken or cut off`) });
    }
  }
});

test('a name that says packed of a file that is not is an error; so is a file that has changed', async () => {
  await assert.rejects(packing(put('a.csv.gz', content)), { code: 'FILE_CORRUPT', message: /ends in \.gz, and it is no gzip file/ });
  await assert.rejects(packing(put('a.csv.zst', new Uint8Array(0))), { code: 'FILE_CORRUPT' });
  const path = put('changes', content);
  const planned = { path, size: content.length + 1, modified: 0 };
  await assert.rejects(openBytes({ file: planned, from: 0, to: null, packing: null }), { code: 'FILE_CORRUPT' });
  assert.deepEqual([packingOfName('a.gz'), packingOfName('a.zst'), packingOfName('gz')], ['gzip', 'zstd', null]);
  assert.deepEqual([unpackedName('a.csv.gz'), unpackedName('a.csv')], ['a.csv', 'a.csv']);
});
