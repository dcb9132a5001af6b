/** Batches of given values, and random expressions over them, for the tests of this folder. */
import type fc from 'fast-check';
import type { Batch, Column, ColumnType, Schema, TypeKind } from '#runtime/batch/batch.ts';
import { highLaneOf, lowLaneOf } from '#runtime/batch/lanes.ts';
import type { Expression } from '#runtime/expression/expression.ts';
import { call, columnRef, literal } from '#runtime/expression/functions.ts';
import type { Value } from '#runtime/expression/values.ts';

export const kinds: readonly TypeKind[] = ['int32', 'integer', 'int64', 'float64', 'bool', 'utf8', 'date', 'timestamp'];

const bitmapOf = (bits: readonly boolean[]): Uint8Array => {
  const bitmap = new Uint8Array((bits.length + 7) >> 3);
  bits.forEach((bit, i) => {
    if (bit) bitmap[i >> 3]! |= 1 << (i & 7);
  });
  return bitmap;
};

function textColumn(values: readonly string[]): Column {
  const parts = values.map((value) => Buffer.from(value));
  const bytes = Buffer.concat([Buffer.from('??'), ...parts]);
  const offsets = new Int32Array(values.length + 1).fill(2);
  parts.forEach((part, i) => {
    offsets[i + 1] = offsets[i]! + part.length;
  });
  return { type: { kind: 'utf8' }, length: values.length, data: bytes, offsets, validity: null, dictionary: null };
}

/** @param options.validity  keep a bitmap even when nothing is null · `dictionary`: utf8 as codes, with an entry that nobody uses */
export function columnOf(kind: TypeKind, values: readonly Value[], options: { dictionary?: boolean; validity?: boolean } = {}): Column {
  const type: ColumnType = { kind };
  const validity = values.includes(null) || options.validity ? bitmapOf(values.map((value) => value !== null)) : null;
  const rest = { type, length: values.length, validity, offsets: null, dictionary: null };
  switch (kind) {
    case 'int32':
    case 'date':
      return { ...rest, data: Int32Array.from(values, (value) => (value ?? 77) as number) };
    case 'float64':
      return { ...rest, data: Float64Array.from(values, (value) => (value ?? 0.77) as number) };
    case 'bool':
      return { ...rest, data: bitmapOf(values.map((value) => value ?? true) as boolean[]) };
    case 'utf8': {
      if (!options.dictionary) return { ...textColumn(values.map((value) => (value ?? '') as string)), validity };
      const entries = values.every((value) => value === null) ? [] : ['zz unused', ...new Set(values.filter((value) => value !== null) as string[])];
      return {
        ...rest,
        data: Int32Array.from(values, (value) => (value === null ? 0 : entries.indexOf(value as string))),
        dictionary: textColumn(entries),
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

export const edges: Readonly<Record<TypeKind, readonly NonNullable<Value>[]>> = {
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
  ],
  date: [0, 1, -1, 9204, 19782, -719162, 2932896, 11016, -25567],
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
};

type Gen = fc.GeneratorValue;
/** `of` a list, by fast-check's generator so that failures shrink. */
export const pick = <T>(g: Gen, fcModule: typeof fc, list: readonly T[]): T => list[g(fcModule.nat, { max: list.length - 1 })]!;

/** Two columns of every kind: the second is nullable. */
export const schema: Schema = kinds.flatMap((kind) => [
  { name: `${kind}A`, type: { kind }, nullable: false },
  { name: `${kind}B`, type: { kind }, nullable: true },
]);

export function randomBatch(g: Gen, module: typeof fc, rows: number): Batch {
  const columns = schema.map((field) => {
    const { kind } = field.type;
    const few = g(module.boolean);
    const values = Array.from({ length: rows }, () => {
      if (field.nullable && g(module.nat, { max: 3 }) === 0) return null;
      return edges[kind][g(module.nat, { max: (few ? Math.min(3, edges[kind].length) : edges[kind].length) - 1 })]!;
    });
    return columnOf(kind, values, { dictionary: g(module.boolean), validity: g(module.nat, { max: 4 }) === 0 });
  });
  return { schema, length: rows, columns };
}

const of = (kind: TypeKind): ColumnType => ({ kind });
const fieldsByKind = new Map(kinds.map((kind) => [kind, schema.filter((field) => field.type.kind === kind)]));

export function randomExpression(g: Gen, module: typeof fc, kind: TypeKind, depth: number): Expression {
  const leaf = depth === 0 || g(module.nat, { max: 5 }) === 0;
  if (leaf) {
    const choice = g(module.nat, { max: 9 });
    if (choice === 0) return literal(null, of(kind));
    if (choice < 4) return literal(pick(g, module, edges[kind]), of(kind));
    return columnRef(pick(g, module, fieldsByKind.get(kind)!));
  }
  const sub = (of: TypeKind): Expression => randomExpression(g, module, of, depth - 1);
  const anyKind = (): TypeKind => pick(g, module, kinds);
  const number = (): TypeKind => pick(g, module, ['int32', 'integer', 'int64', 'float64'] as const);
  const generic: (() => Expression)[] = [
    () => call('coalesce', [sub(kind), sub(kind)]),
    () => call('when', [sub('bool'), sub(kind), sub('bool'), sub(kind), sub(kind)]),
    () => call('when', [sub('bool'), sub(kind), sub(kind)]),
    () => call('cast', [sub('utf8')], of(kind)),
    () => call('cast', [sub(castSource(g, module, kind))], of(kind)),
  ];
  const arithmetic = ['add', 'sub', 'mul', 'mod', 'neg', 'abs'].map(
    (fn) => () => call(fn, fn === 'neg' || fn === 'abs' ? [sub(kind)] : [sub(kind), sub(kind)]),
  );
  const own: Record<TypeKind, (() => Expression)[]> = {
    bool: [
      ...['eq', 'ne', 'lt', 'lte', 'gt', 'gte'].map((fn) => () => {
        const k = anyKind();
        return call(fn, [sub(k), sub(k)]);
      }),
      () => call(pick(g, module, ['eq', 'lt', 'gte']), [sub(number()), sub(number())]),
      () => call('between', [sub('date'), sub('timestamp'), sub('date')]),
      () => {
        const k = anyKind();
        return call('between', [sub(k), sub(k), sub(k)]);
      },
      () => {
        const k = anyKind();
        return call('in', [sub(k), ...Array.from({ length: g(module.nat, { max: 3 }) }, () => sub(k))]);
      },
      () => call(pick(g, module, ['isNull', 'isNotNull']), [sub(anyKind())]),
      () => call('and', [sub('bool'), sub('bool')]),
      () => call('or', [sub('bool'), sub('bool')]),
      () => call('not', [sub('bool')]),
      () => call(pick(g, module, ['startsWith', 'endsWith', 'includes']), [sub('utf8'), sub('utf8')]),
      () =>
        call('like', [
          sub('utf8'),
          literal(pick(g, module, ['', '%', 'a%', '%b', '_', '__', 'a_c', '%a%b%', '%😀%', '_😀%', '%%_', 'ab', '(', '.*', 'A%C']), of('utf8')),
        ]),
    ],
    int32: [
      ...arithmetic,
      () => call('round', [sub(kind)]),
      () => call('length', [sub('utf8')]),
      () => call(pick(g, module, ['year', 'month', 'day']), [sub(pick(g, module, ['date', 'timestamp'] as const))]),
      () => call('hour', [sub('timestamp')]),
    ],
    integer: [...arithmetic, () => call('millisSince', [sub('timestamp'), sub('timestamp')]), () => call('epochMillis', [sub('timestamp')])],
    int64: [...arithmetic, () => call('add', [sub('int64'), sub('int32')])],
    float64: [
      ...arithmetic,
      () => call('div', [sub(number()), sub(number())]),
      () => call('round', [sub(kind), literal(g(module.nat, { max: 3 }), of('int32'))]),
    ],
    utf8: [
      () => call(pick(g, module, ['lower', 'upper', 'trim']), [sub('utf8')]),
      () => call('slice', [sub('utf8'), sub('int32')]),
      () =>
        call('slice', [
          sub('utf8'),
          literal(g(module.integer, { min: -4, max: 4 }), of('int32')),
          literal(g(module.integer, { min: -4, max: 4 }), of('int32')),
        ]),
      () => call('concat', [sub('utf8'), sub('utf8')]),
    ],
    date: [
      () => call('date', [sub('timestamp')]),
      () => call('truncate', [sub('date'), literal(pick(g, module, ['year', 'quarter', 'month', 'week', 'day']), of('utf8'))]),
    ],
    timestamp: [
      () =>
        call('truncate', [
          sub('timestamp'),
          literal(pick(g, module, ['year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', 'second']), of('utf8')),
        ]),
      () => call(pick(g, module, ['plus', 'minus']), [sub('timestamp'), sub(pick(g, module, ['int32', 'integer', 'int64'] as const))]),
    ],
  };
  return pick(g, module, [...own[kind], ...own[kind], ...generic])();
}

function castSource(g: Gen, module: typeof fc, kind: TypeKind): TypeKind {
  if (kind === 'date') return 'timestamp';
  if (kind === 'timestamp') return 'date';
  if (kind === 'utf8') return pick(g, module, kinds);
  return pick(g, module, ['int32', 'integer', 'int64', 'float64', 'bool', 'utf8'] as const);
}
