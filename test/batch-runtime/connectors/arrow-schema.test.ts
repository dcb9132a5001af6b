import assert from 'node:assert/strict';
import { test } from 'node:test';
import { typeOfForm } from '#runtime/batch/batch.ts';
import { openRoot, type TableValue, type Value, writeRoot } from '#runtime/batch/flatbuffer.ts';
import { schemaTable } from '#runtime/batch/ipc-schema.ts';
import { type ArrowField, type ArrowType, declaredType, foundText, readFields, readsAs } from '#runtime/connectors/arrow-schema.ts';
import { fieldsOf, kinds, typeOf } from '../batch/columns.ts';

const read = (schema: TableValue): ArrowField[] => readFields(openRoot(writeRoot(schema)));
const field = (type: ArrowType, noted = ''): ArrowField => ({ name: 'c', nullable: true, type, dictionary: null, children: [], noted });
const int = (bits: number, signed = true): ArrowField => field({ kind: 'int', bits, signed });

test('the fields of a schema of ours are read as declared, and only as what they are', () => {
  const fields = read(schemaTable(fieldsOf(...kinds), 'file'));
  for (const [c, found] of fields.entries()) {
    const type = typeOf(kinds[c]!);
    assert.deepEqual(declaredType(found), type);
    assert.equal(foundText(found), kinds[c]);
    const wholes = ['integer', 'int64'];
    for (const other of kinds) {
      const wide = wholes.includes(other) && [...wholes, 'int32'].includes(kinds[c]!);
      assert.equal(readsAs(found, typeOf(other)), other === kinds[c] || wide, `${kinds[c]} as ${other}`);
    }
  }
});

test('types that are not ours: what they are read as, and what is said of them', () => {
  assert.deepEqual([int(8), int(16), int(32), int(64), int(8, false), int(16, false), int(32, false), int(64, false)].map(declaredType), [
    ...(['int8', 'int16'] as const).map(typeOfForm),
    { kind: 'int32' },
    { kind: 'int64' },
    ...(['uint8', 'uint16', 'uint32', 'uint64'] as const).map(typeOfForm),
  ]);
  assert.equal(readsAs(int(8), { kind: 'int32' }), true);
  assert.equal(readsAs(int(16), typeOfForm('int8')), false);
  assert.equal(readsAs(int(8, false), typeOfForm('int16')), true);
  assert.equal(readsAs(int(8, false), typeOfForm('int8')), false);
  assert.equal(readsAs(int(32, false), { kind: 'int32' }), false);
  assert.equal(readsAs(int(32, false), { kind: 'integer' }), true);
  assert.equal(foundText(int(16, false)), 'uint16');
  const decimal = (bits: number, precision: number, scale: number) => field({ kind: 'decimal', bits, precision, scale });
  assert.equal(readsAs(decimal(256, 20, 2), { kind: 'decimal', precision: 20, scale: 2 }), false);
  assert.equal(declaredType(decimal(128, 5, -2)), null);
  assert.deepEqual(declaredType(field({ kind: 'null' })), { kind: 'utf8' });
  assert.equal(declaredType(field({ kind: 'other', name: 'map', buffers: 2 })), null);
  assert.equal(foundText(field({ kind: 'other', name: 'map', buffers: 2 })), 'map');
});

const plain = (value: number): Value => ({ kind: 'short', value });
const column = (tag: number, type: TableValue, children: readonly TableValue[] = []): TableValue => [
  { kind: 'text', value: 'c' },
  { kind: 'byte', value: 1 },
  { kind: 'byte', value: tag },
  { kind: 'table', value: type },
  null,
  { kind: 'tables', value: children },
];
const schemaOf = (...fields: readonly TableValue[]): TableValue => [plain(0), { kind: 'tables', value: fields }];

test('what a writer leaves out is what Arrow says it is then', () => {
  const types = read(
    schemaOf(
      column(7, [
        { kind: 'int', value: 9 },
        { kind: 'int', value: 2 },
      ]),
      column(8, []),
      column(10, []),
      column(3, []),
    ),
  ).map(({ type }) => type);
  assert.deepEqual(types, [
    { kind: 'decimal', bits: 128, precision: 9, scale: 2 },
    { kind: 'date', unit: 'millis' },
    { kind: 'timestamp', unit: 'seconds', hasZone: false },
    { kind: 'float', bits: 16 },
  ]);
});

test('big-endian files, unknown types and endless nesting are refused', () => {
  assert.throws(() => read([plain(1), { kind: 'tables', value: [] }]), /big-endian/);
  assert.throws(() => read(schemaOf(column(99, []))), /type of number 99/);
  let deep = column(6, []);
  for (let i = 0; i < 70; i++) deep = column(12, [], [deep]);
  assert.throws(() => read(schemaOf(deep)), /nested deeper/);
});
