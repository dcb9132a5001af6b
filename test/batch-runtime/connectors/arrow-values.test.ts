import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Column, ColumnType } from '#runtime/batch/batch.ts';
import { plainValue } from '#runtime/batch/rows.ts';
import type { ArrowField, ArrowType, Dictionary } from '#runtime/connectors/arrow-schema.ts';
import { type BodyReader, firstNull, offsetsOf, readValues } from '#runtime/connectors/arrow-values.ts';
import { columnOf } from '../batch/columns.ts';

const field = (type: ArrowType, dictionary: Dictionary | null = null): ArrowField => ({
  name: 'c',
  nullable: true,
  type,
  dictionary,
  children: [],
  noted: '',
});
const bytesOf = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
/** `nulls`: rows of four that are null, the second and the last. */
function body(rows: number, nulls: boolean, ...buffers: readonly ArrayBufferView[]): BodyReader {
  const all = [nulls ? Uint8Array.of(0b0101) : new Uint8Array(0), ...buffers.map(bytesOf)];
  let at = 0;
  return {
    node: () => ({ rows, nulls: nulls ? 2 : 0 }),
    buffer: () => all[at++]!,
    skip: (count) => {
      at += count;
    },
    viewed: () => buffers.length - 1,
  };
}
const place = (dictionary: Column | null = null) => ({ column: 'c', path: 'f.arrow', dictionary: () => dictionary });
const values = (column: Column) => Array.from({ length: column.length }, (_, i) => plainValue(column, i));
const read = (type: ArrowType, as: ColumnType, reader: BodyReader, dictionary: Column | null = null, coded: Dictionary | null = null) =>
  values(readValues(field(type, coded), as, reader, place(dictionary)));

test('what stands where a value is null is not looked at', () => {
  const lanes = BigInt64Array.of(1n, 2n ** 62n, 3n, 2n ** 62n);
  assert.deepEqual(read({ kind: 'int', bits: 64, signed: true }, { kind: 'integer' }, body(4, true, lanes)), ['1', null, '3', null]);
  const nanos = BigInt64Array.of(1000n, 1n, 3000n, 7n);
  assert.deepEqual(read({ kind: 'timestamp', unit: 'nanos', hasZone: true }, { kind: 'timestamp' }, body(4, true, nanos)), ['1', null, '3', null]);
  const millis = BigInt64Array.of(86_400_000n, 1n, -86_400_000n, 1n);
  assert.deepEqual(read({ kind: 'date', unit: 'millis' }, { kind: 'date' }, body(4, true, millis)), [1, null, -1, null]);
  const wide = BigInt64Array.of(1n, 0n, 0n, 2n ** 62n, -3n, -1n, 0n, 2n ** 62n);
  const decimal = { kind: 'decimal', precision: 3, scale: 1 } as const;
  assert.deepEqual(read({ ...decimal, bits: 128 }, decimal, body(4, true, wide)), ['0.1', null, '-0.3', null]);
  const codes = Int8Array.of(0, 99, 1, -5);
  const dictionary = columnOf('utf8', ['a', 'b']);
  assert.deepEqual(
    read({ kind: 'text', spread: 'offsets' }, { kind: 'utf8' }, body(4, true, codes), dictionary, { id: 0, index: { bits: 8, signed: true } }),
    ['a', null, 'b', null],
  );
});

test('what is out of range where a value is there is refused', () => {
  const one = (value: bigint): BodyReader => body(1, false, BigInt64Array.of(value));
  assert.throws(() => read({ kind: 'int', bits: 64, signed: true }, { kind: 'integer' }, one(2n ** 53n)), { code: 'VALUE_OUT_OF_RANGE' });
  assert.throws(() => read({ kind: 'int', bits: 64, signed: false }, { kind: 'int64' }, one(-1n)), { code: 'VALUE_OUT_OF_RANGE' });
  assert.throws(() => read({ kind: 'timestamp', unit: 'nanos', hasZone: true }, { kind: 'timestamp' }, one(1n)), {
    code: 'VALUE_OUT_OF_RANGE',
    message: /finer/,
  });
  assert.throws(() => read({ kind: 'timestamp', unit: 'seconds', hasZone: true }, { kind: 'timestamp' }, one(2n ** 61n)), {
    code: 'VALUE_OUT_OF_RANGE',
  });
  assert.throws(() => read({ kind: 'date', unit: 'millis' }, { kind: 'date' }, one(1n)), /no day/);
  const decimal = { kind: 'decimal', precision: 2, scale: 1 } as const;
  assert.throws(() => read({ ...decimal, bits: 64 }, decimal, one(100n)), /more than 2 digits/);
  assert.throws(() => read({ ...decimal, bits: 128 }, decimal, body(1, false, BigInt64Array.of(100n, 0n))), /more than 2 digits/);
});

test('dictionaries of any type, with nulls among the values, of 64-bit codes, empty', () => {
  const coded = (bits: number, signed = true): Dictionary => ({ id: 0, index: { bits, signed } });
  const numbers = columnOf('int32', [7, null, 9]);
  const int32: ArrowType = { kind: 'int', bits: 32, signed: true };
  assert.deepEqual(read(int32, { kind: 'int32' }, body(4, true, Uint8Array.of(0, 0, 1, 0)), numbers, coded(8, false)), [7, null, null, null]);
  assert.deepEqual(read(int32, { kind: 'int32' }, body(3, false, BigInt64Array.of(2n, 1n, 0n)), numbers, coded(64)), [9, null, 7]);
  const text: ArrowType = { kind: 'text', spread: 'offsets' };
  assert.deepEqual(read(text, { kind: 'utf8' }, body(2, false, Int16Array.of(1, 0)), columnOf('utf8', ['a', null]), coded(16)), [null, 'a']);
  assert.deepEqual(
    read(
      text,
      { kind: 'utf8' },
      { ...body(2, true, Int32Array.of(0, 0)), node: () => ({ rows: 2, nulls: 2 }), buffer: emptyThen(8) },
      null,
      coded(32),
    ),
    [null, null],
  );
  assert.throws(
    () => read(text, { kind: 'utf8' }, body(1, false, Int32Array.of(2)), columnOf('utf8', ['a', 'b']), coded(32)),
    /code 2 of a dictionary of 2/,
  );
  assert.throws(() => read(text, { kind: 'utf8' }, body(1, false, Int32Array.of(0)), null, coded(32)), /dictionary of 0/);
  assert.throws(() => read(text, { kind: 'utf8' }, body(1, false, BigInt64Array.of(2n ** 32n)), columnOf('utf8', ['a']), coded(64)), /code -1/);
});

/** Validity without a bit, then so many zeros. */
function emptyThen(bytes: number): () => Uint8Array {
  let first = true;
  return () => {
    const given = new Uint8Array(first ? 1 : bytes);
    first = false;
    return given;
  };
}

test('text: offsets that begin later, of 64 bits, views; what is no UTF-8 or points outside is refused', () => {
  const text = (spread: 'offsets' | 'long offsets' | 'views'): ArrowType => ({ kind: 'text', spread });
  const utf8: ColumnType = { kind: 'utf8' };
  const bytes = Buffer.from('??abc');
  assert.deepEqual(read(text('offsets'), utf8, body(2, false, Int32Array.of(2, 3, 5), bytes)), ['a', 'bc']);
  assert.deepEqual(read(text('long offsets'), utf8, body(2, false, BigInt64Array.of(2n, 3n, 5n), bytes)), ['a', 'bc']);
  assert.throws(() => read(text('long offsets'), utf8, body(1, false, BigInt64Array.of(0n, 2n ** 40n), bytes)), /in one column of a record batch/);
  assert.throws(() => read(text('offsets'), utf8, body(2, false, Int32Array.of(0, 3, 2), bytes)), /less than the one before/);
  assert.throws(() => read(text('offsets'), utf8, body(1, false, Int32Array.of(0, 6), bytes)), /reach to 6 of 5/);
  assert.throws(() => read(text('offsets'), utf8, body(1, false, Int32Array.of(0, 1), Uint8Array.of(0xff))), /UTF-8/);
  assert.throws(() => read(text('offsets'), utf8, body(2, false, Int32Array.of(0, 1, 2), Buffer.from('ä'))), /UTF-8/);
  const view = (...words: readonly number[]) => Int32Array.from(words);
  const long = Buffer.from('a text of some length');
  assert.deepEqual(read(text('views'), utf8, body(2, false, view(2, 0x6261, 0, 0, 13, 0, 0, 7), long)), ['ab', 'of some lengt']);
  assert.throws(() => read(text('views'), utf8, body(1, false, view(13, 0, 1, 0), long)), /outside of its buffers/);
  assert.throws(() => read(text('views'), utf8, body(1, false, view(13, 0, 0, 9), long)), /outside of its buffers/);
  assert.throws(() => read(text('views'), utf8, body(1, false, view(-1, 0, 0, 0), long)), /more than/);
});

test('buffers that are too short are refused', () => {
  assert.throws(() => read({ kind: 'int', bits: 32, signed: true }, { kind: 'int32' }, body(2, false, Int32Array.of(1))), /has 4 bytes of 8/);
  assert.throws(() => read({ kind: 'float', bits: 64 }, { kind: 'float64' }, body(2, false, Float64Array.of(1))), /has 8 bytes of 16/);
  assert.throws(() => read({ kind: 'bool' }, { kind: 'bool' }, body(9, false, Uint8Array.of(1))), /has 1 bytes of 2/);
});

test('half floats', () => {
  const halves = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x8000);
  assert.deepEqual(read({ kind: 'float', bits: 16 }, { kind: 'float64' }, body(8, false, halves)), [
    1,
    -2,
    2 ** -24,
    65504,
    'Infinity',
    '-Infinity',
    'NaN',
    -0,
  ]);
});

test('offsets of a column without rows need not be there; the first null', () => {
  assert.deepEqual(offsetsOf('offsets', 0, new Uint8Array(0), 0), Int32Array.of(0));
  assert.equal(firstNull(columnOf('int32', [1, 2])), 2);
  assert.equal(firstNull(columnOf('int32', [1, 2], { validity: true })), 2);
  assert.equal(firstNull(columnOf('int32', [1, null, null])), 1);
});
