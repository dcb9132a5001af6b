import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { fromRows } from '#runtime/batch/rows.ts';
import { textSink } from '#runtime/connectors/text-sink.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-text-'));
after(() => rmSync(folder, { recursive: true }));
const schema = [{ name: 'n', type: { kind: 'int32' }, nullable: false }] as const;
const sink = textSink({ endings: ['.txt', '.text'], head: () => 'head\n', lines: (_, from, to) => `${from}-${to}\n` });
let jobs = 0;

async function write(path: string, more: object = {}, rows = 5000): Promise<void> {
  const spec = { connector: 'text', path: join(folder, path), ...more };
  const job = `job-${jobs++}`;
  await sink.prepare(spec, job);
  const writer = await sink.createWriter(spec, schema, { job, task: 0, attempt: 0 });
  await writer.write(
    fromRows(
      schema,
      Array.from({ length: rows }, (_, n) => ({ n })),
    ),
  );
  await sink.publish(spec, job, [await writer.finish()]);
}

test('a name of the format is a file, another a folder; what packs it is said by the name or the sink', async () => {
  await write('a.txt');
  assert.equal(readFileSync(join(folder, 'a.txt'), 'utf8'), 'head\n0-4096\n4096-5000\n');
  await write('a.text.gz');
  assert.equal(gunzipSync(readFileSync(join(folder, 'a.text.gz'))).toString(), 'head\n0-4096\n4096-5000\n');
  await write('parts', { compression: 'zstd' });
  assert.deepEqual(readdirSync(join(folder, 'parts')), ['part-00000.txt.zst']);
  assert.equal(zstdDecompressSync(readFileSync(join(folder, 'parts/part-00000.txt.zst'))).toString(), 'head\n0-4096\n4096-5000\n');
  assert.deepEqual(
    ['x.txt', 'x.txt.gz', 'x.gz', 'x'].map((path) => sink.single({ connector: 'text', path })),
    [true, true, false, false],
  );
});

test('no rows is a file with its head, packed as any', async () => {
  await write('none.txt.zst', {}, 0);
  assert.equal(zstdDecompressSync(readFileSync(join(folder, 'none.txt.zst'))).toString(), 'head\n');
});

test('an attempt that is given up leaves nothing', async () => {
  const spec = { connector: 'text', path: join(folder, 'gone.txt.gz') };
  await sink.prepare(spec, 'gone');
  const writer = await sink.createWriter(spec, schema, { job: 'gone', task: 0, attempt: 0 });
  await writer.write(fromRows(schema, [{ n: 1 }]));
  await writer.abort();
  await sink.discard(spec, 'gone');
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('gone')),
    [],
  );
});
