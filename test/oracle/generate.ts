/**
 * Makes the cases of a seed. Every 50 share out one deck of duties, so that each operator occurs often enough whatever
 * the seed is; all else is chance. A case is a function of (seed, number, attempt) alone: it can be made again by itself.
 */
import type { JoinKind } from '#runtime/graph/plan.ts';
import * as aggregates from './aggregates.ts';
import { aggregateOf } from './aggregates.ts';
import { carried, carriedKinds, decimals, isCarried, isDecimal } from './carried.ts';
import type {
  AggregateName,
  Case,
  ComputedKind,
  Key,
  Kind,
  Named,
  NestedSource,
  OutColumn,
  Output,
  SourceColumn,
  SourceTable,
  Step,
} from './case.ts';
import { Dice } from './dice.ts';
import { computed, condition } from './expressions.ts';
import { ofTable } from './functions.ts';
import { pairCondition } from './joins.ts';
import { type Column, isWhole, plain } from './known.ts';
import { exactOf, log2, type Making, mostRows, type Table } from './making.ts';
import { carries, nestedSource } from './nested.ts';
import { rows as rowFunctions } from './rows.ts';

/** What a case may be made to have. Joins that move both sides stand in odd cases, those by broadcast in even ones. */
const duties = [
  'scanCsv',
  'values',
  'filter',
  'select',
  'derive',
  'drop',
  'rename',
  'dropNulls',
  'distinct',
  'groupBy',
  'aggregate',
  'sum',
  'avg',
  'min',
  'max',
  'orderBy',
  'limit',
  'topN',
  'window',
  'subtotals',
  'unpivot',
  'repartition',
  'union',
  'open',
  'split',
  'gather',
  'joinAsOf',
  'countDistinct',
  'median',
  'stddevPop',
  'writeParquet',
  'writeCsv',
  'severalSinks',
] as const;
/** These come seldom. */
const seldom = [
  'crossJoin',
  'joinWhere',
  'setOf',
  'framed',
  'topGroups',
  'pivot',
  'distinctRows',
  'inOrder',
  'approximate',
  'sample',
  'rowFunctions',
  'decimals',
  'quantile',
  'variance',
  'variancePop',
  'stddev',
  'first',
  'last',
] as const;
const joinKinds = ['inner', 'left', 'right', 'full', 'semi', 'anti'] as const satisfies readonly JoinKind[];
type Duty = (typeof duties)[number] | (typeof seldom)[number] | 'joinInner' | 'joinLeft' | 'big';

const block = 50;
const perDuty = 8;
const perSeldom = 3;
const perJoin = 9;
const bigOnes = 14;
/** Pairs of equal keys that a condition may be asked for, at most. */
const mostPairs = 4_000_000;
/** Rows that a join without keys may give. */
const mostCrossed = 10_000;

/** The duties of each case of a block. */
function deal(seed: number, of: number): Duty[][] {
  const dice = new Dice(seed, of, 1);
  const hands: Duty[][] = Array.from({ length: block }, () => []);
  for (const duty of duties) {
    // A limit of what is sorted last is a topN, which has its own duty.
    const open = hands.flatMap((hand, i) => (duty === 'limit' && hand.includes('orderBy') ? [] : [i]));
    for (const at of dice.shuffled(open).slice(0, perDuty)) hands[at]!.push(duty);
  }
  for (const duty of ['joinInner', 'joinLeft'] as const) {
    for (const parity of [0, 1]) {
      const places = hands.map((_, i) => i).filter((i) => i % 2 === parity);
      for (const at of dice.shuffled(places).slice(0, perJoin)) hands[at]!.push(duty);
    }
  }
  for (const at of dice.shuffled(hands.map((_, i) => i)).slice(0, bigOnes)) hands[at]!.push('big');
  // Many of them sort all of a table or read it more than once.
  const small = hands.flatMap((hand, i) => (hand.includes('big') ? [] : [i]));
  for (const duty of seldom) for (const at of dice.shuffled(small).slice(0, duty === 'decimals' ? perDuty : perSeldom)) hands[at]!.push(duty);
  return hands;
}

const kinds: readonly ComputedKind[] = ['bool', 'int32', 'integer', 'int64', 'float64', 'utf8', 'date', 'timestamp'];
const decimalKinds = carriedKinds.filter(isDecimal);
const words = ['', 'a', 'ab', 'Zebra', 'é', '日本', 'a b', ' pad ', "it's", 'x,y', 'say "hi"', 'line\nfeed', '😀', 'NULL', 'na', '%_', '0', 'zzz'];
/** A short text for each i, a few of them odd. */
const word = (i: number): string => (i < words.length ? words[i]! : `k${i}`);

const sqlText = (value: string): string => `'${value.replaceAll("'", "''")}'`;

/** How the values of a column are spread: `distinct` of them, and `hot` percent of the rows have the same one. */
interface Spread {
  readonly distinct: number;
  readonly hot: number;
  readonly nulls: number;
}

/** SQL for a value of kind number h in [0, distinct), the same in every table: keys of different tables meet. */
function valueSql(kind: Kind, h: string, distinct: number): string {
  if (isCarried(kind)) return carried[kind].value(h, distinct);
  switch (kind) {
    case 'bool':
      return `(${h} % 2 = 0)`;
    case 'int32':
      return `(${h} - ${Math.floor(distinct / 3)})::INTEGER`;
    case 'integer':
      return `((${h} - ${Math.floor(distinct / 2)}) * 1000003)::BIGINT`;
    case 'int64':
      return `((${h} - ${Math.floor(distinct / 2)}) * 68719476731)::BIGINT`;
    case 'float64':
      return `((${h} * 7919 - ${distinct * 3000})::DOUBLE / 1024)`;
    case 'utf8':
      return `CASE WHEN ${h} < ${words.length} THEN list_extract([${words.map(sqlText).join(', ')}], (${h} + 1)::INTEGER) ELSE 'k' || ${h} END`;
    case 'date':
      return `(DATE '1970-01-01' + (${h} - ${Math.floor(distinct / 4)})::INTEGER)`;
    case 'timestamp':
      return `make_timestamp(((${h} - ${Math.floor(distinct / 4)}) * 3723000457)::BIGINT)`;
  }
}

function knownOf(kind: Kind, distinct: number): Pick<Column, 'bits' | 'low' | 'high' | 'words'> {
  if (isDecimal(kind)) {
    const { step, scale } = decimals[kind];
    const reach = distinct * step;
    return { bits: log2(reach * 10 ** scale), low: -reach / 2, high: reach / 2, words: [] };
  }
  switch (kind) {
    case 'int32':
      return { bits: log2(distinct), low: -Math.floor(distinct / 3), high: Math.ceil((distinct * 2) / 3), words: [] };
    case 'integer':
      return { bits: log2(distinct) + 20, low: -Math.floor(distinct / 2) * 1000003, high: Math.ceil(distinct / 2) * 1000003, words: [] };
    case 'int64':
      return { bits: log2(distinct) + 37, low: -Math.floor(distinct / 2) * 68719476731, high: Math.ceil(distinct / 2) * 68719476731, words: [] };
    case 'float64':
      return { bits: 30, low: -distinct * 3, high: distinct * 5, words: [] };
    case 'utf8':
      return { bits: 0, low: 0, high: 0, words: Array.from({ length: Math.min(distinct, 30) }, (_, i) => word(i)) };
    case 'date':
      return { bits: 0, low: -distinct / 4, high: (distinct * 3) / 4, words: [] };
    case 'timestamp':
      return { bits: 0, low: (-distinct / 4) * 3723000457, high: ((distinct * 3) / 4) * 3723000457, words: [] };
    default:
      return { bits: 0, low: 0, high: 1, words: [] };
  }
}

/** Floats are k/1024 with |k| < 2^30: so many distinct ones at most. */
const distinctMax = 100_000;

interface Made {
  readonly column: SourceColumn;
  readonly known: Column;
}

function makeColumn(dice: Dice, name: string, kind: Kind, spread: Spread, rows: number): Made {
  const distinct = Math.min(spread.distinct, distinctMax);
  const salt = dice.below(1_000_000_000);
  const random = (k: number): string => `(hash(i * 1000003 + ${salt + k}) % ${k === 0 ? distinct : 100})::BIGINT`;
  const h = spread.hot === 0 ? random(0) : `(CASE WHEN ${random(1)} < ${spread.hot} THEN 0 ELSE ${random(0)} END)`;
  const value = valueSql(kind, h, distinct);
  const nullable = spread.nulls > 0 || dice.chance(15);
  const sql = spread.nulls === 0 ? value : `CASE WHEN ${random(2)} < ${spread.nulls} THEN NULL ELSE ${value} END`;
  const seen = kind === 'bool' ? Math.min(2, distinct) : distinct;
  const rowsPerValue = rows * Math.max(1 / seen, spread.hot / 100);
  return { column: { name, kind, nullable, sql }, known: { ...plain, name, kind, nullable, ...knownOf(kind, distinct), rowsPerValue, values: seen } };
}

/** Case `number` of a seed; another attempt is another case with the same duties. */
export function generate(seed: number, number: number, attempt = 0): Case {
  const dice = new Dice(seed, number, 2 + attempt);
  const hand = new Set<Duty>(deal(seed, Math.floor(number / block))[number % block]);
  const has = (duty: Duty): boolean => hand.has(duty);
  const big = has('big');
  const steps: Step[] = [];
  const sources: SourceTable[] = [];
  let fresh = 0;
  const newName = (): string => `c${fresh++}`;

  // Data

  // Rows written down are JSON: there a case stays with what JSON has.
  const anyKind = (): Kind => (!has('values') && dice.chance(30) ? dice.pick(carriedKinds) : dice.pick(kinds));
  const keyKinds = [anyKind(), anyKind()] as const;
  const keySpace = dice.chance(10) ? 1 : dice.pick([2, 7, 40, 300, 3000, 20_000]);

  const addSource = (
    rows: number,
    format: SourceTable['format'],
    mayBeWide: boolean,
    keys: readonly Kind[] = keyKinds,
    isNested = format === 'parquet' && dice.chance(5),
  ): Table => {
    const hot = dice.chance(25) ? dice.pick([30, 60, 95]) : 0;
    const made = keys.map((kind, k) =>
      makeColumn(
        dice,
        dice.chance(70) ? `k${k}` : newName(),
        kind,
        { distinct: keySpace, hot, nulls: dice.chance(30) ? dice.pick([3, 20]) : 0 },
        rows,
      ),
    );
    const more = mayBeWide ? dice.between(3, 6) : dice.between(1, 4);
    for (let k = 0; k < more; k++) {
      const distinct = dice.pick([1, 3, 12, 200, 5000, 100_000]);
      const nulls = dice.chance(40) ? dice.pick([1, 10, 10, 50, 50, 100]) : 0;
      made.push(
        makeColumn(
          dice,
          newName(),
          k === 0
            ? has('decimals') && format !== 'values'
              ? dice.pick(decimalKinds)
              : dice.pick(['int32', 'integer', 'int64', 'float64'])
            : format === 'values'
              ? dice.pick(kinds)
              : anyKind(),
          { distinct, hot: 0, nulls },
          rows,
        ),
      );
    }
    if (dice.chance(15)) {
      const salt = dice.below(1_000_000);
      const column: SourceColumn = {
        name: newName(),
        kind: 'int64',
        nullable: false,
        sql: `((hash(i + ${salt}) >> 1)::BIGINT - 4611686018427387904)`,
      };
      made.push({
        column,
        known: { ...plain, name: column.name, kind: 'int64', bits: 63, low: -(2 ** 61), high: 2 ** 61, rowsPerValue: 1, values: rows },
      });
    }
    if (format === 'parquet' && dice.chance(15)) {
      // What no CSV and no JSON has: numbers that are none, and a zero with a sign.
      const salt = dice.below(1_000_000);
      const odd = `list_extract(['nan'::DOUBLE, 'inf'::DOUBLE, '-inf'::DOUBLE, '-0.0'::DOUBLE, 0.1, 1e300], 1 + (hash(i + ${salt}) % 9)::INTEGER)`;
      const column: SourceColumn = { name: newName(), kind: 'float64', nullable: true, sql: odd };
      made.push({
        column,
        known: {
          ...plain,
          name: column.name,
          kind: 'float64',
          nullable: true,
          bits: 60,
          grain: 'loose',
          low: -1,
          high: 1,
          rowsPerValue: rows / 9,
          values: rows,
        },
      });
    }
    if (mayBeWide) {
      // 24 bytes a row that nothing packs: what a worker cannot keep in its arena.
      const salt = dice.below(1_000_000);
      const column: SourceColumn = { name: newName(), kind: 'utf8', nullable: false, sql: `md5((i + ${salt})::VARCHAR)[:24]` };
      made.push({ column, known: { ...plain, name: column.name, kind: 'utf8', words: ['0', '8', 'c'], rowsPerValue: 1, values: rows } });
    }
    const group = dice.pick([2048, 4096, 10_240, 122_880]);
    const codec = dice.pick(['snappy', 'snappy', 'zstd', 'gzip', 'uncompressed']);
    const options = format === 'parquet' ? `ROW_GROUP_SIZE ${group}, COMPRESSION ${codec}, PARQUET_VERSION ${dice.pick(['V1', 'V1', 'V2'])}` : '';
    const files = rows < 4 ? 1 : dice.pick([1, 1, 2, 3, 5]);
    const nested = isNested ? nestedSource(dice, newName(), newName()) : undefined;
    sources.push({ format, rows, files, options, columns: made.map(({ column }) => column), ...(nested === undefined ? {} : { nested }) });
    steps.push({ op: 'read', source: sources.length - 1 });
    const read: Table = { step: steps.length - 1, rows, columns: made.map(({ known }) => known), order: [], total: false };
    return nested === undefined ? read : open(read, nested);
  };
  /** What struct and list become. */
  const open = (from: Table, { struct, list }: NestedSource): Table => {
    const [field, tag, length, has] = [newName(), newName(), newName(), newName()];
    const apart = dice.chance(50);
    const [item, place] = [apart ? newName() : null, apart && dice.chance(50) ? newName() : null];
    const outer = dice.chance(50);
    const times = apart ? 3 : 1;
    const rows = from.rows * times;
    const whole = (name: string, low: number, high: number, kind: 'int32' | 'integer' = 'int32'): Column => ({
      ...plain,
      name,
      kind,
      nullable: true,
      bits: log2(Math.max(high, -low)) + 1,
      low,
      high,
      rowsPerValue: rows,
      values: high - low + 1,
    });
    const known: Column[] = [
      // In the place of the list.
      ...(item === null ? [] : [whole(item, -1, 88)]),
      whole(field, 0, 96),
      { ...plain, name: tag, kind: 'utf8', nullable: true, words: ['t0', 't1', 't2', 't3', 't4', 'é'], rowsPerValue: rows, values: 6 },
      whole(length, 0, 3),
      { ...plain, name: has, kind: 'bool', nullable: true, high: 1, rowsPerValue: rows, values: 2 },
      ...(place === null ? [] : [whole(place, 1, 3, 'integer')]),
    ];
    const carry = { verb: dice.pick(carries), key: dice.pick(from.columns).name };
    const made = { field, tag, length, has };
    const of = { struct: struct.name, list: list.name, carry, at: dice.pick([0, 1, 2, 5, -1, -3]), wanted: dice.pick([-1, 0, 1, 40]), made };
    return add({ op: 'open', input: from.step, ...of, item, place, outer }, from, {
      rows,
      columns: [...from.columns.map((column) => ({ ...column, rowsPerValue: column.rowsPerValue * times })), ...known],
    });
  };
  const split = (from: Table): Table | null => {
    const texts = from.columns.filter(({ kind }) => kind === 'utf8');
    // Most texts are short, or have none of the separators.
    const most = 8;
    if (texts.length === 0 || from.rows * most > mostRows) return null;
    const [name, place] = [newName(), dice.chance(50) ? newName() : null];
    const outer = dice.chance(50);
    const by = dice.pick([',', ' ', 'a', 'k', '0', '']);
    const rows = from.rows * most;
    const columns: Column[] = [
      ...from.columns.map((column) => ({ ...column, rowsPerValue: column.rowsPerValue * most })),
      { ...plain, name, kind: 'utf8', nullable: outer, words: ['', 'a', 'b', 'Zebr'], rowsPerValue: rows, values: rows },
      ...(place === null
        ? []
        : [{ ...plain, name: place, kind: 'integer', nullable: outer, bits: 6, low: 1, high: most, rowsPerValue: rows, values: most } as const]),
    ];
    return add({ op: 'split', input: from.step, text: dice.pick(texts).name, by, name, place, outer }, from, {
      columns,
      rows,
      order: [],
      total: false,
    });
  };
  const gather = (from: Table): Table | null => {
    const open = exactOf(from);
    if (open.length < 2) return null;
    const keys = dice.some(open.slice(1), dice.between(1, 2));
    const { name: column, ...known } = dice.pick(open);
    const [name, count] = [newName(), newName()];
    const columns: Column[] = [
      ...keys,
      { ...known, name },
      {
        ...plain,
        name: count,
        kind: 'int32',
        bits: log2(from.rows),
        low: 1,
        high: Math.min(from.rows, 50),
        rowsPerValue: from.rows,
        values: from.rows,
      },
    ];
    return add({ op: 'gather', input: from.step, keys: keys.map((key) => key.name), column, name, count }, from, {
      columns,
      order: [],
      total: false,
    });
  };
  const rowsOf = (format: SourceTable['format']): number => {
    if (dice.chance(4)) return 0;
    return format === 'values' ? dice.between(1, 40) : dice.pick([1, 5, 60, 500, 500, 3000, 3000, 9000]);
  };
  const someFormat = (): SourceTable['format'] => dice.pick(['parquet', 'parquet', 'csv', has('values') ? 'values' : 'csv']);

  // Verbs: each takes a table and gives another, or null where it cannot.

  const add = (step: Step, from: Table, changes: Partial<Table>): Table => {
    steps.push(step);
    return { ...from, ...changes, step: steps.length - 1 };
  };
  const making: Making = { dice, newName, add, sorted: (from) => orderBy(from, true) };
  const keptOrder = (from: Table, names: ReadonlySet<string>): Pick<Table, 'order' | 'total'> =>
    from.order.every(({ name }) => names.has(name)) ? { order: from.order, total: from.total } : { order: [], total: false };

  const filter = (from: Table): Table => {
    const { expr } = condition(dice, from.columns);
    return add({ op: 'filter', input: from.step, condition: expr }, from, {});
  };
  /** `exact`: they are to be keys. */
  const newColumns = (from: Table, count: number, replace: boolean, exact = false, of = from.columns): { named: Named[]; columns: Column[] } => {
    const named: Named[] = [];
    const columns: Column[] = [];
    for (let k = 0; k < count; k++) {
      const open = exactOf(from);
      const made = of === from.columns && dice.chance(50) ? ofTable(dice, open) : null;
      const { expr, ...known } = made !== null && !(exact && made.grain === 'inexact') ? made : computed(dice, of);
      const name = replace && dice.chance(25) ? dice.pick(from.columns).name : newName();
      if (named.some((each) => each.name === name)) continue;
      named.push({ name, expr });
      columns.push({ ...known, name, rowsPerValue: from.rows, values: from.rows });
    }
    return { named, columns };
  };
  const derive = (from: Table, of = from.columns): Table => {
    const { named, columns } = newColumns(from, of === from.columns ? dice.between(1, 3) : dice.between(2, 5), true, false, of);
    const kept = from.columns.map((column) => columns.find(({ name }) => name === column.name) ?? column);
    const all = [...kept, ...columns.filter(({ name }) => !from.columns.some((column) => column.name === name))];
    const untouched = new Set(from.columns.map(({ name }) => name).filter((name) => !named.some((each) => each.name === name)));
    return add({ op: 'derive', input: from.step, columns: named }, from, { columns: all, ...keptOrder(from, untouched) });
  };
  const select = (from: Table): Table => {
    const names = dice.some(from.columns, dice.between(1, from.columns.length)).map(({ name }) => name);
    const order = dice.shuffled(names);
    const { named, columns } = newColumns(from, dice.below(3), false);
    const kept = order.map((name) => from.columns.find((column) => column.name === name)!);
    return add({ op: 'select', input: from.step, names: order, columns: named }, from, {
      columns: [...kept, ...columns],
      ...keptOrder(from, new Set(order)),
    });
  };
  const drop = (from: Table): Table | null => {
    if (from.columns.length < 2) return null;
    const names = dice.some(from.columns, dice.between(1, Math.min(3, from.columns.length - 1))).map(({ name }) => name);
    const columns = from.columns.filter(({ name }) => !names.includes(name));
    return add({ op: 'drop', input: from.step, names }, from, { columns, ...keptOrder(from, new Set(columns.map(({ name }) => name))) });
  };
  const rename = (from: Table): Table => {
    const names = Object.fromEntries(dice.some(from.columns, dice.between(1, 3)).map(({ name }) => [name, newName()]));
    const columns = from.columns.map((column) => ({ ...column, name: names[column.name] ?? column.name }));
    const order = from.order.map((key) => ({ ...key, name: names[key.name] ?? key.name }));
    return add({ op: 'rename', input: from.step, names }, from, { columns, order });
  };
  const dropNulls = (from: Table): Table => {
    const open = from.columns.filter(({ nullable }) => nullable);
    const names = dice.some(open.length > 0 ? open : from.columns, dice.between(1, 2)).map(({ name }) => name);
    const columns = from.columns.map((column) => (names.includes(column.name) ? { ...column, nullable: false } : column));
    return add({ op: 'dropNulls', input: from.step, names }, from, { columns });
  };

  const aggregate = (from: Table, keyCount: number, wanted: readonly AggregateName[], more: number): Table => {
    const open = exactOf(from);
    const keys = dice.some(open, keyCount);
    const wantsComputed = keys.length > 0 && dice.chance(25);
    const { named, columns: computedKeys } = wantsComputed ? newColumns(from, 1, false, true) : { named: [], columns: [] };
    const made = [...wanted, ...Array.from({ length: more }, () => null)].flatMap((fn) => aggregateOf(making, from, fn) ?? []);
    if (keys.length === 0 && made.length === 0) made.push(aggregateOf(making, from, 'count')!);
    const alone = keys.length + named.length === 1;
    const columns = [...keys, ...computedKeys].map((column) => ({ ...column, rowsPerValue: alone ? 1 : column.rowsPerValue }));
    return add(
      { op: 'aggregate', input: from.step, keys: keys.map(({ name }) => name), computed: named, aggregates: made.map(({ spec }) => spec) },
      from,
      { columns: [...columns, ...made.map(({ column }) => column)], rows: keys.length === 0 ? 1 : from.rows, order: [], total: false },
    );
  };

  const unpivot = (from: Table): Table | null => {
    const kind = dice.pick(from.columns).kind;
    const chosen = dice.some(
      from.columns.filter((column) => column.kind === kind && column.grain !== 'inexact'),
      3,
    );
    if (chosen.length === 0 || from.rows * chosen.length > mostRows) return null;
    const names = chosen.map(({ name }) => name);
    const [name, value] = [newName(), newName()];
    const times = (column: Column): Column => ({ ...column, rowsPerValue: column.rowsPerValue * names.length });
    const of = chosen.reduce((a, b) => (a.bits >= b.bits ? a : b));
    const columns: Column[] = [
      ...from.columns.filter((column) => !names.includes(column.name)).map(times),
      { ...plain, name, kind: 'utf8', words: names, rowsPerValue: from.rows, values: names.length },
      {
        ...of,
        name: value,
        nullable: false,
        grain: chosen.find(({ grain }) => grain === 'loose')?.grain ?? of.grain,
        low: Math.min(...chosen.map(({ low }) => low)),
        high: Math.max(...chosen.map(({ high }) => high)),
        rowsPerValue: from.rows * names.length,
      },
    ];
    return add({ op: 'unpivot', input: from.step, names, name, value }, from, { columns, rows: from.rows * names.length, order: [], total: false });
  };
  const repartition = (from: Table): Table =>
    add({ op: 'repartition', input: from.step, keys: dice.some(from.columns, dice.between(1, 2)).map(({ name }) => name) }, from, {
      order: [],
      total: false,
    });

  const join = (left: Table, how: JoinKind, given: Table): Table | null => {
    let right = given;
    const open = (table: Table): Column[] => exactOf(table);
    const pairsWith = (table: Table): [Column, Column][] =>
      open(left).flatMap((l) => open(table).flatMap((r): [Column, Column][] => (l.kind === r.kind ? [[l, r]] : [])));
    // Where there is a pair of key columns, it is the likeliest to find something.
    const likely = ([l, r]: readonly [Column, Column]): number =>
      Number(l.name.startsWith('k')) + Number(r.name.startsWith('k')) + 3 * Number(l.name === r.name);
    if (open(left).length === 0) return null;
    // A table made for the purpose, where the given one has nothing to join on.
    if (pairsWith(right).length === 0) right = addSource(dice.between(1, 300), 'parquet', false, [dice.pick(open(left)).kind]);
    const all = dice.shuffled(pairsWith(right)).sort((a, b) => likely(b) - likely(a));
    const first = all[0]!;
    const second = dice.chance(25) ? all.find(([l, r]) => l.name !== first[0].name && r.name !== first[1].name) : undefined;
    const pairs = second === undefined ? [first] : [first, second];
    const fanout = (table: Table): number =>
      Math.max(1, Math.min(...pairs.map(([, r]) => table.columns.find(({ name }) => name === r.name)?.rowsPerValue ?? 1, table.rows)));
    if (left.rows * fanout(right) > mostRows) {
      // Too many matches to be had: one right row per key.
      const names = pairs.map(([, r]) => r.name);
      const made = [aggregateOf(making, right, 'count')!, ...[aggregateOf(making, right, null)].flatMap((each) => each ?? [])];
      right = add({ op: 'aggregate', input: right.step, keys: names, computed: [], aggregates: made.map(({ spec }) => spec) }, right, {
        columns: [...pairs.map(([, r]) => ({ ...r, rowsPerValue: 1 })), ...made.map(({ column }) => column)],
        order: [],
        total: false,
      });
    }
    const times = fanout(right);
    const where =
      left.rows * right.rows <= mostPairs && (has('joinWhere') || dice.chance(15)) ? pairCondition(dice, left.columns, right.columns) : null;
    const prefixed = right.columns.some(({ name }) => left.columns.some((column) => column.name === name)) || dice.chance(20);
    const prefix = prefixed ? `${newName()}_` : '';
    const rightNames = pairs.map(([, r]) => r.name);
    const added = right.columns
      .filter(({ name }) => !rightNames.includes(name))
      .map((column) => ({
        ...column,
        name: prefix + column.name,
        nullable: column.nullable || how === 'left' || how === 'full',
        rowsPerValue: left.rows * times,
      }));
    const picks = how === 'semi' || how === 'anti';
    const mayMiss = how === 'right' || how === 'full';
    const own = left.columns.map((column) => {
      const key = pairs.find(([l]) => l.name === column.name);
      const nullable = !mayMiss ? column.nullable : key === undefined ? true : key[1].nullable || (how === 'full' && column.nullable);
      return { ...column, nullable, rowsPerValue: column.rowsPerValue * (picks ? 1 : times) + (mayMiss ? right.rows : 0) };
    });
    const on = pairs.map(([l, r]): [string, string] => [l.name, r.name]);
    return add({ op: 'join', left: left.step, right: right.step, how, on, prefix, asOf: null, where }, left, {
      columns: [...own, ...(picks ? [] : added)],
      rows: picks ? left.rows : left.rows * times + (mayMiss ? right.rows : 0),
      order: [],
      total: false,
    });
  };

  /** Without keys: all pairs, or those that a condition says. */
  const crossJoin = (left: Table, given: Table): Table | null => {
    const most = Math.floor(mostCrossed / Math.max(1, left.rows));
    if (most < 1) return null;
    const right = given.rows <= most ? given : addSource(dice.between(1, Math.min(30, most)), 'parquet', false);
    const how = dice.pick(joinKinds);
    const where = how === 'inner' && dice.chance(40) ? null : pairCondition(dice, left.columns, right.columns);
    const picks = how === 'semi' || how === 'anti';
    const prefix = `${newName()}_`;
    const rows = picks ? left.rows : left.rows * right.rows + left.rows + right.rows;
    const nullableLeft = how === 'right' || how === 'full';
    const nullableRight = how === 'left' || how === 'full';
    const own = left.columns.map((column) => ({ ...column, nullable: column.nullable || nullableLeft, rowsPerValue: rows }));
    const added = right.columns.map((column) => ({
      ...column,
      name: prefix + column.name,
      nullable: column.nullable || nullableRight,
      rowsPerValue: rows,
    }));
    return add({ op: 'join', left: left.step, right: right.step, how, on: [], prefix, asOf: null, where }, left, {
      columns: picks ? left.columns : [...own, ...added],
      rows,
      order: [],
      total: false,
    });
  };

  /** One right row for each key and value: of equal ones DuckDB takes any. */
  const joinAsOf = (left: Table, given: Table): Table | null => {
    const open = (table: Table): Column[] => table.columns.filter(({ grain, kind }) => grain !== 'inexact' && kind !== 'bool');
    const pairsWith = (table: Table): [Column, Column][] =>
      dice.shuffled(open(left).flatMap((l) => open(table).flatMap((r): [Column, Column][] => (l.kind === r.kind ? [[l, r]] : []))));
    if (open(left).length === 0) return null;
    const right = pairsWith(given).length > 0 ? given : addSource(dice.between(1, 300), 'parquet', false, [dice.pick(open(left)).kind]);
    const [at, ...others] = pairsWith(right) as [[Column, Column], ...[Column, Column][]];
    const key = dice.chance(75) ? others.find(([, r]) => r.name !== at[1].name) : undefined;
    const keys = [...(key === undefined ? [] : [key]), at].map(([, r]) => r.name);
    const made = [aggregateOf(making, right, 'count')!, ...[aggregateOf(making, right, null)].flatMap((each) => each ?? [])];
    const whole = add({ op: 'aggregate', input: right.step, keys, computed: [], aggregates: made.map(({ spec }) => spec) }, right, {});
    const how = dice.pick(['inner', 'left'] as const);
    const prefix = `${newName()}_`;
    const added = [at[1], ...made.map(({ column }) => column)].map((column) => ({
      ...column,
      name: prefix + column.name,
      nullable: column.nullable || how === 'left',
      rowsPerValue: left.rows,
    }));
    const on = key === undefined ? [] : [[key[0].name, key[1].name] as const];
    return add({ op: 'join', left: left.step, right: whole.step, how, on, prefix, asOf: [at[0].name, at[1].name], where: null }, left, {
      columns: [...left.columns, ...added],
      order: [],
      total: false,
    });
  };
  /** With the columns of another table that are of the same kinds. */
  const union = (from: Table, given: Table, verb: 'union' | 'intersect' | 'except' = 'union'): Table | null => {
    const taken = new Set<string>();
    const pairs = dice.shuffled(exactOf(from)).flatMap((own): [Column, Column][] => {
      const other = given.columns.find(({ name, kind, grain }) => kind === own.kind && grain !== 'inexact' && !taken.has(name));
      if (other === undefined) return [];
      taken.add(other.name);
      return [[own, other]];
    });
    const right = pairs.length > 0 ? given : filter(from);
    const chosen = pairs.length > 0 ? pairs : from.columns.map((column): [Column, Column] => [column, column]);
    if (from.rows + right.rows > mostRows) return null;
    const left = add({ op: 'select', input: from.step, names: chosen.map(([own]) => own.name), columns: [] }, from, {});
    const renamed = dice.shuffled(chosen).map(([own, { name, kind }]): Named => ({ name: own.name, expr: { op: 'column', name, kind } }));
    const other = add({ op: 'select', input: right.step, names: [], columns: renamed }, right, {});
    const columns = chosen.map(
      ([a, b]): Column => ({
        ...a,
        nullable: a.nullable || b.nullable,
        bits: Math.max(a.bits, b.bits),
        grain: b.grain === 'grid' ? a.grain : b.grain,
        low: Math.min(a.low, b.low),
        high: Math.max(a.high, b.high),
        rowsPerValue: a.rowsPerValue + b.rowsPerValue,
        values: a.values + b.values,
      }),
    );
    return add({ op: verb, left: left.step, right: other.step }, left, { columns, rows: from.rows + right.rows, order: [], total: false });
  };

  /** `besides`: the last key. */
  const orderBy = (from: Table, everyColumn: boolean, besides: string | null = null): Table | null => {
    let table = from;
    if (everyColumn && table.columns.some(({ grain }) => grain === 'inexact')) {
      const names = table.columns.filter(({ grain }) => grain === 'inexact').map(({ name }) => name);
      if (names.length === table.columns.length) return null;
      table = add({ op: 'drop', input: table.step, names }, table, { columns: table.columns.filter(({ name }) => !names.includes(name)) });
    }
    const open = exactOf(table);
    if (open.length === 0) return null;
    const chosen = dice.shuffled(open).slice(0, everyColumn ? open.length : dice.between(1, 3));
    const names = [...new Set([...chosen.map(({ name }) => name), ...(besides === null ? [] : [besides])])];
    const keys = names.map((name): Key => ({ name, descending: dice.chance(40) }));
    return add({ op: 'orderBy', input: table.step, keys }, table, { order: keys, total: everyColumn });
  };
  const limitCount = (): number => (dice.chance(4) ? 0 : dice.pick([1, 3, 10, 100, 1000, 100_000]));
  const topN = (from: Table): Table | null => {
    const sorted = orderBy(from, true);
    if (sorted === null) return null;
    const count = limitCount();
    return add({ op: 'limit', input: sorted.step, count }, sorted, { rows: Math.min(sorted.rows, count) });
  };

  // The case: one main chain that takes all duties, side tables for joins, a few outputs.

  const firstFormat = has('scanCsv') ? 'csv' : big || (has('open') && !has('values')) ? 'parquet' : has('values') ? 'values' : someFormat();
  const firstRows = big ? dice.between(30_000, 42_000) : rowsOf(firstFormat);
  let main = addSource(firstRows, firstFormat, big, keyKinds, has('open') && !big && firstFormat === 'parquet');
  const tables: Table[] = [main];
  const sides: Table[] = [];
  if (has('values') && firstFormat !== 'values') sides.push(addSource(dice.between(1, 40), 'values', false));
  if (has('open') && (big || firstFormat !== 'parquet')) sides.push(addSource(rowsOf('parquet'), 'parquet', false, keyKinds, true));

  /** `isNew`: not made of the main chain, which a join could not get by broadcast. */
  const rightSide = (isNew = number % 2 === 0): Table => {
    if (sides.length > 0) return sides.pop()!;
    if (!isNew && dice.chance(25)) return dice.pick(tables);
    const format = someFormat();
    const side = addSource(rowsOf(format), format, false);
    return dice.chance(30) ? filter(side) : side;
  };
  const go = (next: Table | null): void => {
    if (next === null) return;
    main = next;
    tables.push(next);
  };
  // What moves the whole of a big table comes before what makes it small.
  type Verb = () => void;
  const early: Verb[] = [];
  const middle: Verb[] = [];
  const late: Verb[] = [];
  if (has('filter')) middle.push(() => go(filter(main)));
  if (has('derive')) middle.push(() => go(derive(main)));
  if (has('rename')) middle.push(() => go(rename(main)));
  if (has('dropNulls')) middle.push(() => go(dropNulls(main)));
  if (has('window')) middle.push(() => go(aggregates.window(making, main, false)));
  if (has('framed')) middle.push(() => go(aggregates.window(making, main, true)));
  if (has('topGroups')) late.push(() => go(aggregates.topGroups(making, main)));
  if (has('pivot')) late.push(() => go(aggregates.pivot(making, main)));
  if (has('distinctRows')) middle.push(() => go(aggregates.distinct(making, main)));
  if (has('inOrder')) late.push(() => go(aggregates.inOrder(making, main)));
  if (has('approximate')) late.push(() => go(aggregates.approximate(making, main)));
  if (has('sample')) middle.push(() => go(aggregates.sample(making, main)));
  if (has('rowFunctions')) middle.push(() => go(rowFunctions(making, main)));
  if (has('decimals')) {
    // Once more, from what that gave.
    for (let k = 0; k < 2; k++) {
      middle.push(() => {
        const open = main.columns.filter(({ kind }) => isDecimal(kind));
        go(open.length === 0 ? null : derive(main, [...open, ...main.columns.filter(({ kind }) => isWhole(kind)).slice(0, 1)]));
      });
    }
  }
  if (has('setOf')) middle.push(() => go(union(main, dice.chance(60) ? filter(main) : rightSide(false), dice.pick(['intersect', 'except']))));
  if (has('crossJoin')) middle.push(() => go(crossJoin(main, rightSide())));
  if (has('joinWhere')) middle.push(() => go(join(main, dice.pick(joinKinds), rightSide())));
  if (has('unpivot')) middle.push(() => go(unpivot(main)));
  if (has('repartition')) middle.push(() => go(repartition(main)));
  if (has('split')) middle.push(() => go(split(main)));
  if (has('gather')) middle.push(() => go(gather(main)));
  if (has('union')) middle.push(() => go(union(main, rightSide(false))));
  if (has('joinAsOf')) middle.push(() => go(joinAsOf(main, rightSide(false))));
  if (has('joinInner')) middle.push(() => go(join(main, 'inner', rightSide())));
  if (has('joinLeft')) middle.push(() => go(join(main, 'left', rightSide())));
  if (has('select')) late.push(() => go(select(main)));
  if (has('drop')) late.push(() => go(drop(main)));
  if (has('subtotals')) late.push(() => go(aggregates.subtotals(making, main)));
  const functions = (
    ['sum', 'avg', 'min', 'max', 'countDistinct', 'median', 'stddevPop', 'quantile', 'variance', 'variancePop', 'stddev', 'first', 'last'] as const
  ).filter((fn) => has(fn));
  if (has('groupBy') || (functions.length > 0 && !has('aggregate')))
    late.push(() => go(aggregate(main, dice.between(1, 3), functions, dice.between(0, 2))));
  if (has('distinct')) late.push(() => go(aggregate(main, dice.between(1, 3), [], 0)));
  if (big) early.push(() => go(orderBy(main, false, main.columns.at(-1)!.name)));
  for (let k = dice.below(3) - seldom.filter(has).length; k > 0; k--) {
    middle.push(() => {
      const verb = dice.pick([filter, derive, select, drop, rename, dropNulls, 'join', 'group'] as const);
      if (verb === 'join') go(join(main, dice.pick(joinKinds), rightSide(false)));
      else if (verb === 'group') go(aggregate(main, dice.between(1, 2), [], dice.between(1, 3)));
      else go(verb(main));
    });
  }
  for (const verb of [...early, ...dice.shuffled(middle), ...dice.shuffled(late)]) verb();
  // A source of which nothing has become of: its duty is to be read.
  for (const side of sides.splice(0)) go(join(main, dice.pick(joinKinds), side));
  if (has('topN')) go(topN(main));
  if (has('aggregate')) go(aggregate(main, 0, functions, dice.between(0, 2)));
  if (has('orderBy')) go(orderBy(main, dice.chance(50)));

  // Outputs

  const outputs: Output[] = [];
  const columnsOut = (table: Table): OutColumn[] => table.columns.map(({ name, kind, grain }) => ({ name, kind, inexact: grain === 'inexact' }));
  const give = (table: Table, to: Output['to']): void => {
    // A folder named for the text NULL is a null to DuckDB.
    const open = table.columns.filter(
      ({ kind, nullable, values, words: texts }) =>
        kind !== 'float64' && !isCarried(kind) && !nullable && values <= 40 && !texts.some((each) => each.toUpperCase() === 'NULL'),
    );
    const partitionBy = to === 'parquet' && table.columns.length > 1 && open.length > 0 && dice.chance(40) ? [dice.pick(open).name] : [];
    outputs.push({ step: table.step, to, partitionBy, columns: columnsOut(table), order: to === 'parquet' ? [] : table.order, any: null });
  };
  if (has('limit')) {
    const count = limitCount();
    const cut = add({ op: 'limit', input: main.step, count }, main, {});
    outputs.push({ step: cut.step, to: 'result', partitionBy: [], columns: columnsOut(cut), order: main.order, any: main.total ? null : count });
  } else if (has('writeCsv') || has('writeParquet') || dice.chance(10)) {
    give(main, has('writeCsv') ? 'csv' : 'parquet');
    if (has('writeCsv') && has('writeParquet')) give(main, 'parquet');
  } else give(main, 'result');
  if (has('limit') && has('writeCsv')) give(main, 'csv');
  if (has('limit') && has('writeParquet')) give(main, 'parquet');
  if (has('severalSinks')) {
    const small = tables.filter(({ rows }) => rows <= 10_000);
    for (const table of dice.some(small.length > 0 ? small : [main], 2)) give(table, dice.pick(['csv', 'parquet']));
    while (outputs.filter(({ to }) => to !== 'result').length < 2) give(main, dice.pick(['csv', 'parquet']));
  }
  return {
    seed,
    number,
    sources,
    steps,
    outputs,
    partitions: dice.chance(5) ? 5000 : dice.pick([1, 2, 3, 7, 16, 64, 300]),
    broadcast: number % 2 === 0,
    batchRows: dice.chance(50) ? null : dice.pick(sources.some(({ rows }) => rows > 10_000) ? [1000, 4096] : [1, 7, 64, 1000]),
    slots: dice.between(1, 3),
  };
}
