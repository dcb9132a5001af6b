import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import type { SimpleKind } from '#runtime/batch/batch.ts';
import { conversionOf, openInput, readFooter, readRange, statisticsOf } from '#runtime/connectors/parquet-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-footer-'));
const path = join(folder, 'all.parquet');
before(async () => {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const duck = await instance.connect();
  await duck.run(
    `COPY (SELECT i::INTEGER AS n, i::UINTEGER AS u, (i * 3)::BIGINT AS w, i / 2 AS d, i % 2 = 0 AS b, 'é' || i AS t, DATE '2024-01-01' + i::INTEGER AS day,
       TIMESTAMP '2024-01-01' AS at, CASE WHEN i < 2 THEN NULL ELSE i::INTEGER END AS gap, [i] AS list, {'x': i} AS struct, i::DECIMAL(9,2) AS price, TIME '10:00' AS clock
     FROM range(5000) r(i)) TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`,
  );
  duck.closeSync();
  instance.closeSync();
});
after(() => rmSync(folder, { recursive: true }));

const nothing = (kind: SimpleKind) => ({ name: 'x', type: { kind }, nullable: true });

test('columns and row groups are what was written', async () => {
  const file = await readFooter(path);
  assert.deepEqual(
    file.groups.map(({ firstRow, rows }) => [firstRow, rows]),
    [
      [0, 2048],
      [2048, 2048],
      [4096, 904],
    ],
  );
  const found = Object.fromEntries([...file.columns.values()].map((column) => [column.name, column.found]));
  assert.deepEqual(found, {
    n: 'int32',
    u: 'uint32',
    w: 'int64',
    d: 'float64',
    b: 'bool',
    t: 'utf8',
    day: 'date',
    at: 'timestamp',
    gap: 'int32',
    list: 'list(int64 nullable)',
    struct: 'struct(x: int64 nullable)',
    price: 'decimal(9,2)',
    clock: 'time',
  });
  // A nested column takes places among the chunks, too.
  assert.equal(file.columns.get('list')!.chunk, -1);
  assert.equal(file.columns.get('price')!.chunk, 11);
});

test('a column is read as what it is, and wider where nothing is lost; never as something else', async () => {
  const { columns } = await readFooter(path);
  const readable: Readonly<Record<string, readonly SimpleKind[]>> = {
    n: ['int32', 'integer', 'int64'],
    u: ['integer', 'int64'],
    w: ['integer', 'int64'],
    d: ['float64'],
    b: ['bool'],
    t: ['utf8'],
    day: ['date'],
    at: ['timestamp'],
    price: [],
    clock: [],
  };
  const kinds: readonly SimpleKind[] = ['int32', 'integer', 'int64', 'float64', 'bool', 'utf8', 'date', 'timestamp'];
  for (const [name, wanted] of Object.entries(readable)) {
    const given = kinds.filter((kind) => conversionOf(columns.get(name)!, nothing(kind)) !== null);
    assert.deepEqual(given, wanted, name);
  }
});

test('statistics are values at rest of the declared type', async () => {
  const { columns, groups } = await readFooter(path);
  const of = (name: string, kind: SimpleKind, group = 0) => {
    const column = columns.get(name)!;
    return statisticsOf(groups[group]!, column, conversionOf(column, nothing(kind))!, nothing(kind));
  };
  assert.deepEqual(of('n', 'int32'), { min: 0, max: 2047, nullCount: 0, rows: 2048 });
  assert.deepEqual(of('w', 'int64', 1), { min: 6144n, max: 12_285n, nullCount: 0, rows: 2048 });
  assert.deepEqual(of('w', 'integer', 1), { min: 6144, max: 12_285, nullCount: 0, rows: 2048 });
  assert.deepEqual(of('d', 'float64'), { min: 0, max: 1023.5, nullCount: 0, rows: 2048 });
  assert.deepEqual([of('gap', 'int32').nullCount, of('gap', 'int32').min], [2, 2]);
  assert.equal(of('at', 'timestamp').min, 1_704_067_200_000_000n);
  assert.equal(of('day', 'date').min, 19_723);
  assert.equal(of('t', 'utf8').min, 'é0');
});

test('a footer is parsed once, and again when the file has changed', async () => {
  const copy = join(folder, 'copy.parquet');
  copyFileSync(path, copy);
  const first = await readFooter(copy);
  assert.equal(await readFooter(copy), first);
  appendFileSync(copy, 'x');
  await assert.rejects(readFooter(copy), { code: 'FILE_CORRUPT' });
});

test('a footer that cannot be believed is FILE_CORRUPT', async () => {
  const whole = readFileSync(path);
  const damaged = (change: (bytes: Buffer) => void): string => {
    const bytes = Buffer.from(whole);
    change(bytes);
    const at = join(folder, 'damaged.parquet');
    writeFileSync(at, bytes);
    return at;
  };
  for (const change of [
    (bytes: Buffer) => bytes.writeUInt32LE(bytes.length, bytes.length - 8),
    (bytes: Buffer) => bytes.write('PARE', bytes.length - 4),
    (bytes: Buffer) => bytes.write('NOPE', bytes.length - 4),
    (bytes: Buffer) => bytes.fill(0xff, bytes.length - 600, bytes.length - 8),
  ]) {
    await assert.rejects(readFooter(damaged(change)), { code: 'FILE_CORRUPT' });
  }
});

test('files that are not there, and ranges beyond the end, are told', async () => {
  await assert.rejects(openInput(join(folder, 'none')), { code: 'FILE_MISSING' });
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    assert.equal(Buffer.from(await readRange(handle, path, 0, 4)).toString(), 'PAR1');
    await assert.rejects(readRange(handle, path, size - 4, 8), { code: 'FILE_CORRUPT' });
  } finally {
    await handle.close();
  }
});
