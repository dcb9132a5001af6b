import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Decimal, tableFromIPC } from 'apache-arrow';
import fc from 'fast-check';
import type { Batch, ColumnType, Schema } from '#runtime/batch/batch.ts';
import { wideBigInt } from '#runtime/batch/decimal.ts';
import { arrowSink } from '#runtime/connectors/arrow-sink.ts';
import { arrowSource } from '#runtime/connectors/arrow-source.ts';
import { inspectFile } from '#runtime/connectors/inspect.ts';
import type { Value } from '#runtime/expression/values.ts';
import { int32, list, fieldsOf as plainFields, struct, utf8 } from '#runtime/schema.ts';
import { batchArb, batchOf, fieldsOf, kinds, rowsIn } from '../batch/columns.ts';
import { nestedBatch, nestedBatchArb, schemaArb } from '../batch/nested.ts';
import { scan } from './scan.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-arrow-sink-'));
after(() => rmSync(folder, { recursive: true }));
let files = 0;

async function written(batches: readonly Batch[], schema: Schema, options: { ending?: string; compression?: 'zstd' } = {}): Promise<string> {
  const path = join(folder, `${files++}${options.ending ?? '.arrow'}`);
  const spec = { connector: 'arrow', path, ...(options.compression === undefined ? {} : { compression: options.compression }) };
  await arrowSink.prepare(spec, 'job');
  const writer = await arrowSink.createWriter(spec, schema, { job: 'job', task: 0, attempt: 0 });
  for (const batch of batches) await writer.write(batch);
  await arrowSink.publish(spec, 'job', [await writer.finish()]);
  return path;
}

async function read(path: string, schema: Schema): Promise<Value[][]> {
  const request = { source: { connector: 'arrow', path }, schema, predicate: null };
  const rows: Value[][] = [];
  for (const split of await arrowSource.plan(request))
    for await (const batch of arrowSource.read(request, split, { job: 'j', task: 0, attempt: 0 })) rows.push(...rowsIn(batch));
  return rows;
}

/** As apache-arrow shows it. */
const shown = (value: unknown, { kind }: ColumnType): Value => {
  if (value === null) return null;
  if (kind === 'decimal') return wideBigInt(new Int32Array((value as Uint32Array).slice().buffer), 0);
  if (kind === 'integer') return Number(value as bigint);
  if (kind === 'date') return Number(value) / 86_400_000;
  return value as Value;
};

const all = fieldsOf(...kinds);

test('columns of every type and form are read back by the source, packed or not', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(batchArb(all, 12), { maxLength: 3 }), fc.boolean(), async (batches, packed) => {
      const path = await written(batches, all, packed ? { compression: 'zstd' } : {});
      assert.deepEqual(await read(path, all), batches.flatMap(rowsIn));
    }),
    { numRuns: 60 },
  );
});

test('apache-arrow reads the same, and the types are those of Arrow', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(batchArb(all, 12, 9), { minLength: 1, maxLength: 3 }), async (batches) => {
      const table = tableFromIPC(readFileSync(await written(batches, all)));
      assert.deepEqual(
        table.schema.fields.map(({ name }) => name),
        all.map(({ name }) => name),
      );
      const rows = table.batches.flatMap((batch) =>
        Array.from({ length: batch.numRows }, (_, i) =>
          all.map(({ type }, c) => {
            if (type.kind !== 'timestamp') return shown(batch.getChildAt(c)!.get(i), type);
            // Its getter rounds to milliseconds.
            return batch.getChildAt(c)!.isValid(i) ? (batch.data.children[c]!.values as BigInt64Array)[i]! : null;
          }),
        ),
      );
      assert.deepEqual(rows, batches.flatMap(rowsIn));
    }),
    { numRuns: 40 },
  );
  const { fields } = tableFromIPC(readFileSync(await written([], all))).schema;
  assert.deepEqual(
    fields.map(({ type }) => String(type)),
    ['Int32', 'Int64', 'Int64', 'Float64', 'Bool', 'Utf8', 'Date32<DAY>', 'Timestamp<MICROSECOND, UTC>', 'Decimal[9e+2]', 'Decimal[30e+4]'],
  );
  const narrow = fields[8]!.type as Decimal;
  assert.deepEqual([narrow.precision, narrow.scale, narrow.bitWidth], [9, 2, 128]);
});

test('lists and structs of any depth are read back, and apache-arrow sees the same', async () => {
  const batches = schemaArb(3).chain((schema) => fc.array(nestedBatchArb(schema), { minLength: 1, maxLength: 3 }).map((made) => ({ schema, made })));
  await fc.assert(
    fc.asyncProperty(batches, fc.boolean(), async ({ schema, made }, packed) => {
      const path = await written(
        made.map(({ batch }) => batch),
        schema,
        packed ? { compression: 'zstd' } : {},
      );
      assert.deepEqual(
        (await scan(arrowSource, { connector: 'arrow', path }, schema)).rows,
        made.flatMap(({ rows }) => rows),
      );
    }),
    { numRuns: 80 },
  );
  const schema = plainFields({ a: list(struct({ b: int32().nullable(), c: list(utf8()) })).nullable() });
  const rows = [
    [
      [
        { b: 1, c: ['x', 'y'] },
        { b: null, c: [] },
      ],
    ],
    [null],
    [[]],
  ];
  const table = tableFromIPC(readFileSync(await written([nestedBatch(schema, rows, 9)], schema)));
  assert.equal(JSON.stringify(table.toArray()), JSON.stringify(rows.map(([a]) => ({ a }))));
});

test('the file says the types of lists and structs', async () => {
  await fc.assert(
    fc.asyncProperty(schemaArb(3, 3, false), async (schema) => {
      const { columns } = await inspectFile(await written([], schema));
      assert.deepEqual(
        columns.map(({ name, type, nullable }) => ({ name, type, nullable })),
        schema,
      );
    }),
    { numRuns: 40 },
  );
});

test('the file says its types to who declares them from it, also those that Arrow has not', async () => {
  const columns = await inspectFile(await written([], all));
  assert.deepEqual(
    columns.columns.map(({ type, note }) => ({ type, note })),
    all.map(({ type }) => ({ type, note: '' })),
  );
});

test('small batches become one record batch of useful size; packed files are smaller', async () => {
  const schema = fieldsOf('int32', 'utf8');
  const batch = batchOf(
    schema,
    Array.from({ length: 1000 }, (_, i) => [i % 7, 'again and again']),
  );
  const plain = await written(
    Array.from({ length: 100 }, () => batch),
    schema,
  );
  assert.deepEqual(
    tableFromIPC(readFileSync(plain)).batches.map(({ numRows }) => numRows),
    [65_000, 35_000],
  );
  const packed = await written(
    Array.from({ length: 100 }, () => batch),
    schema,
    { compression: 'zstd' },
  );
  assert.ok(statSync(packed).size * 2 < statSync(plain).size);
});

test('a path that ends as Arrow files do is one file, any other a folder of parts, also of no rows', async () => {
  const schema = fieldsOf('int32');
  assert.equal(arrowSink.single({ connector: 'arrow', path: 'out/a.feather' }), true);
  assert.equal(arrowSink.single({ connector: 'arrow', path: 'out/arrow' }), false);
  const path = await written([], schema, { ending: '' });
  assert.deepEqual(readdirSync(path), ['part-00000.arrow']);
  assert.deepEqual(await read(path, schema), []);
});
