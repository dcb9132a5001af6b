import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openArrow, openRecord } from '#runtime/connectors/arrow-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-arrow-file-'));
after(() => rmSync(folder, { recursive: true }));
const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/arrow/${name}`, import.meta.url));

test('a file and a stream say the same: fields, record batches, dictionaries and after how many batches they stand', async () => {
  const stream = await openArrow(fixture('dictionaries.arrows'));
  assert.deepEqual(
    stream.fields.map(({ name, type, dictionary }) => ({ name, type, index: dictionary?.index })),
    [
      { name: 'n', type: { kind: 'int', bits: 32, signed: true }, index: undefined },
      { name: 'word', type: { kind: 'text', spread: 'offsets' }, index: { bits: 8, signed: true } },
    ],
  );
  assert.deepEqual(
    stream.batches.map(({ rows }) => rows),
    [2, 3, 2],
  );
  assert.deepEqual(
    stream.dictionaries.map(({ rows, isDelta, after: batches }) => ({ rows, isDelta, batches })),
    [
      { rows: 2, isDelta: false, batches: 0 },
      { rows: 1, isDelta: true, batches: 1 },
      { rows: 2, isDelta: false, batches: 2 },
    ],
  );
  const file = await openArrow(fixture('deltas.arrow'));
  assert.deepEqual(
    file.dictionaries.map(({ rows, isDelta, after: batches }) => ({ rows, isDelta, batches })),
    [
      { rows: 2, isDelta: false, batches: 0 },
      { rows: 1, isDelta: true, batches: 0 },
    ],
  );
  assert.deepEqual(
    [...file.coded.values()].map(({ name, dictionary }) => [name, dictionary]),
    [['word', null]],
  );
});

test('it is looked through once, and again when the file has changed', async () => {
  const path = join(folder, 'changing.arrow');
  writeFileSync(path, readFileSync(fixture('deltas.arrow')));
  const first = await openArrow(path);
  assert.equal(await openArrow(path), first);
  writeFileSync(path, readFileSync(fixture('plain.arrow')));
  assert.notEqual(await openArrow(path), first);
});

test('a column is read by itself, its nodes and buffers in order', async () => {
  const path = fixture('plain.arrow');
  const arrow = await openArrow(path);
  const handle = await open(path);
  try {
    const record = await openRecord(handle, path, arrow.batches[0]!, arrow.fields);
    assert.equal(record.rows, 3);
    const at = (name: string): number => arrow.fields.findIndex((field) => field.name === name);
    const views = await record.column(at('vs'));
    assert.deepEqual(views.node(), { rows: 3, nulls: 1 });
    assert.deepEqual(views.buffer().subarray(0, 1), Uint8Array.of(0b101));
    assert.equal(views.buffer().length, 48);
    assert.equal(views.viewed(), 1);
    assert.equal(Buffer.from(views.buffer()).toString(), 'a text of more than twelve bytes, €');
    const last = await record.column(at('last'));
    assert.deepEqual(last.node(), { rows: 3, nulls: 0 });
    assert.equal(last.buffer().length, 0);
    assert.deepEqual(new Int32Array(last.buffer().slice(0, 12).buffer), Int32Array.of(1, 2, 3));
    await assert.rejects(openRecord(handle, path, arrow.batches[0]!, arrow.fields.slice(1)), /by the schema/);
  } finally {
    await handle.close();
  }
});

test('a foot that names another place, and one that is longer than the file, are refused', async () => {
  const good = readFileSync(fixture('deltas.arrow'));
  const spoilt = async (name: string, spoil: (bytes: Buffer) => void): Promise<void> => {
    const bytes = Buffer.from(good);
    spoil(bytes);
    const path = join(folder, name);
    writeFileSync(path, bytes);
    await assert.rejects(openArrow(path), { code: 'FILE_CORRUPT', message: new RegExp(name) });
  };
  await spoilt('long.arrow', (bytes) => bytes.writeInt32LE(1e6, bytes.length - 10));
  await spoilt('mark.arrow', (bytes) => bytes.writeUInt8(0, bytes.length - 1));
  // The first message behind the schema loses its mark.
  const at = good.indexOf(Buffer.of(0xff, 0xff, 0xff, 0xff), 20);
  await spoilt('message.arrow', (bytes) => bytes.writeUInt8(0, at));
});
