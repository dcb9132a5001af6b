import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Rejects, rejectsSink, rejectsSpec } from '#runtime/connectors/csv-rejects.ts';
import { csvSource } from '#runtime/connectors/csv-source.ts';
import { int32, utf8 } from '#runtime/schema.ts';
import { scan } from './scan.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-rejects-'));
after(() => rmSync(folder, { recursive: true }));
const place = (name: string): string => join(folder, name);

test('records that cannot be read are left aside with their place and reason, the others are read', async () => {
  const path = place('in.csv');
  const rejects = place('bad.csv');
  writeFileSync(path, 'n,t\n1,a\nx,"b\nc"\n2,d\n3\n"4,e\n');
  const spec = { connector: 'csv', path, rejects };
  const side = csvSource.side(spec)!;
  await rejectsSink.prepare(side, 'j1');
  const { rows } = await scan(csvSource, spec, { n: int32(), t: utf8() }, null, 'j1');
  assert.deepEqual(rows, [
    [1, 'a'],
    [2, 'd'],
  ]);
  assert.equal(existsSync(rejects), false, 'nothing is seen before the job has succeeded');
  await rejectsSink.publish(side, 'j1', []);
  await rejectsSink.publish(side, 'j1', []);
  const { rows: left } = await scan(
    csvSource,
    { connector: 'csv', path: rejects },
    { path: utf8(), line: int32(), column: int32(), what: utf8(), record: utf8() },
  );
  assert.deepEqual(
    left.map(([from, line, column, , record]) => [from, line, column, record]),
    [
      [path, 3, 1, 'x,"b\nc"'],
      [path, 6, 1, '3'],
      [path, 7, 1, '"4,e'],
    ],
  );
  assert.match(String(left[0]![3]), /not a whole number/);
  assert.deepEqual(readdirSync(folder).sort(), ['bad.csv', 'in.csv'], 'nothing staged is left');
});

test('one attempt of each task counts, and only one that read its split to the end', async () => {
  const side = rejectsSpec(place('tasks.csv'));
  await rejectsSink.prepare(side, 'j2');
  const leave = async (task: number, attempt: number, what: string, whole: boolean): Promise<void> => {
    const rejects = new Rejects(place('tasks.csv'), { job: 'j2', task, attempt });
    await rejects.add('f', 1, 1, what, 'r');
    await rejects.close(whole);
  };
  await leave(1, 0, 'one', false);
  await leave(1, 1, 'one', true);
  await leave(0, 0, 'zero', true);
  await leave(0, 1, 'zero', true);
  await rejectsSink.publish(side, 'j2', []);
  assert.equal(readFileSync(place('tasks.csv'), 'utf8'), 'path,line,column,what,record\nf,1,1,zero,r\nf,1,1,one,r\n');
});

test('a run without rejects replaces those of the run before; a failed one does not', async () => {
  const side = rejectsSpec(place('again.csv'));
  writeFileSync(place('again.csv'), 'older\n');
  await rejectsSink.prepare(side, 'j3');
  await rejectsSink.discard(side, 'j3');
  assert.equal(readFileSync(place('again.csv'), 'utf8'), 'older\n');
  await rejectsSink.prepare(side, 'j4');
  await rejectsSink.publish(side, 'j4', []);
  assert.equal(readFileSync(place('again.csv'), 'utf8'), 'path,line,column,what,record\n');
  assert.throws(() => rejectsSink.createWriter(side, [], { job: 'j4', task: 0, attempt: 0 }), { code: 'PLAN_UNSUPPORTED' });
});

test('the places of many records are those of the file, and finding them reads it once', async () => {
  const [path, rejects] = [place('many.csv'), place('many-bad.csv')];
  // Two splits; every third record is wrong, and one of the others spans two lines.
  const record = (i: number): string => (i % 3 === 0 ? `x${i},${'é'.repeat(1500)}\n` : i % 3 === 1 ? `${i},"two\nlines"\n` : `${i},one\n`);
  const records = 18_000;
  const lines: string[] = ['n,t\n'];
  for (let i = 0; i < records; i++) lines.push(record(i));
  writeFileSync(path, lines.join(''));
  const spec = { connector: 'csv', path, rejects };
  const side = csvSource.side(spec)!;
  await rejectsSink.prepare(side, 'many');
  const { splits, rows } = await scan(csvSource, spec, { n: int32(), t: utf8() }, null, 'many');
  assert.ok(splits > 1, `${splits} splits`);
  assert.equal(rows.length, (2 * records) / 3);
  await rejectsSink.publish(side, 'many', []);
  const { rows: left } = await scan(csvSource, { connector: 'csv', path: rejects }, { line: int32(), column: int32(), record: utf8() });
  assert.equal(left.length, records / 3);
  left.forEach(([line, column, text], k) => {
    if (line !== 2 + 4 * k || column !== 1 || !String(text).startsWith(`x${3 * k},`)) assert.fail(`record ${3 * k} stands at ${line}:${column}`);
  });
});
