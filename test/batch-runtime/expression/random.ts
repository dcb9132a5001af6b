/** Columns and batches of given values, the values at the edges of each kind, and random batches of them, for the tests of this folder. */
import type fc from 'fast-check';
import { type Batch, type Column, type ColumnType, columnTypeText, formOf, type Schema, type SimpleKind, typeOfForm } from '#runtime/batch/batch.ts';
import { narrowDigits, putWide } from '#runtime/batch/decimal.ts';
import { type Form, forms } from '#runtime/batch/forms.ts';
import { highLaneOf, lowLaneOf } from '#runtime/batch/lanes.ts';
import type { Value } from '#runtime/expression/values.ts';
import { formEdges } from '../batch/form-values.ts';

/** A type by its name; of decimals those of both layouts. */
export type PlainName = SimpleKind | 'decimal(9,2)' | 'decimal(30,4)';
export type TypeName = PlainName | Form;
export const typeOf = (name: TypeName): ColumnType =>
  name === 'decimal(9,2)'
    ? { kind: 'decimal', precision: 9, scale: 2 }
    : name === 'decimal(30,4)'
      ? { kind: 'decimal', precision: 30, scale: 4 }
      : isForm(name)
        ? typeOfForm(name)
        : { kind: name };
const isForm = (name: TypeName): name is Form => Object.hasOwn(forms, name);

export const kinds: readonly PlainName[] = [
  'int32',
  'integer',
  'int64',
  'float64',
  'bool',
  'utf8',
  'date',
  'timestamp',
  'decimal(9,2)',
  'decimal(30,4)',
];

const bitmapOf = (bits: readonly boolean[]): Uint8Array => {
  const bitmap = new Uint8Array((bits.length + 7) >> 3);
  bits.forEach((bit, i) => {
    if (bit) bitmap[i >> 3]! |= 1 << (i & 7);
  });
  return bitmap;
};

function textColumn(type: ColumnType, values: readonly string[]): Column {
  // Bytes: a character for each.
  const parts = values.map((value) => Buffer.from(value, formOf(type) === 'bytes' ? 'latin1' : 'utf8'));
  const bytes = Buffer.concat([Buffer.from('??'), ...parts]);
  const offsets = new Int32Array(values.length + 1).fill(2);
  parts.forEach((part, i) => {
    offsets[i + 1] = offsets[i]! + part.length;
  });
  return { type, length: values.length, data: bytes, offsets, validity: null, dictionary: null, children: [] };
}

/** The other way. */
export const nameOf = (type: ColumnType): TypeName => columnTypeText(type) as TypeName;

/** @param options.validity  keep a bitmap even when nothing is null · `dictionary`: utf8 as codes, with an entry that nobody uses */
export function columnOf(kind: TypeName, values: readonly Value[], options: { dictionary?: boolean; validity?: boolean } = {}): Column {
  const type = typeOf(kind);
  const validity = values.includes(null) || options.validity ? bitmapOf(values.map((value) => value !== null)) : null;
  const rest = { type, length: values.length, validity, offsets: null, dictionary: null, children: [] };
  switch (type.kind) {
    case 'int32':
    case 'date':
      return { ...rest, data: Int32Array.from(values, (value) => (value ?? 77) as number) };
    case 'float64':
      return { ...rest, data: Float64Array.from(values, (value) => (value ?? 0.77) as number) };
    case 'decimal': {
      if (type.precision <= narrowDigits) return { ...rest, data: Float64Array.from(values, (value) => Number(value ?? 77)) };
      const data = new Int32Array(4 * values.length);
      values.forEach((value, i) => {
        putWide(data, i, (value ?? 77n) as bigint);
      });
      return { ...rest, data };
    }
    case 'bool':
      return { ...rest, data: bitmapOf(values.map((value) => value ?? true) as boolean[]) };
    case 'utf8': {
      if (!options.dictionary)
        return {
          ...textColumn(
            type,
            values.map((value) => (value ?? '') as string),
          ),
          validity,
        };
      const entries = values.every((value) => value === null) ? [] : ['zz unused', ...new Set(values.filter((value) => value !== null) as string[])];
      return {
        ...rest,
        data: Int32Array.from(values, (value) => (value === null ? 0 : entries.indexOf(value as string))),
        dictionary: textColumn(type, entries),
      };
    }
    default: {
      const data = new Int32Array(2 * values.length);
      values.forEach((value, i) => {
        data[2 * i] = lowLaneOf(BigInt(value ?? 77));
        data[2 * i + 1] = highLaneOf(BigInt(value ?? 77));
      });
      return { ...rest, data };
    }
  }
}

export const edges: Readonly<Record<TypeName, readonly NonNullable<Value>[]>> = {
  int32: [0, 1, -1, 2, 3, 7, 15, -100, 2147483647, -2147483648, 2147483646, 46341],
  integer: [0, 1, -1, 2, 10, 4294967296, -4294967297, 2147483648, 9007199254740991, -9007199254740991, 9007199254740990],
  int64: [
    0n,
    1n,
    -1n,
    3n,
    -4294967296n,
    4294967295n,
    9007199254740993n,
    -9007199254740993n,
    9223372036854775807n,
    -9223372036854775808n,
    3037000500n,
  ],
  float64: [
    0,
    -0,
    1,
    -1,
    0.5,
    1.5,
    2.5,
    -2.5,
    2.345,
    1e-7,
    123456789.125,
    1e16,
    -1e300,
    2147483647.5,
    9007199254740992,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ],
  bool: [true, false],
  utf8: [
    '',
    'a',
    'A',
    'abc',
    'aBc',
    ' b ',
    '\u00a0é\u3000',
    'ÀÉß',
    '😀',
    'z😀e\u0301',
    '12',
    ' -7 ',
    '1.5',
    '1e3',
    'nan',
    'true',
    'F',
    '1995-03-15',
    '2024-02-29 23:59:59.5',
    '%',
    'a%b',
    'ab',
    '９',
    'x'.repeat(40),
    '{"a":{"b":[1,"x\\né",null]},"x.y":true}',
    '[{"c" : [-0.5, {}]}, 2] ',
    '{"a":[]}x',
  ],
  date: [0, 1, -1, 9204, 19782, -719162, 2932896, 11016, -25567],
  'decimal(9,2)': [0n, 1n, -1n, 100n, 50n, -50n, 1250n, 999999999n, -999999999n, 123456n],
  'decimal(30,4)': [
    0n,
    1n,
    -1n,
    10000n,
    5000n,
    -5000n,
    90071992547409920n,
    -90071992547409930n,
    10n ** 30n - 1n,
    -(10n ** 30n) + 1n,
    2n ** 64n,
    -(2n ** 95n),
  ],
  timestamp: [
    0n,
    1n,
    -1n,
    999n,
    -1500n,
    795262210000001n,
    -2208988800000000n,
    4102444799999999n,
    253402300799999999n,
    9223372036854775n,
    -86400000000n,
  ],
  ...formEdges,
};

export type Gen = fc.GeneratorValue;
/** `of` a list, by fast-check's generator so that failures shrink. */
export const pick = <T>(g: Gen, fcModule: typeof fc, list: readonly T[]): T => list[g(fcModule.nat, { max: list.length - 1 })]!;

/** Two columns of every kind: the second is nullable. */
export const schema: Schema = kinds.flatMap((kind) => [
  { name: `${kind}A`, type: typeOf(kind), nullable: false },
  { name: `${kind}B`, type: typeOf(kind), nullable: true },
]);

export function randomBatch(g: Gen, module: typeof fc, rows: number): Batch {
  const columns = schema.map((field) => {
    const kind = nameOf(field.type);
    const few = g(module.boolean);
    const values = Array.from({ length: rows }, () => {
      if (field.nullable && g(module.nat, { max: 3 }) === 0) return null;
      return edges[kind][g(module.nat, { max: (few ? Math.min(3, edges[kind].length) : edges[kind].length) - 1 })]!;
    });
    return columnOf(kind, values, { dictionary: g(module.boolean), validity: g(module.nat, { max: 4 }) === 0 });
  });
  return { schema, length: rows, columns };
}
