import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { ScanRequest } from '#runtime/connectors/connector.ts';
import { rejectsSink } from '#runtime/connectors/csv-rejects.ts';
import { csvSource } from '#runtime/connectors/csv-source.ts';
import { jsonSource } from '#runtime/connectors/json-source.ts';
import { fieldsOf, int32, utf8 } from '#runtime/schema.ts';
import { scan } from './scan.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-records-'));
after(() => rmSync(folder, { recursive: true }));
const schema = { n: int32(), s: utf8() };
const count = 50_000;
const formats = {
  csv: { source: csvSource, head: 'n,s\n', line: (n: number | string) => `${n},"text ${n}"\n`, code: 'CSV_INVALID', first: 2, column: 1 },
  json: {
    source: jsonSource,
    head: '',
    line: (n: number | string) => `{"n":${JSON.stringify(n)},"s":"text ${n}"}\n`,
    code: 'JSON_INVALID',
    first: 1,
    column: 6,
  },
};
const packers = { '': (bytes: Buffer) => bytes, '.gz': gzipSync, '.zst': zstdCompressSync };

for (const [name, { source, head, line, code, first, column }] of Object.entries(formats)) {
  for (const [ending, pack] of Object.entries(packers)) {
    const put = (lines: readonly string[], cut = 0): string => {
      const path = join(folder, `data.${name}${ending}`);
      const bytes = pack(Buffer.from(head + lines.join('')));
      writeFileSync(path, bytes.subarray(0, bytes.length - cut));
      return path;
    };
    const lines = Array.from({ length: count }, (_, i) => line(i));

    test(`${name}${ending}: every record is read, packed files in one split`, async () => {
      const { rows, splits } = await scan(source, { connector: name, path: put(lines) }, schema);
      assert.equal(splits, 1);
      assert.equal(rows.length, count);
      assert.ok(rows.every(([n, s], i) => n === i && s === `text ${i}`));
    });

    test(`${name}${ending}: a bad record has its line and column; with rejects it is left aside`, async () => {
      const bad = lines.with(40_000, line('x')).with(45_000, line('y'));
      const path = put(bad);
      await assert.rejects(scan(source, { connector: name, path }, schema), { code, message: new RegExp(`:${first + 40_000}:${column}: column n`) });
      const rejects = join(folder, `rejects-${name}${ending}.csv`);
      const sink = { connector: 'rejects', path: rejects };
      await rejectsSink.prepare(sink, 'job');
      const { rows } = await scan(source, { connector: name, path, rejects }, schema, null, 'job');
      await rejectsSink.publish(sink, 'job', []);
      assert.equal(rows.length, count - 2);
      const told = readFileSync(rejects, 'utf8').trim().split('\n');
      assert.equal(told.length, 3);
      assert.match(told[2]!, new RegExp(`,${first + 45_000},${column},`));
    });

    if (ending !== '') {
      test(`${name}${ending}: a file that is cut off is an error and no shorter table`, async () => {
        await assert.rejects(scan(source, { connector: name, path: put(lines, 100) }, schema), { code: 'FILE_CORRUPT', message: /cut off/ });
      });
    }
  }
}

test('lines are counted when a file is cut only for a job that has a place for bad records; both find the line of one', async () => {
  const count = 400_000;
  const pad = 'x'.repeat(80);
  const texts = {
    csv: ['n,pad\n', ...Array.from({ length: count }, (_, i) => (i === count - 5 ? `bad,${pad}\n` : `${i},"${pad}\n"\n`))],
    json: Array.from({ length: count }, (_, i) => (i === count - 5 ? `{"n":"bad","pad":"${pad}"}\n` : `{"n":${i},"pad":"${pad}"}\n`)),
  };
  for (const [connector, source, bad] of [
    // Each record has two lines, and the header stands before.
    ['csv', csvSource, 2 * (count - 5) + 2],
    ['json', jsonSource, count - 4],
  ] as const) {
    const path = join(folder, `lines.${connector}`);
    writeFileSync(path, texts[connector].join(''));
    const request = { source: { connector, path }, schema: fieldsOf({ n: int32() }), predicate: null };
    const said: number[] = [];
    const taker = { add: async (_: string, line: number) => void said.push(line) };
    const all = async (of: ScanRequest): Promise<readonly (number | null)[]> => {
      const splits = await source.plan(of);
      for (const split of splits) for await (const _ of source.read(of, split, { job: 'j', task: 0, attempt: 0 }));
      return splits.flatMap(({ parts }) => (parts as { line: number | null }[]).map(({ line }) => line));
    };
    await assert.rejects(all(request), { message: new RegExp(`lines\\.${connector}:${bad}:`) });
    const lines = await all({ ...request, rejects: taker });
    assert.deepEqual(said, [bad]);
    assert.ok(lines.length > 1 && lines.every((line) => line !== null));
    const uncounted = await source.plan(request);
    assert.ok(uncounted.slice(1).every(({ parts }) => (parts as { line: number | null }[])[0]!.line === null));
    assert.equal(uncounted.length, lines.length);
  }
});
