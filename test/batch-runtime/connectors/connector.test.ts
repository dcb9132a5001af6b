/** What connector.ts asks of every connector, as one suite over the table: a new connector is held by it at once. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fromPlain } from '#runtime/batch/rows.ts';
import type { Written } from '#runtime/connectors/connector.ts';
import { sinks, sources } from '#runtime/connectors/table.ts';
import { fieldsOf, int32, utf8 } from '#runtime/schema.ts';
import { scan } from './scan.ts';

const root = mkdtempSync(join(tmpdir(), 'sluice-connector-'));
after(() => rmSync(root, { recursive: true }));
const columns = { n: int32(), t: utf8().nullable() };
const schema = fieldsOf(columns);
const rows = [
  [1, 'one'],
  [2, null],
  [3, ''],
] as const;
const sent = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

for (const [name, sink] of Object.entries(sinks)) {
  // `rejects` is not for tasks to write to: csv-rejects.test.ts.
  const source = sources[name];
  if (source === undefined) continue;
  const spec = (place: string) => ({ connector: name, path: join(root, `${name}-${place}`), overwrite: false, partitionBy: [] });
  const write = async (place: string, task: number, attempt: number): Promise<Written> => {
    const writer = await sink.createWriter(spec(place), schema, { job: place, task, attempt });
    await writer.write(fromPlain(schema, rows));
    return sent(await writer.finish());
  };

  test(`${name}: what is published is what the committed attempts wrote, seen only then, and again does nothing`, async () => {
    const at = spec('published');
    await sink.prepare(at, 'published');
    await write('published', 0, 0);
    const written = [await write('published', 0, 1), await write('published', 1, 0)];
    assert.equal(existsSync(at.path), false);
    await sink.publish(at, 'published', written);
    await sink.publish(at, 'published', written);
    const { rows: read } = await scan(source, { connector: name, path: at.path }, columns);
    assert.deepEqual(read, [...rows, ...rows]);
    assert.equal(
      written.reduce((sum, one) => sum + one.rows, 0),
      6,
    );
    await assert.rejects(sink.prepare(at, 'another'), { code: 'OUTPUT_NOT_EMPTY' });
  });

  test(`${name}: a job that is given up leaves nothing`, async () => {
    const before = readdirSync(root);
    const at = spec('given-up');
    await sink.prepare(at, 'given-up');
    await write('given-up', 0, 0);
    const writer = await sink.createWriter(at, schema, { job: 'given-up', task: 1, attempt: 0 });
    await writer.write(fromPlain(schema, rows));
    await writer.abort();
    await sink.discard(at, 'given-up');
    await sink.discard(at, 'given-up');
    assert.deepEqual(readdirSync(root), before);
  });

  test(`${name}: splits are plain JSON, the same every time, and say how large they are`, async () => {
    const at = spec('planned');
    await sink.prepare(at, 'planned');
    await sink.publish(at, 'planned', [await write('planned', 0, 0)]);
    const request = { source: { connector: name, path: at.path }, schema, predicate: null };
    const splits = await source.plan(request);
    assert.deepEqual(sent(splits), splits);
    assert.deepEqual(await source.plan(request), splits);
    for (const split of splits) assert.ok(split.bytes > 0 && split.rows >= 0);
  });
}
