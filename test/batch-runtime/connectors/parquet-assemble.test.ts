import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SchemaElement } from 'hyparquet';
import { assemble, firstLeaf, type Levels } from '#runtime/connectors/parquet-assemble.ts';
import { shapeAt } from '#runtime/connectors/parquet-shape.ts';
import { elementsOf, fileField, shred } from '#runtime/connectors/parquet-shred.ts';
import { fieldsOf, int32, list, struct } from '#runtime/schema.ts';
import { nestedBatchArb, plainValues, schemaArb } from '../batch/nested.ts';

const leafOf = ({ name, nullable }: { name: string; nullable: boolean }): SchemaElement => ({
  name,
  type: 'INT32',
  repetition_type: nullable ? 'OPTIONAL' : 'REQUIRED',
});
const words = (bytes: Uint8Array): Int32Array => Int32Array.from(bytes);

test('what was taken apart is put together again', () => {
  const given = schemaArb(3, 1).chain((schema) => nestedBatchArb(schema).map((made) => ({ schema, ...made })));
  fc.assert(
    fc.property(given, ({ schema, batch, rows }) => {
      const [field] = schema;
      const file = fileField(field!, leafOf);
      const leaves = shred(batch.columns[0]!, file).map(({ rep, def, values }): Levels => ({ rep: words(rep), def: words(def), values }));
      const shape = shapeAt(elementsOf(file), { at: 0, leaf: 0 });
      assert.equal(firstLeaf(shape), 0);
      const column = assemble(shape, field!, { path: 'f', firstRow: 0, of: (chunk) => leaves[chunk]! });
      assert.deepEqual(
        plainValues(column),
        rows.map(([value]) => value),
      );
    }),
    { numRuns: 300 },
  );
});

test('leaves that do not agree are refused', () => {
  const [field] = fieldsOf({ s: struct({ a: int32(), b: list(int32()) }) });
  const shape = shapeAt(elementsOf(fileField(field!, leafOf)), { at: 0, leaf: 0 });
  const of = (levels: readonly Levels[]) => () => assemble(shape, field!, { path: 'f', firstRow: 0, of: (chunk) => levels[chunk]! });
  const one: Levels = { rep: Int32Array.of(0), def: Int32Array.of(0), values: values(1) };
  assert.throws(of([one, { rep: Int32Array.of(0, 0), def: Int32Array.of(1, 1), values: values(2) }]), /s\.b has 2 values of 1/);
  assert.throws(of([one, { rep: Int32Array.of(0, 1), def: Int32Array.of(1, 0), values: values(2) }]), /2 items|values for/);
});

/** A column of so many numbers. */
const values = (count: number) => ({
  type: { kind: 'int32' } as const,
  length: count,
  data: new Int32Array(count),
  offsets: null,
  validity: null,
  dictionary: null,
  children: [],
});
