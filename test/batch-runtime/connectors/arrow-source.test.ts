import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  Bool,
  type DataType,
  DateDay,
  Decimal,
  Dictionary,
  Float64,
  Int32,
  Int64,
  makeVector,
  type RecordBatch,
  Table,
  TimestampMicrosecond,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import fc from 'fast-check';
import { arrowSource } from '#runtime/connectors/arrow-source.ts';
import {
  bool,
  type Declared,
  date,
  decimal,
  float64,
  int32,
  int64,
  integer,
  list,
  type SchemaShape,
  struct,
  timestamp,
  utf8,
} from '#runtime/schema.ts';
import { damageEach } from './damage.ts';
import { scan } from './scan.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-arrow-source-'));
after(() => rmSync(folder, { recursive: true }));
const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/arrow/${name}`, import.meta.url));
const read = async (path: string, columns: SchemaShape) => (await scan(arrowSource, { connector: 'arrow', path }, columns)).rows;
let files = 0;
const put = (bytes: Uint8Array, ending = '.arrow'): string => {
  const path = join(folder, `${files++}${ending}`);
  writeFileSync(path, bytes);
  return path;
};

// What make.py puts into its files, at rest as we have it.
const long = 'a text of more than twelve bytes, €';
const moment = '1709209845123000';
const types: Readonly<Record<string, readonly [Declared<unknown>, unknown, unknown]>> = {
  i8: [int32(), -128, 127],
  u8: [int32(), 255, 0],
  i16: [int32(), -32768, 32767],
  u16: [int32(), 65535, 0],
  i32: [int32(), -(2 ** 31), 2 ** 31 - 1],
  u32: [int64(), '4294967295', '0'],
  i64: [int64(), '-9223372036854775808', '9223372036854775807'],
  u64: [integer(), '9007199254740991', '0'],
  f16: [float64(), 1.5, '-Infinity'],
  f32: [float64(), 0.5, 'NaN'],
  f64: [float64(), 0.1, -0],
  b: [bool(), true, false],
  s: [utf8(), 'x', long],
  ls: [utf8(), 'x', long],
  vs: [utf8(), 'x', long],
  d32: [date(), 19782, -1],
  d64: [date(), 19782, -1],
  ts: [timestamp(), '1709209845000000', '-86400000000'],
  tms: [timestamp(), moment, moment],
  tus: [timestamp(), moment, moment],
  tns: [timestamp(), moment, moment],
  dec: [decimal(9, 2), '-1.50', '9999999.99'],
  wide: [decimal(30, 4), '-1.5000', '12345678901234567890123456.7890'],
  small: [decimal(9, 2), '-1.50', '9999999.99'],
  coded: [utf8(), 'x', long],
  codedints: [int64(), '7', '1099511627776'],
  none: [bool(), null, null],
};
const columns = Object.fromEntries(Object.entries(types).map(([name, [type]]) => [name, type.nullable()]));
const rows = [0, 1, 2].map((row) => Object.values(types).map(([, first, last]) => (row === 0 ? first : row === 1 ? null : last)));

test('every type that another writer has is read as ours, plain, packed by LZ4 and by zstd, as a stream too', async () => {
  assert.deepEqual(await read(fixture('plain.arrow'), columns), rows);
  const often = Array.from({ length: 50 }, () => rows).flat();
  assert.deepEqual(await read(fixture('lz4.arrow'), columns), often);
  assert.deepEqual(await read(fixture('zstd.arrow'), columns), often);
  assert.deepEqual(await read(fixture('stream.arrows'), columns), [...rows, ...rows.slice(1)]);
});

test('columns are found by name, whatever stands before and between, also types that are not read', async () => {
  assert.deepEqual(await read(fixture('plain.arrow'), { last: int32(), vs: utf8().nullable(), i8: integer().nullable() }), [
    [1, 'x', '-128'],
    [2, null, null],
    [3, long, '127'],
  ]);
  assert.deepEqual(await read(fixture('polars.arrow'), { c: utf8(), s: utf8().nullable() }), [
    ['u', 'x'],
    ['v', null],
    ['u', long],
  ]);
});

test('lists and structs, fields of structs by name; what is null where it may not be says so', async () => {
  const path = fixture('plain.arrow');
  const maybe = { list: list(int32()).nullable(), struct: struct({ x: int32().nullable() }).nullable(), last: int32() };
  assert.deepEqual(await read(path, maybe), [
    [[1], { x: 1 }, 1],
    [null, null, 2],
    [[], { x: null }, 3],
  ]);
  await assert.rejects(read(path, { struct: struct({ x: int32() }).nullable() }), { code: 'NULL_IN_COLUMN', message: /struct\.x .*row 3/ });
  await assert.rejects(read(path, { list: list(utf8()) }), {
    code: 'SCHEMA_DIFFERS',
    message: /declared list\(utf8\), file has list\(int32 nullable\)/,
  });
  await assert.rejects(read(path, { struct: struct({ y: int32() }) }), { code: 'SCHEMA_DIFFERS', message: /file has struct\(x: int32 nullable\)/ });
});

test('dictionaries are added to and replaced as the file says', async () => {
  const words = { n: int32(), word: utf8().nullable() };
  const first = [
    [1, 'a'],
    [2, 'b'],
    [3, 'c'],
    [4, null],
    [5, 'a'],
  ];
  assert.deepEqual(await read(fixture('dictionaries.arrows'), words), [...first, [6, 'z'], [7, 'y']]);
  assert.deepEqual(await read(fixture('deltas.arrow'), words), first);
});

test('a task that begins in the middle of a stream has the dictionaries that stand before its record batches', async () => {
  const request = { source: { connector: 'arrow', path: fixture('dictionaries.arrows') }, schema: [], predicate: null };
  const [split] = await arrowSource.plan(request);
  const [{ file }] = split!['parts'] as [{ file: unknown }];
  const schema = [{ name: 'word', type: { kind: 'utf8' as const }, nullable: true }];
  const found: number[] = [];
  for (const from of [1, 2]) {
    const part = { bytes: 1, rows: 1, parts: [{ file, from, to: from + 1 }] };
    for await (const batch of arrowSource.read({ ...request, schema }, part, { job: 'j', task: 0, attempt: 0 })) {
      const { dictionary } = batch.columns[0]!;
      found.push(dictionary!.length);
    }
  }
  assert.deepEqual(found, [3, 2]);
});

test('many record batches become several splits, which together have every row once; a large batch is cut', async () => {
  const n = 100_000;
  const batches = [0, 1, 2].map((b) => new Table({ n: vectorFromArray(Int32Array.from({ length: n }, (_, i) => b * n + i)) }).batches[0]!);
  const path = put(tableToIPC(new Table(batches), 'file'));
  const { splits, rows: all } = await scan(arrowSource, { connector: 'arrow', path }, { n: int32() });
  assert.equal(splits, 3);
  assert.deepEqual(
    all.map(([value]) => value),
    Array.from({ length: 3 * n }, (_, i) => i),
  );
});

const foreign: Readonly<Record<string, readonly [DataType, Declared<unknown>, fc.Arbitrary<unknown>, (value: never) => unknown]>> = {
  bool: [new Bool(), bool(), fc.boolean(), (value) => value],
  int32: [new Int32(), int32(), fc.integer(), (value) => value],
  int64: [new Int64(), int64(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), String],
  integer: [new Int64(), integer(), fc.maxSafeInteger().map(BigInt), String],
  float64: [new Float64(), float64(), fc.double(), (value) => (Number.isFinite(value) ? value : String(value))],
  utf8: [new Utf8(), utf8(), fc.string({ unit: 'grapheme' }), (value) => value],
  coded: [new Dictionary(new Utf8(), new Int32()), utf8(), fc.constantFrom('a', 'b', '', 'ä'), (value) => value],
  date: [
    new DateDay(),
    date(),
    fc.integer({ min: -100_000, max: 100_000 }).map((day) => new Date(day * 86_400_000)),
    (value) => Number(value) / 86_400_000,
  ],
  timestamp: [new TimestampMicrosecond(), timestamp(), fc.integer({ min: -1e11, max: 1e11 }), (value) => String(value * 1000)],
  // Words, the low one first.
  decimal: [new Decimal(2, 20), decimal(20, 2), fc.nat(2 ** 31 - 1).map((low) => Uint32Array.of(low, 0, 0, 0)), (value) => `${value[0]! / 100}`],
};

test('what apache-arrow writes is read, in the file and the stream format, any cuts and nulls', async () => {
  const table = fc
    .array(fc.tuple(fc.constantFrom(...Object.keys(foreign)), fc.nat(3)), { minLength: 1, maxLength: 4 })
    .chain((of) =>
      fc
        .array(fc.tuple(...of.map(([name]) => fc.option(foreign[name]![2]))), { minLength: 1, maxLength: 30 })
        .map((values) => ({ of: of.map(([name]) => name), values })),
    );
  await fc.assert(
    fc.asyncProperty(table, fc.constantFrom('file' as const, 'stream' as const), fc.nat(30), async ({ of, values }, format, cut) => {
      const piece = (some: readonly unknown[][]): RecordBatch => {
        const vectors = Object.fromEntries(
          of.map((name, c) => [
            `c${c}`,
            vectorFromArray(
              some.map((row) => row[c]),
              name === 'coded' ? new Dictionary(new Utf8(), new Int32()) : foreign[name]![0],
            ),
          ]),
        );
        return new Table(vectors as never).batches[0]! as RecordBatch;
      };
      const parts = [values.slice(0, cut), values.slice(cut)].filter((part) => part.length > 0);
      // apache-arrow gives each vector a dictionary of its own number; one batch keeps to one.
      const table = of.includes('coded') ? new Table([piece(values)]) : new Table(parts.map(piece));
      const path = put(tableToIPC(table, format), format === 'file' ? '.arrow' : '.arrows');
      const shape = Object.fromEntries(of.map((name, c) => [`c${c}`, foreign[name]![1].nullable()]));
      const expected = values.map((row) => row.map((value, c) => (value === null ? null : foreign[of[c]!]![3](value as never))));
      const found = (await read(path, shape)).map((row) =>
        row.map((value, c) => (of[c] === 'decimal' && value !== null ? `${Number(value)}` : value)),
      );
      assert.deepEqual(found, expected);
    }),
    { numRuns: 60 },
  );
});

test('a file of another schema is refused when the job is planned', async () => {
  const path = fixture('plain.arrow');
  const plan = (shape: SchemaShape) => read(path, shape);
  await assert.rejects(plan({ nowhere: int32() }), {
    code: 'SCHEMA_DIFFERS',
    message: /nowhere: declared int32, file has no such column .*plain\.arrow/,
  });
  await assert.rejects(plan({ i64: int32() }), { code: 'SCHEMA_DIFFERS', message: /declared int32, file has int64/ });
  await assert.rejects(plan({ u32: int32() }), { code: 'SCHEMA_DIFFERS', message: /file has uint32/ });
  await assert.rejects(plan({ dec: decimal(9, 3) }), { code: 'SCHEMA_DIFFERS', message: /file has decimal\(9,2\)/ });
  await assert.rejects(plan({ map: utf8() }), { code: 'SCHEMA_DIFFERS', message: /file has map/ });
});

test('a null where none is declared names column, file and row; what is out of range says what to declare', async () => {
  await assert.rejects(read(fixture('lz4.arrow'), { s: utf8() }), { code: 'NULL_IN_COLUMN', message: /Column s has a null in .*lz4\.arrow, row 2/ });
  await assert.rejects(read(fixture('plain.arrow'), { i64: integer().nullable() }), { code: 'VALUE_OUT_OF_RANGE', message: /declare it int64/ });
  const second = put(
    tableToIPC(new Table({ n: vectorFromArray([1, 2, null], new Int32()) }).concat(new Table({ n: vectorFromArray([null], new Int32()) })), 'file'),
  );
  await assert.rejects(read(second, { n: int32() }), { code: 'NULL_IN_COLUMN', message: /row 3/ });
});

test('a file that is cut off or is none is FILE_CORRUPT and named', async () => {
  const whole = readFileSync(fixture('plain.arrow'));
  const stream = readFileSync(fixture('stream.arrows'));
  const shape = { s: utf8().nullable() };
  await assert.rejects(read(put(Buffer.alloc(0)), shape), { code: 'FILE_CORRUPT', message: /neither as an Arrow file nor as an Arrow stream/ });
  await assert.rejects(read(put(Buffer.from('a,b\n1,2\n3,4\n')), shape), { code: 'FILE_CORRUPT', message: /neither as an Arrow file/ });
  await assert.rejects(read(put(whole.subarray(0, 12)), shape), { code: 'FILE_CORRUPT', message: /cut off/ });
  await assert.rejects(read(put(whole.subarray(0, -3)), shape), { code: 'FILE_CORRUPT', message: /cut off/ });
  await assert.rejects(read(put(stream.subarray(0, -100)), shape), { code: 'FILE_CORRUPT', message: /cut off|in the middle/ });
  await assert.rejects(read(join(folder, 'nowhere.arrow'), shape), { code: 'FILE_MISSING' });
});

test('columns coded by one dictionary are read each as it is declared; one of two types is none', async () => {
  const type = new Dictionary(new Int32(), new Int32(), 7);
  const dictionary = vectorFromArray([5, 6], new Int32());
  const codes = (of: number[]) => makeVector({ type, data: Int32Array.from(of), dictionary });
  const both = put(tableToIPC(new Table({ a: codes([0, 1, 0]), b: codes([0, 1, 1]) } as never), 'stream'), '.arrows');
  const rows = [
    [5, '5'],
    [6, '6'],
    [5, '6'],
  ];
  assert.deepEqual(await read(both, { a: int32().nullable(), b: int64().nullable() }), rows);
  const split = readFileSync(fixture('deltas.arrow'));
  split[1340] = 108; // n, of int32, is now coded too, by the dictionary of word
  await assert.rejects(read(put(split), { n: int32().nullable() }), { code: 'FILE_CORRUPT', message: /dictionary 0 is of two types/ });
});

test('a damaged file is FILE_CORRUPT, another error of the table, or other rows, never a crash', async () => {
  const words = { n: int32().nullable(), word: utf8().nullable() };
  const texts = { s: utf8().nullable(), c: utf8().nullable() };
  const files: readonly (readonly [string, SchemaShape, number])[] = [
    ['deltas.arrow', words, 5],
    ['dictionaries.arrows', words, 5],
    ['polars.arrow', texts, 5],
    ['plain.arrow', columns, 19],
    ['lz4.arrow', columns, 61],
  ];
  for (const [name, shapeOf, step] of files)
    await damageEach(readFileSync(fixture(name)), name.slice(name.indexOf('.') + 1), (path) => read(path, shapeOf), step);
});
