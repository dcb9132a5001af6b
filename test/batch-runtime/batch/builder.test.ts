import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ColumnBuilder, createBatchBuilder } from '#runtime/batch/builder.ts';
import { nullCount } from '#runtime/batch/column.ts';
import type { Value } from '#runtime/expression/values.ts';
import { type TypeName, typeOf } from '../expression/random.ts';
import { fieldsOf, kindArb, valuesArb, valuesOf } from './columns.ts';

function append(builder: ColumnBuilder, kind: TypeName, value: Value, asBytes: boolean): void {
  if (value === null) builder.appendNull();
  else if (kind === 'int32' || kind === 'date') builder.appendWord(value as number);
  else if (kind === 'float64') builder.appendDouble(value as number);
  else if (kind === 'bool') builder.appendBool(value as boolean);
  else if (kind === 'integer') builder.appendInteger(value as number);
  else if (kind.startsWith('decimal')) builder.appendDecimal(value as bigint);
  else if (kind !== 'utf8') builder.appendBigInt(value as bigint);
  else if (asBytes) {
    const bytes = Buffer.from(`<${value as string}>`);
    builder.appendBytes(bytes, 1, bytes.length - 1);
  } else builder.appendText(value as string);
}

test('a column has what was appended, and the builder starts anew', () => {
  fc.assert(
    fc.property(
      kindArb.chain((kind) => fc.tuple(fc.constant(kind), fc.array(valuesArb(kind, { maxLength: 40 }), { maxLength: 3 }))),
      fc.constantFrom(0, 1, 2, 1024),
      fc.boolean(),
      ([kind, columns], capacity, asBytes) => {
        const builder = new ColumnBuilder(typeOf(kind), capacity);
        const made = columns.map((values) => {
          for (const value of values) append(builder, kind, value, asBytes);
          assert.equal(builder.length, values.length);
          return builder.finish();
        });
        // Only now: a column must not change when the builder goes on.
        made.forEach((column, k) => {
          assert.deepEqual(valuesOf(column), columns[k]);
          if (!columns[k]!.includes(null)) assert.equal(column.validity, null);
        });
      },
    ),
  );
});

test('text that repeats gets a dictionary, text that does not loses it', () => {
  const builder = new ColumnBuilder({ kind: 'utf8' });
  const repeated = Array.from({ length: 5000 }, (_, i) => (i % 10 === 0 ? null : `value ${i % 7}`));
  for (const value of repeated) append(builder, 'utf8', value, false);
  const few = builder.finish();
  assert.equal(few.dictionary?.length, 7);
  assert.deepEqual(valuesOf(few), repeated);
  const distinct = Array.from({ length: 5000 }, (_, i) => (i === 3 ? null : `${i}`.repeat(1 + (i % 3))));
  for (const value of distinct) append(builder, 'utf8', value, false);
  const many = builder.finish();
  assert.equal(many.dictionary, null);
  assert.deepEqual(valuesOf(many), distinct);
});

test('nulls alone need no dictionary entry', () => {
  const builder = new ColumnBuilder({ kind: 'utf8' });
  builder.appendNull();
  builder.appendNull();
  const column = builder.finish();
  assert.equal(nullCount(column), 2);
  assert.deepEqual(valuesOf(column), [null, null]);
});

test('lanes are taken as they stand', () => {
  const builder = new ColumnBuilder({ kind: 'int64' });
  builder.appendLanes(-1, 0);
  assert.deepEqual(valuesOf(builder.finish()), [4294967295n]);
});

test('lone surrogates become U+FFFD', () => {
  const builder = new ColumnBuilder({ kind: 'utf8' });
  builder.appendText('a\ud800b');
  assert.deepEqual(valuesOf(builder.finish()), ['a\ufffdb']);
});

test('a builder that is used again and again does not grow', () => {
  const builder = new ColumnBuilder({ kind: 'utf8' });
  const bytes = Buffer.from('some text');
  let held = 0;
  for (let batch = 0; batch < 12; batch++) {
    for (let i = 0; i < 100; i++) builder.appendBytes(bytes, 0, bytes.length);
    held = builder.finish().data.buffer.byteLength;
  }
  assert(held <= 16_384, `${held} bytes for 900`);
});

test('what does not fit is VALUE_OUT_OF_RANGE', () => {
  const refused = (kind: TypeName, appendTo: (builder: ColumnBuilder) => void): void =>
    assert.throws(() => appendTo(new ColumnBuilder(typeOf(kind))), { code: 'VALUE_OUT_OF_RANGE' });
  for (const value of [2 ** 31, -(2 ** 31) - 1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) refused('int32', (b) => b.appendWord(value));
  for (const value of [2 ** 53, -(2 ** 53), 0.5, Number.NaN]) refused('integer', (b) => b.appendInteger(value));
  for (const value of [2n ** 53n, -(2n ** 53n)]) refused('integer', (b) => b.appendBigInt(value));
  for (const value of [2n ** 63n, -(2n ** 63n) - 1n]) refused('int64', (b) => b.appendBigInt(value));
});

test('columns of a batch have one length', () => {
  const builder = createBatchBuilder(fieldsOf('int32', 'utf8'));
  builder.columns[0]!.appendWord(1);
  assert.throws(() => builder.finish(), { code: 'INTERNAL' });
  const again = createBatchBuilder(fieldsOf('int32', 'utf8'));
  again.columns[0]!.appendWord(1);
  again.columns[1]!.appendText('x');
  const batch = again.finish();
  assert.equal(batch.length, 1);
  assert.deepEqual(batch.columns.map(valuesOf), [[1], ['x']]);
});
