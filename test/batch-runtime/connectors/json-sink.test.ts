import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { fromPlain, type PlainValue } from '#runtime/batch/rows.ts';
import { jsonSink } from '#runtime/connectors/json-sink.ts';
import { jsonSource } from '#runtime/connectors/json-source.ts';
import { bool, date, fieldsOf, float64, int32, int64, integer, timestamp, utf8 } from '#runtime/schema.ts';
import { nestedBatchArb, schemaArb } from '../batch/nested.ts';
import { scan } from './scan.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-json-sink-'));
after(() => rmSync(folder, { recursive: true }));
const columns = {
  a: bool().nullable(),
  b: int32().nullable(),
  c: integer().nullable(),
  d: int64().nullable(),
  e: float64().nullable(),
  'f "g"': utf8().nullable(),
  h: date().nullable(),
  i: timestamp().nullable(),
};
const schema = fieldsOf(columns);
let files = 0;

async function written(rows: readonly (readonly PlainValue[])[], ending = '.ndjson'): Promise<string> {
  const path = join(folder, `${files++}${ending}`);
  const spec = { connector: 'json', path };
  await jsonSink.prepare(spec, 'job');
  const writer = await jsonSink.createWriter(spec, schema, { job: 'job', task: 0, attempt: 0 });
  await writer.write(fromPlain(schema, rows));
  await jsonSink.publish(spec, 'job', [await writer.finish()]);
  return path;
}

test('each row is an object on a line, with every column', async () => {
  const path = await written([
    [true, -7, '9007199254740991', '-9223372036854775808', 0.1, 'a "b"\n', 0, '1500000'],
    [null, null, null, null, null, null, null, null],
    [false, 0, '0', '0', 'NaN', '', -1, '-1'],
  ]);
  assert.equal(
    readFileSync(path, 'utf8'),
    '{"a":true,"b":-7,"c":9007199254740991,"d":-9223372036854775808,"e":0.1,"f \\"g\\"":"a \\"b\\"\\n","h":"1970-01-01","i":"1970-01-01 00:00:01.5"}\n' +
      '{"a":null,"b":null,"c":null,"d":null,"e":null,"f \\"g\\"":null,"h":null,"i":null}\n' +
      '{"a":false,"b":0,"c":0,"d":0,"e":"NaN","f \\"g\\"":"","h":"1969-12-31","i":"1969-12-31 23:59:59.999999"}\n',
  );
});

test('whatever is written is read back by the source, packed or not', async () => {
  const int64Text = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
  const row = fc.tuple(
    fc.option(fc.boolean()),
    fc.option(fc.integer()),
    fc.option(fc.maxSafeInteger().map(String)),
    fc.option(int64Text),
    fc.option(fc.double().map((value) => (Number.isFinite(value) ? value : String(value)))),
    fc.option(fc.string({ unit: 'grapheme' })),
    fc.option(fc.integer({ min: -700_000, max: 2_900_000 })),
    fc.option(fc.bigInt({ min: -62_000_000_000_000_000n, max: 250_000_000_000_000_000n }).map(String)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(row, { maxLength: 20 }), fc.constantFrom('.json', '.jsonl.gz', '.ndjson.zst'), async (rows, ending) => {
      const path = await written(rows as PlainValue[][], ending);
      assert.deepEqual((await scan(jsonSource, { connector: 'json', path }, columns)).rows, rows);
    }),
    { numRuns: 40 },
  );
});

test('lists and structs of any depth are arrays and objects, and are read back', async () => {
  const given = schemaArb(3).chain((of) => nestedBatchArb(of).map((made) => ({ of, ...made })));
  await fc.assert(
    fc.asyncProperty(given, async ({ of, batch, rows }) => {
      const path = join(folder, `${files++}.ndjson`);
      const spec = { connector: 'json', path };
      await jsonSink.prepare(spec, 'job');
      const writer = await jsonSink.createWriter(spec, of, { job: 'job', task: 0, attempt: 0 });
      await writer.write(batch);
      await jsonSink.publish(spec, 'job', [await writer.finish()]);
      for (const line of readFileSync(path, 'utf8').split('\n').slice(0, -1)) JSON.parse(line);
      assert.deepEqual((await scan(jsonSource, { connector: 'json', path }, of)).rows, rows);
    }),
    { numRuns: 150 },
  );
});
