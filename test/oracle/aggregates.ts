/** Random aggregates and window functions over the columns of a table: what they are, and what is known of what they give. */
import { decimals, isDecimal } from './carried.ts';
import type { AggregateName, AggregateSpec, Expr, Frame, Key, RankingName } from './case.ts';
import { computed, condition, literalBeside } from './expressions.ts';
import { type Column, columnExpr, isNumeric, isWhole, plain } from './known.ts';
import { exactOf, log2, type Making, namesOf, type Table, unordered } from './making.ts';

export interface Made {
  readonly spec: AggregateSpec;
  readonly column: Column;
}

const means: readonly AggregateName[] = ['avg', 'median', 'quantile', 'variance', 'variancePop', 'stddev', 'stddevPop'];
const shares = [0, 0.1, 0.25, 0.5, 0.667, 0.9, 1];
const often = ['count', 'count', 'sum', 'sum', 'avg', 'min', 'max'] as const;
const seldom = ['first', 'last', 'quantile', 'variance', 'variancePop', 'stddev'] as const;
/** Digits of a decimal that is summed, in bits. */
const sumBits = 126;

/** @param wanted  null: any */
export function aggregateOf({ dice, newName }: Making, from: Table, wanted: AggregateName | null): Made | null {
  const name = newName();
  const filter = dice.chance(25) ? condition(dice, from.columns, 1).expr : null;
  const open = exactOf(from);
  const growth = log2(from.rows) + 3;
  const summable = open.filter(({ kind, bits, grain }) =>
    isDecimal(kind)
      ? bits + growth <= sumBits
      : isNumeric(kind) && (isWhole(kind) || grain === 'grid') && bits + growth <= (kind === 'int64' ? 62 : 52),
  );
  const fn = wanted ?? dice.pick(dice.chance(80) ? often : seldom);
  const base = { ...plain, name, rowsPerValue: from.rows, values: from.rows };
  if (fn === 'count' || fn === 'countDistinct') {
    const arg = open.length > 0 && (fn === 'countDistinct' || dice.chance(40)) ? columnExpr(dice.pick(open)).expr : null;
    if (fn === 'countDistinct' && arg === null) return null;
    return { spec: { name, fn, arg, filter }, column: { ...base, kind: 'integer', bits: growth, low: 0, high: Math.min(from.rows, 50) } };
  }
  if (fn === 'first' || fn === 'last') {
    // Rows that are equal in the key have the same value: it is computed from the key. Zeros of both signs are equal and not the same.
    const keys = open.filter(({ grain }) => grain === 'grid');
    if (keys.length === 0) return null;
    const key = dice.pick(keys);
    const { expr, ...known } = computed(dice, [key]);
    const column: Column = { ...base, ...known, name, rowsPerValue: from.rows, values: from.rows, nullable: true };
    return { spec: { name, fn, arg: expr, filter, by: columnExpr(key).expr }, column };
  }
  const candidates = fn === 'min' || fn === 'max' ? open.filter(({ kind }) => kind !== 'bool') : summable;
  if (candidates.length === 0) return null;
  const { name: of, ...known } = dice.pick(candidates);
  const spec: AggregateSpec = { name, fn, arg: { op: 'column', name: of, kind: known.kind }, filter };
  const nullable = true;
  if (means.includes(fn)) {
    const option = fn === 'quantile' ? { option: dice.pick(shares) } : {};
    return { spec: { ...spec, ...option }, column: { ...base, kind: 'float64', nullable, grain: 'inexact' } };
  }
  if (fn === 'sum') {
    const kind = isDecimal(known.kind) ? decimals[known.kind].sum : known.kind === 'int32' ? 'integer' : known.kind;
    return { spec, column: { ...base, ...known, kind, nullable, bits: known.bits + growth, values: from.rows } };
  }
  return { spec, column: { ...base, ...known, name, nullable, rowsPerValue: from.rows } };
}

const distances = [-7, -2, -1, 0, 1, 3];
function bounds({ dice }: Making): readonly [number | null, number | null] {
  const [a, b] = [dice.pick(distances), dice.pick(distances)].sort((x, y) => x - y) as [number, number];
  return [dice.chance(25) ? null : a, dice.chance(25) ? null : b];
}
/** int64 has none. */
const hasDistances = ({ kind, grain }: Column): boolean => isNumeric(kind) && kind !== 'int64' && grain === 'grid';
/** A frame of rows tells equal rows apart; one of distances has one number as its key. */
function frameOf(making: Making, keys: readonly Column[], isTotal: boolean): Frame | null {
  if (isTotal && keys.length > 0) return { unit: 'rows', bounds: bounds(making) };
  if (keys.length !== 1 || !hasDistances(keys[0]!)) return null;
  return { unit: 'range', bounds: bounds(making) };
}

/** Columns from the rows of a window. @param framed  aggregates have frames, where there can be any */
export function window(making: Making, from: Table, framed: boolean): Table | null {
  const { dice } = making;
  const open = exactOf(from);
  if (open.length === 0) return null;
  const partitionBy = namesOf(dice.some(open, dice.below(3)));
  // Rows that are equal in the order are told apart by nothing, so only a total order may ask for places.
  const isTotal = open.length === from.columns.length && dice.chance(50);
  const near = framed ? open.filter(hasDistances) : [];
  const keys = isTotal ? dice.shuffled(open) : near.length > 0 ? [dice.pick(near)] : dice.some(open, dice.below(3));
  const orderBy = keys.map(({ name }): Key => ({ name, descending: dice.chance(40) }));
  const made = Array.from({ length: dice.between(framed ? 2 : 1, 4) }, () => functionOf(making, from, keys, isTotal, framed)).flatMap(
    (each) => each ?? [],
  );
  if (made.length === 0) return null;
  return making.add({ op: 'window', input: from.step, partitionBy, orderBy, functions: made.map(({ spec }) => spec) }, from, {
    columns: [...from.columns, ...made.map(({ column }) => column)],
    ...unordered,
  });
}

const aggregated = ['count', 'sum', 'avg', 'min', 'max'] as const;
/** Many values of a frame that grows are worked out anew for each row. */
const anew = ['countDistinct', 'median', 'stddevPop', 'variance'] as const;
const rowsAnew = 1000;
const ranked = ['rank', 'denseRank', 'percentRank', 'cumeDist'] as const;
const placed = ['rowNumber', 'ntile', 'lag', 'lead', 'first', 'last'] as const;

function functionOf(making: Making, from: Table, keys: readonly Column[], isTotal: boolean, framed: boolean): Made | null {
  const { dice, newName } = making;
  const more = framed ? (isTotal ? (['first', 'last'] as const) : []) : [...ranked, ...(isTotal ? placed : [])];
  const fn = dice.pick<AggregateName | RankingName>([...aggregated, ...(from.rows <= rowsAnew ? anew : []), ...more]);
  const frame = framed ? frameOf(making, keys, isTotal) : null;
  const name = newName();
  const base: Column = { ...plain, name, rowsPerValue: 1, values: from.rows, kind: 'integer', bits: log2(from.rows), low: 1, high: 50 };
  switch (fn) {
    case 'rank':
    case 'denseRank':
    case 'rowNumber':
      return { spec: { name, fn, arg: null, filter: null }, column: base };
    case 'ntile':
      return { spec: { name, fn, arg: null, filter: null, option: dice.pick([1, 2, 7, 100]) }, column: base };
    case 'percentRank':
    case 'cumeDist':
      return { spec: { name, fn, arg: null, filter: null }, column: { ...base, kind: 'float64', grain: 'inexact' } };
    case 'lag':
    case 'lead':
    case 'first':
    case 'last': {
      const of = dice.pick(exactOf(from));
      const isShift = fn === 'lag' || fn === 'lead';
      const beyond = isShift && dice.chance(40) ? literalBeside(dice, of) : null;
      const by: { by?: Expr } = beyond?.op === 'literal' && beyond.value !== null ? { by: beyond } : {};
      const option = isShift ? { option: dice.pick([0, 1, 1, 2, 5]) } : {};
      const spec: AggregateSpec = {
        name,
        fn,
        arg: columnExpr(of).expr,
        filter: null,
        ...option,
        ...by,
        ...(isShift || frame === null ? {} : { frame }),
      };
      return { spec, column: { ...of, name, nullable: true } };
    }
    default: {
      const made = aggregateOf(making, from, fn);
      return made === null || frame === null ? made : { spec: { ...made.spec, frame }, column: { ...made.column, nullable: true } };
    }
  }
}

/** The first rows of each partition; those of one place together, where the order is not total. */
export function topGroups({ dice, add }: Making, from: Table): Table | null {
  const open = exactOf(from);
  if (open.length === 0) return null;
  const isTotal = open.length === from.columns.length && dice.chance(60);
  const keys = isTotal ? dice.shuffled(open) : dice.some(open, dice.between(1, 2));
  const fn = isTotal ? 'rowNumber' : dice.pick(['rank', 'denseRank'] as const);
  const orderBy = keys.map(({ name }): Key => ({ name, descending: dice.chance(40) }));
  const partitionBy = namesOf(dice.some(open, dice.below(3)));
  return add({ op: 'topGroups', input: from.step, fn, partitionBy, orderBy, count: dice.pick([1, 2, 3, 10, 100]) }, from, { ...unordered });
}

/** Sets of keys, and their subtotals. */
export function subtotals(making: Making, from: Table): Table | null {
  const { dice, newName, add } = making;
  const keys = dice.some(exactOf(from), dice.between(1, 3));
  if (keys.length === 0 || from.rows > 20_000) return null;
  const made = [aggregateOf(making, from, 'count')!, ...[aggregateOf(making, from, null)].flatMap((each) => each ?? [])];
  const id = newName();
  const verb = dice.pick(['rollup', 'cube', 'groupingSets'] as const);
  const drawn = Array.from({ length: dice.between(1, 3) }, () => namesOf(dice.some(keys, dice.below(keys.length + 1))));
  // A key that is in none of them is no key to DuckDB.
  const others = namesOf(keys).filter((name) => !drawn.flat().includes(name));
  const sets = verb !== 'groupingSets' ? [] : others.length === 0 ? drawn : [...drawn, others];
  const column: Column = { ...plain, name: id, kind: 'int32', bits: 4, low: 0, high: 7, rowsPerValue: from.rows, values: 8 };
  const columns = [...keys.map((key) => ({ ...key, nullable: true, rowsPerValue: from.rows })), column, ...made.map((each) => each.column)];
  const step = { op: 'subtotals', input: from.step, verb, sets, keys: namesOf(keys), id, aggregates: made.map(({ spec }) => spec) } as const;
  return add(step, from, { columns, rows: from.rows * (verb === 'cube' ? 2 ** keys.length : 4), ...unordered });
}

/** Values of a column as columns. */
export function pivot(making: Making, from: Table): Table | null {
  const { dice, newName, add } = making;
  const open = exactOf(from);
  const candidates = open.filter(({ kind }) => kind === 'utf8' || kind === 'int32' || kind === 'integer' || kind === 'bool');
  if (candidates.length === 0) return null;
  const key = dice.pick(candidates);
  const keys = dice.some(
    open.filter(({ name }) => name !== key.name),
    dice.between(1, 2),
  );
  if (keys.length === 0) return null;
  const values = [
    ...new Set(
      Array.from({ length: dice.between(1, 4) }, () => literalBeside(dice, key)).map((each) => (each as { value: string | number | boolean }).value),
    ),
  ].filter((value) => !namesOf(keys).includes(String(value)));
  if (values.length === 0) return null;
  const made = aggregateOf(making, from, null) ?? aggregateOf(making, from, 'count')!;
  const names = values.map(() => newName());
  const isCount = made.spec.fn === 'count' || made.spec.fn === 'countDistinct';
  const columns = [...keys, ...names.map((name) => ({ ...made.column, name, nullable: !isCount }))];
  return add({ op: 'pivot', input: from.step, keys: namesOf(keys), key: key.name, values, names, aggregate: made.spec }, from, {
    columns: columns.map((column) => ({ ...column, rowsPerValue: from.rows })),
    ...unordered,
  });
}

/** What stands beside the count and the quantile of a sketch: the exact ones, and how near they are to each other. */
export function approximate({ dice, newName, add }: Making, from: Table): Table | null {
  const open = exactOf(from);
  const numbers = open.filter(({ kind, grain }) => isNumeric(kind) && grain === 'grid');
  if (numbers.length === 0) return null;
  const keys = dice.some(open, dice.below(2));
  const [exact, nearCount, nearQuantile] = [newName(), newName(), newName()];
  const flag = (name: string): Column => ({ ...plain, name, kind: 'bool', high: 1, rowsPerValue: from.rows, values: 1 });
  const count: Column = { ...plain, name: exact, kind: 'integer', bits: log2(from.rows), high: 50, rowsPerValue: from.rows, values: from.rows };
  const step = {
    op: 'approximate',
    input: from.step,
    keys: namesOf(keys),
    column: dice.pick(open).name,
    number: dice.pick(numbers).name,
    share: dice.pick(shares),
    made: { exact, nearCount, nearQuantile },
  } as const;
  return add(step, from, {
    columns: [...keys.map((key) => ({ ...key, rowsPerValue: 1 })), count, flag(nearCount), flag(nearQuantile)],
    rows: keys.length === 0 ? 1 : from.rows,
    ...unordered,
  });
}

/** What depends on the order of rows, after a sort by all columns. */
export function inOrder({ dice, newName, add, sorted }: Making, given: Table): Table | null {
  const from = sorted(given);
  if (from === null || from.columns.length < 2) return null;
  const keys = dice.some(from.columns, dice.between(1, 2));
  const of = dice.pick(from.columns);
  const text = dice.pick([null, ...from.columns.filter(({ kind }) => kind === 'utf8')])?.name ?? null;
  const [first, last, one, length, joined] = [newName(), newName(), newName(), newName(), newName()];
  const columns: Column[] = [
    ...keys,
    ...[first, last, one].map((name) => ({ ...of, name, nullable: true })),
    ...(text === null
      ? []
      : [{ ...plain, name: joined, kind: 'utf8', nullable: true, words: ['a', ''], rowsPerValue: 1, values: from.rows } as const]),
    { ...plain, name: length, kind: 'int32', bits: log2(from.rows), low: 1, high: 50, rowsPerValue: from.rows, values: from.rows },
  ];
  const step = {
    op: 'inOrder',
    input: from.step,
    keys: namesOf(keys),
    column: of.name,
    text,
    separator: dice.pick(['', ',', ' é ']),
    at: dice.pick([0, 1, 2, -1, -2]),
    made: { first, last, one, length, joined },
  } as const;
  return add(step, from, { columns: columns.map((column) => ({ ...column, rowsPerValue: from.rows })), ...unordered });
}

/** All different rows, or the first of each set of values after a sort by all columns. */
export function distinct({ dice, add, sorted }: Making, given: Table): Table | null {
  const exact = exactOf(given);
  if (dice.chance(40) && exact.length === given.columns.length) return add({ op: 'distinct', input: given.step, names: [] }, given, { ...unordered });
  const from = sorted(given);
  if (from === null) return null;
  const keys = dice.some(from.columns, dice.between(1, 2));
  return add({ op: 'distinct', input: from.step, names: namesOf(keys) }, from, { ...unordered });
}

/** A sample and the rest of it: by a key that is never null, which a join finds again; or of the different rows. */
export function sample({ dice, add }: Making, from: Table): Table | null {
  const exact = exactOf(from);
  const keys = exact.filter(({ nullable }) => !nullable);
  const key = keys.length > 0 && dice.chance(60) ? dice.pick(keys) : null;
  if (key === null && exact.length < from.columns.length) return null;
  const [fraction, seed] = [dice.pick([0, 0.01, 0.3, 0.5, 0.99, 1]), dice.below(5)];
  return add({ op: 'sample', input: from.step, by: key?.name ?? null, fraction, seed }, from, { ...unordered });
}
