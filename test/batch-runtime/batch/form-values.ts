/** Values at the edges of each form, at rest, and how DuckDB has them: what the tests of forms share. */
import type { Batch } from '#runtime/batch/batch.ts';
import { typeOfForm } from '#runtime/batch/batch.ts';
import type { Form } from '#runtime/batch/forms.ts';
import { fromRows } from '#runtime/batch/rows.ts';
import { rowOfValue } from '#runtime/expression/udf.ts';
import type { Value } from '#runtime/expression/values.ts';

const nanos = [0n, -1n, 1n, 1_577_836_800_123_456_789n, -1_577_836_800_123_456_789n, 2n ** 62n];
const micros = [0n, 1_577_836_800_123_456n, -1_577_836_800_999_999n, 253_402_300_799_999_999n, -62_135_596_800_000_000n];
const to = (unit: bigint): bigint[] => micros.map((value) => value - (((value % unit) + unit) % unit));

export const formEdges: Readonly<Record<Form, readonly NonNullable<Value>[]>> = {
  int8: [0, -1, 1, -128, 127, 100],
  int16: [0, -1, 300, -32_768, 32_767],
  uint8: [0, 1, 127, 128, 255],
  uint16: [0, 1, 32_768, 65_535],
  uint32: [0, 1, 2_147_483_647, 2_147_483_648, 4_294_967_295],
  uint64: [0n, 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n],
  float32: [0, 1.5, -2.25, Math.fround(0.1), Math.fround(3.4e38), Math.fround(1e-40), 16_777_216],
  bytes: ['', 'abc', '\0\xff\x80', 'a\\b', '\xc3\xa9'],
  time: [0, 1, 43_200_000_000, 86_399_999_999, 3_723_000_500],
  'timestamp(s)': to(1_000_000n),
  'timestamp(ms)': to(1000n),
  'timestamp(ns)': nanos,
  localTimestamp: micros,
  'localTimestamp(s)': to(1_000_000n),
  'localTimestamp(ms)': to(1000n),
  'localTimestamp(ns)': nanos,
};
export const formNames = Object.keys(formEdges) as Form[];

export const sqlTypes: Readonly<Record<Form, string>> = {
  int8: 'TINYINT',
  int16: 'SMALLINT',
  uint8: 'UTINYINT',
  uint16: 'USMALLINT',
  uint32: 'UINTEGER',
  uint64: 'UBIGINT',
  float32: 'FLOAT',
  bytes: 'BLOB',
  time: 'TIME',
  'timestamp(s)': 'TIMESTAMP_S',
  'timestamp(ms)': 'TIMESTAMP_MS',
  'timestamp(ns)': 'TIMESTAMP_NS',
  localTimestamp: 'TIMESTAMP',
  'localTimestamp(s)': 'TIMESTAMP_S',
  'localTimestamp(ms)': 'TIMESTAMP_MS',
  'localTimestamp(ns)': 'TIMESTAMP_NS',
};

/** A column `v` of these values of a form and a null, numbered in `i`. */
export function formBatch(form: Form, values: readonly Value[] = [...formEdges[form], null]): Batch {
  const schema = [
    { name: 'i', type: { kind: 'int32' } as const, nullable: false },
    { name: 'v', type: typeOfForm(form), nullable: true },
  ];
  return fromRows(
    schema,
    values.map((value, i) => ({ i, v: rowOfValue(value, typeOfForm(form)) })),
  );
}
