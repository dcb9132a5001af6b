import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type PlainValue, plainValue } from '#runtime/batch/rows.ts';
import { BoundaryFinder, firstInvalid, firstRecord, type ScanShape, scanRecords, scanSlack } from '#runtime/connectors/csv-scan.ts';
import { fieldParser } from '#runtime/connectors/csv-values.ts';

const comma = 0x2c;
const shapeOf = (width: number): ScanShape => ({
  delimiter: comma,
  width,
  targets: Int32Array.from({ length: width }, (_, i) => i),
  parsers: Array.from({ length: width }, () => fieldParser({ kind: 'utf8' }, 1000)),
  nullable: Array.from({ length: width }, () => true),
  names: Array.from({ length: width }, (_, i) => `c${i}`),
  isText: Array.from({ length: width }, () => true),
  nullText: null,
});
const rowsOf = ({ parsers }: ScanShape): PlainValue[][] => {
  const columns = parsers.map((parser) => parser.finish());
  return Array.from({ length: columns[0]!.length }, (_, i) => columns.map((column) => plainValue(column, i)));
};
const bufferOf = (text: string): { bytes: Uint8Array; end: number } => {
  const data = Buffer.from(text);
  const bytes = new Uint8Array(data.length + scanSlack);
  bytes.set(data);
  return { bytes, end: data.length };
};

const field = fc.option(fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', 'é', ' ', '😀') }));
const tables = fc
  .integer({ min: 2, max: 4 })
  .chain((width) => fc.array(fc.array(field, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 8 }));
/** A blank line is none, so a record of nulls alone has delimiters at least. */
const textOf = (rows: readonly (readonly (string | null)[])[], lineEnd: string): string =>
  rows.map((row) => row.map((value) => (value === null ? '' : `"${value.replaceAll('"', '""')}"`)).join(',') + lineEnd).join('');

test('what is written by the grammar is read, whatever is in the fields', () => {
  fc.assert(
    fc.property(tables, fc.constantFrom('\n', '\r\n'), (rows, lineEnd) => {
      const shape = shapeOf(rows[0]!.length);
      const { bytes, end } = bufferOf(textOf(rows, lineEnd));
      const found = scanRecords(shape, bytes, 0, end, true, 1000, true);
      assert.deepEqual(found.bad, []);
      assert.equal(found.next, end);
      assert.deepEqual(rowsOf(shape), rows);
    }),
    { numRuns: 300 },
  );
});

test('a record that is not whole is left for later and leaves nothing behind', () => {
  fc.assert(
    fc.property(tables, fc.double({ min: 0, max: 1, noNaN: true }), (rows, share) => {
      const whole = Buffer.from(textOf(rows, '\n'));
      const cut = Math.floor(share * whole.length);
      const shape = shapeOf(rows[0]!.length);
      const bytes = new Uint8Array(whole.length + scanSlack);
      bytes.set(whole.subarray(0, cut));
      const first = scanRecords(shape, bytes, 0, cut, false, 1000, true);
      assert.ok(first.next <= cut && first.bad.length === 0);
      for (const parser of shape.parsers) assert.equal(parser.length, first.rows);
      bytes.set(whole);
      const second = scanRecords(shape, bytes, first.next, whole.length, true, 1000, true);
      assert.equal(first.rows + second.rows, rows.length);
      assert.deepEqual(rowsOf(shape), rows);
    }),
    { numRuns: 300 },
  );
});

test('no more rows are taken than are wanted', () => {
  const shape = shapeOf(2);
  const { bytes, end } = bufferOf('1,a\n2,b\n3,c\n');
  const found = scanRecords(shape, bytes, 0, end, true, 2, true);
  assert.deepEqual([found.rows, found.next], [2, 8]);
});

test('bad records are told with their place, and the ones around them are read', () => {
  const text = '1,a\n2\n3,c,d\n4,"e"f\n5,g"h\n6,i\n"7,j\n';
  const shape = shapeOf(2);
  const { bytes, end } = bufferOf(text);
  const { bad } = scanRecords(shape, bytes, 0, end, true, 1000, false);
  assert.deepEqual(rowsOf(shape), [
    ['1', 'a'],
    ['6', 'i'],
  ]);
  assert.deepEqual(
    bad.map(({ from, to, at }) => [text.slice(from, to), at - from]),
    [
      ['2\n', 0],
      ['3,c,d\n', 4],
      ['4,"e"f\n', 2],
      ['5,g"h\n', 2],
      ['"7,j\n', 0],
    ],
  );
});

test('the header is the first record, also when it is quoted, and null when it is not whole', () => {
  const read = (text: string, last = true) => firstRecord(Buffer.from(text), 0, Buffer.byteLength(text), last, comma);
  assert.deepEqual(read('a,"b ""c"", d",e\r\n1,2,3\n'), { names: ['a', 'b "c", d', 'e'], next: 18 });
  assert.deepEqual(read('a'), { names: ['a'], next: 1 });
  assert.equal(read('a,b', false), null);
  assert.equal(read('a,"b', true), null);
});

test('boundaries are where records start, however the bytes come', () => {
  fc.assert(
    fc.property(tables, fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 20 }), (rows, stride, piece) => {
      const lines = rows.map((row) => Buffer.from(textOf([row], '\n')));
      const bytes = Buffer.concat(lines);
      const starts = new Set(lines.map((_, i) => lines.slice(0, i + 1).reduce((sum, line) => sum + line.length, 0)));
      const finder = new BoundaryFinder({ at: 0, line: 1 }, comma, stride);
      for (let at = 0; at < bytes.length; at += piece) finder.push(bytes.subarray(at, at + piece));
      for (const { at, line } of finder.found) {
        assert.ok(starts.has(at), `${at} is inside a record`);
        assert.equal(line, bytes.subarray(0, at).toString('latin1').split('\n').length);
      }
      if (stride < Math.min(...lines.map((line) => line.length))) assert.equal(finder.found.length, lines.length);
    }),
    { numRuns: 300 },
  );
});

test('splits of any size have the records that one reading has, also where the grammar is broken', () => {
  const text = fc.string({ unit: fc.constantFrom('a', ',', '"', '"', '\n', '\r', 'é'), maxLength: 60 });
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 }), (content, stride, piece) => {
      const whole = Buffer.from(content);
      /** The records that start in [from, to), whole or bad; `bytes` end where the next split starts. */
      const read = (from: number, to: number): string[] => {
        const shape = shapeOf(2);
        const bytes = new Uint8Array(to - from + scanSlack);
        bytes.set(whole.subarray(from, to));
        const { bad, next } = scanRecords(shape, bytes, 0, to - from, true, 1000, false);
        assert.equal(next, to - from);
        const rows = rowsOf(shape).map((row) => JSON.stringify(row));
        return [...rows, ...bad.map((one) => `${from + one.from}-${from + one.to} at ${from + one.at}: ${one.reason}`)];
      };
      const finder = new BoundaryFinder({ at: 0, line: 1 }, comma, stride);
      for (let at = 0; at < whole.length; at += piece) finder.push(whole.subarray(at, at + piece));
      const starts = [0, ...finder.found.map(({ at }) => at)];
      const inSplits = starts.flatMap((from, i) => read(from, starts[i + 1] ?? whole.length));
      assert.deepEqual(inSplits.sort(), read(0, whole.length).sort());
    }),
    { numRuns: 2000 },
  );
});

test('the first byte that is no UTF-8 is found', () => {
  assert.equal(firstInvalid(Buffer.from('aé日😀')), 10);
  for (const [bytes, at] of [
    [[0x61, 0xff], 1],
    [[0x61, 0xc3], 1],
    [[0xc0, 0x80], 0],
    [[0xe6, 0x97, 0xa5, 0xed, 0xa0, 0x80], 3],
  ] as const)
    assert.equal(firstInvalid(Uint8Array.from(bytes)), at);
});
