import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecordBatchReader } from 'apache-arrow';
import fc from 'fast-check';
import type { Schema } from '#runtime/batch/batch.ts';
import { decodeSchema, encodeSchema } from '#runtime/batch/ipc-schema.ts';
import { typeOf } from '../expression/random.ts';
import { fieldsOf, kindArb, kinds } from './columns.ts';

const schemaArb: fc.Arbitrary<Schema> = fc.array(
  fc.record({ name: fc.string({ unit: 'grapheme' }), type: kindArb.map((kind) => typeOf(kind)), nullable: fc.boolean() }, { noNullPrototype: true }),
  { maxLength: 12 },
);

test('a schema comes back as it was', () => {
  fc.assert(
    fc.property(schemaArb, (schema) => {
      const message = encodeSchema(schema);
      assert.equal(message.length % 8, 0);
      assert.deepEqual(decodeSchema(message), schema);
    }),
  );
});

test('apache-arrow reads it', () => {
  const { schema } = RecordBatchReader.from(encodeSchema(fieldsOf(...kinds))).open();
  assert.deepEqual(
    schema.fields.map((field) => String(field.type)),
    [
      'Int32',
      'Int64',
      'Int64',
      'Float64',
      'Bool',
      'Dictionary<Int32, Utf8>',
      'Date32<DAY>',
      'Timestamp<MICROSECOND, UTC>',
      'Float64',
      'Decimal[30e+4]',
    ],
  );
  assert.equal(schema.fields[1]!.metadata.get('sluice.type'), 'integer');
  assert.equal(schema.fields[8]!.metadata.get('sluice.type'), 'decimal(9,2)');
});

test('a damaged message is FILE_CORRUPT, never another error', () => {
  const good = encodeSchema(fieldsOf(...kinds));
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, length) => {
      const bytes = good.slice(0, length);
      if (at < bytes.length) bytes[at] = byte;
      try {
        decodeSchema(bytes);
      } catch (thrown) {
        assert.equal((thrown as { code?: string }).code, 'FILE_CORRUPT', String(thrown));
      }
    }),
    { numRuns: 500 },
  );
  assert.throws(() => decodeSchema(new Uint8Array(16)), { code: 'FILE_CORRUPT' });
});

test('in a file text is plain and decimals are Decimal128; integer is told by metadata', () => {
  const { schema } = RecordBatchReader.from(encodeSchema(fieldsOf('utf8', 'decimal(9,2)', 'integer'), 'file')).open();
  assert.deepEqual(
    schema.fields.map(({ type, metadata }) => [String(type), metadata.get('sluice.type')]),
    [
      ['Utf8', undefined],
      ['Decimal[9e+2]', undefined],
      ['Int64', 'integer'],
    ],
  );
});
