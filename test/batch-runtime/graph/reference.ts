/**
 * Plans and stages run on rows in plain arrays: the meaning that rules and stage making must not change. Slow and simple on
 * purpose; it shares nothing with the operators, only the expression functions' references.
 */
import { aggregateRow } from '#runtime/aggregate/table.ts';
import type { Schema } from '#runtime/batch/batch.ts';
import type { Aggregate, Expression, WindowFunction } from '#runtime/expression/expression.ts';
import { rowOf } from '#runtime/expression/functions/table.ts';
import { compareValues, literalValue, type Value } from '#runtime/expression/values.ts';
import { type AsOf, type Plan, type PlanNode, rightMark, type SortKey } from '#runtime/graph/plan.ts';
import type { StageGraph, StageOperator } from '#runtime/graph/stage.ts';

export type Row = Readonly<Record<string, Value>>;
/** Rows by name of the scan. */
export type Sources = Readonly<Record<string, readonly Row[]>>;
/** What a job gives: rows by name of the sink, the result under `result`. */
export type Outputs = Record<string, Row[]>;

export function evaluate(expression: Expression, row: Row): Value {
  switch (expression.op) {
    case 'column':
      return row[expression.name] ?? null;
    case 'literal':
      return literalValue(expression);
    case 'udf':
      throw new Error('no user functions here');
    case 'call': {
      const fn = rowOf(expression.fn);
      if (fn.nulls === 'own') return fn.interpret((k) => evaluate(expression.args[k]!, row), expression);
      const values = expression.args.map((arg) => evaluate(arg, row));
      if (fn.nulls === 'columnar') return fn.interpret(values, expression) as Value;
      return values.includes(null) ? null : fn.interpret(values as NonNullable<Value>[], expression);
    }
  }
}

const keyOf = (row: Row, keys: readonly string[]): string => JSON.stringify(keys.map((key) => String(row[key])));
const pick = (row: Row, schema: Schema): Row => Object.fromEntries(schema.map(({ name }) => [name, row[name] ?? null]));

function groups(rows: readonly Row[], keys: readonly string[]): Row[][] {
  const byKey = new Map<string, Row[]>();
  if (keys.length === 0) byKey.set('[]', []);
  for (const row of rows) {
    const key = keyOf(row, keys);
    byKey.set(key, [...(byKey.get(key) ?? []), row]);
  }
  return [...byKey.values()];
}

const sum = (values: readonly Value[]): Value =>
  values.length === 0
    ? null
    : typeof values[0] === 'bigint'
      ? values.reduce((a, b) => (a as bigint) + (b as bigint))
      : values.reduce((a, b) => Number(a) + Number(b));
const least = (values: readonly Value[], sign: number): Value =>
  values.length === 0 ? null : values.reduce((a, b) => (compareValues(a!, b!) * sign <= 0 ? a : b));

/** What an aggregate sees of a row: the argument and the further ones. */
interface Seen {
  readonly value: Value;
  readonly more: readonly Value[];
}
const seen = ({ fn, argument, more = [], filter }: Aggregate, rows: readonly Row[]): Seen[] =>
  rows
    .filter((row) => filter === null || evaluate(filter, row) === true)
    .map((row) => ({ value: argument === null ? true : evaluate(argument, row), more: more.map((each) => evaluate(each, row)) }))
    .filter(({ value }) => value !== null || aggregateRow(fn).nulls === 'keep');

const order = (a: Value, b: Value): number => (a === null || b === null ? Number(a === null) - Number(b === null) : compareValues(a, b));

function resultOf({ fn, options = [] }: Aggregate, rows: readonly Seen[]): Value {
  const values = rows.map(({ value }) => value);
  switch (fn) {
    case 'count':
      return values.length;
    case 'sum':
      return sum(values);
    case 'avg':
      return values.length === 0 ? null : Number(sum(values)) / values.length;
    case 'min':
      return least(values, 1);
    case 'max':
      return least(values, -1);
    case 'countDistinct':
      return new Set(values.map((value) => (value === 0 ? 0 : value))).size;
    case 'first':
    case 'last': {
      // A sort is stable, so the first of equal ones stays the first and the last the last.
      const sorted = [...rows].sort((a, b) => (a.more.length === 0 ? 0 : order(a.more[0]!, b.more[0]!)));
      return sorted.at(fn === 'first' ? 0 : -1)?.value ?? null;
    }
    case 'joinText':
      return values.length === 0 ? null : values.join(String(options[0]));
    case 'quantile':
    case 'approxQuantile': {
      if (values.length === 0) return null;
      const sorted = (values as number[]).sort(compareValues);
      const place = Number(options[0]) * (sorted.length - 1);
      const low = sorted[Math.floor(place)]!;
      return place % 1 === 0 ? low : low * (1 - (place % 1)) + sorted[Math.ceil(place)]! * (place % 1);
    }
    case 'variance':
    case 'variancePop':
    case 'stddev':
    case 'stddevPop': {
      const mean = values.reduce<number>((total, value) => total + Number(value), 0) / values.length;
      const squares = values.reduce<number>((total, value) => total + (Number(value) - mean) ** 2, 0);
      const divisor = values.length - (fn.endsWith('Pop') ? 0 : 1);
      return divisor <= 0 ? null : fn.startsWith('stddev') ? Math.sqrt(squares / divisor) : squares / divisor;
    }
    default:
      throw new Error(`no reference of ${fn}`);
  }
}

type AggregateOperator = Extract<StageOperator, { kind: 'aggregate' }>;
function aggregated(rows: readonly Row[], { keys, aggregates, phase }: Pick<AggregateOperator, 'keys' | 'aggregates' | 'phase'>): Row[] {
  const each = (group: readonly Row[]): Row =>
    Object.fromEntries(
      aggregates.map((aggregate) => {
        // Between the phases travels all that was seen.
        if (phase === 'partial') return [aggregate.name, seen(aggregate, group) as unknown as Value];
        return [
          aggregate.name,
          resultOf(aggregate, phase === 'final' ? group.flatMap((row) => row[aggregate.name] as unknown as Seen[]) : seen(aggregate, group)),
        ];
      }),
    );
  return groups(rows, keys).map((group) => ({ ...Object.fromEntries(keys.map((key) => [key, group[0]![key]!])), ...each(group) }));
}

type Window = Pick<Extract<PlanNode, { kind: 'window' }>, 'partitionBy' | 'orderBy' | 'functions'>;
/** Partition after partition in the order of the node's keys, each function from the rows it sees. */
function windowed(rows: readonly Row[], { partitionBy, orderBy, functions }: Window): Row[] {
  const keys = partitionBy.map((name) => ({ name, descending: false }));
  const all = sorted(rows, [...keys, ...orderBy], null);
  return all.map((row) => {
    const partition = all.filter((other) => compareRows(other, row, keys) === 0);
    return { ...row, ...Object.fromEntries(functions.map((of) => [of.name, windowValue(of, partition, partition.indexOf(row), orderBy)])) };
  });
}

function windowValue(of: WindowFunction, partition: readonly Row[], at: number, orderBy: readonly SortKey[]): Value {
  const row = partition[at]!;
  const peers = partition.filter((other) => compareRows(other, row, orderBy) === 0);
  const [first, end] = [partition.indexOf(peers[0]!), partition.indexOf(peers.at(-1)!) + 1];
  const n = partition.length;
  switch (of.fn) {
    case 'rowNumber':
      return at + 1;
    case 'rank':
      return first + 1;
    case 'denseRank':
      return partition.filter((other, i) => i <= at && (i === 0 || compareRows(partition[i - 1]!, other, orderBy) !== 0)).length;
    case 'percentRank':
      return n < 2 ? 0 : first / (n - 1);
    case 'cumeDist':
      return end / n;
    case 'ntile': {
      const parts = Number(of.options![0]);
      const sizes = Array.from({ length: parts }, (_, k) => Math.floor(n / parts) + (k < n % parts ? 1 : 0));
      return sizes.findIndex((_, k) => at < sizes.slice(0, k + 1).reduce((total, size) => total + size, 0)) + 1;
    }
    case 'lag':
    case 'lead': {
      const other = partition[at + (of.fn === 'lag' ? -1 : 1) * Number(of.options![0])];
      if (other !== undefined) return evaluate(of.argument!, other);
      return of.more === undefined ? null : evaluate(of.more[0]!, row);
    }
    default:
      return resultOf(of, seen(of, framedRows(of, partition, at, orderBy)));
  }
}

function framedRows({ frame }: WindowFunction, partition: readonly Row[], at: number, orderBy: readonly SortKey[]): readonly Row[] {
  const { unit, start, end } = frame;
  if (unit === 'rows') return partition.filter((_, i) => (start === null || i >= at + start) && (end === null || i <= at + end));
  const [key] = orderBy;
  /** Whether the other row is not before (sign 1) or not behind (-1) the bound. */
  const within = (other: Row, bound: number | null, sign: number): boolean => {
    if (bound === null) return true;
    const [mine, its] = [partition[at]![key?.name ?? ''] ?? null, other[key?.name ?? ''] ?? null];
    if (bound === 0 || mine === null) return compareRows(other, partition[at]!, orderBy) * sign >= 0;
    if (its === null) return sign > 0;
    const turned = key!.descending ? -1 : 1;
    return compareValues(Number(its), Number(mine) + turned * bound) * turned * sign >= 0;
  };
  const isNull = (row: Row): boolean => (row[key?.name ?? ''] ?? null) === null;
  return partition.filter((other) => {
    // From a row with a key, distances reach no row without one.
    const reach = (bound: number | null): boolean => bound === null || bound === 0 || isNull(partition[at]!) || !isNull(other);
    return within(other, start, 1) && within(other, end, -1) && (end === null || reach(end)) && (reach(start) || end === null || end === 0);
  });
}

function sorted(rows: readonly Row[], keys: readonly SortKey[], limit: number | null): Row[] {
  return [...rows].sort((a, b) => compareRows(a, b, keys)).slice(0, limit ?? undefined);
}

export function compareRows(a: Row, b: Row, keys: readonly SortKey[]): number {
  for (const { name, descending } of keys) {
    const [x, y] = [a[name] ?? null, b[name] ?? null];
    const order = x === null || y === null ? Number(x === null) - Number(y === null) : compareValues(x, y) * (descending ? -1 : 1);
    if (order !== 0) return order;
  }
  return 0;
}

type Join = Pick<Extract<PlanNode, { kind: 'join' }>, 'how' | 'leftKeys' | 'rightKeys' | 'prefix' | 'where' | 'nullsEqual' | 'asOf'>;
function joined(
  left: readonly Row[],
  right: readonly Row[],
  { how, leftKeys, rightKeys, prefix, where, nullsEqual, asOf }: Join,
  schema: Schema,
): Row[] {
  const renamed = (row: Row): Row =>
    Object.fromEntries(Object.entries(row).flatMap(([name, value]) => (rightKeys.includes(name) ? [] : [[prefix + name, value]])));
  const isKnown = (row: Row, keys: readonly string[]): boolean => nullsEqual === true || keys.every((key) => row[key] !== null);
  const marked = (row: Row): Row => Object.fromEntries(Object.entries(row).map(([name, value]) => [rightMark + name, value]));
  const matches = (row: Row, other: Row): boolean =>
    isKnown(row, leftKeys) &&
    isKnown(other, rightKeys) &&
    keyOf(other, rightKeys) === keyOf(row, leftKeys) &&
    (where === null || evaluate(where, { ...row, ...marked(other) }) === true);
  const given = left.flatMap((row) => {
    const all = right.filter((other) => matches(row, other));
    const found = asOf === undefined ? all : lastAsOf(row, all, asOf);
    if (how === 'semi' || how === 'anti') return found.length > 0 === (how === 'semi') ? [row] : [];
    const rows = found.map((match) => ({ ...row, ...renamed(match) }));
    return rows.length === 0 && (how === 'left' || how === 'full') ? [row] : rows;
  });
  const rest = how === 'right' || how === 'full' ? right.filter((other) => !left.some((row) => matches(row, other))) : [];
  const ofRight = rest.map((row) => ({ ...renamed(row), ...Object.fromEntries(leftKeys.map((key, k) => [key, row[rightKeys[k]!]!])) }));
  return [...given, ...ofRight].map((each) => pick(each, schema));
}

/** The last of them that is not behind the row, if there is one. */
function lastAsOf(row: Row, others: readonly Row[], { left, right }: AsOf): Row[] {
  const isBefore = (other: Row): boolean => row[left] !== null && other[right] !== null && compareValues(other[right]!, row[left]!) <= 0;
  return others
    .filter(isBefore)
    .reduce<Row[]>(([best], other) => (best === undefined || compareValues(best[right]!, other[right]!) <= 0 ? [other] : [best]), []);
}

const scanned = (rows: readonly Row[], columns: readonly string[], predicate: Expression | null): Row[] =>
  // A source may leave out what the predicate excludes; here it always does.
  rows
    .filter((row) => predicate === null || evaluate(predicate, row) === true)
    .map((row) => Object.fromEntries(columns.map((name) => [name, row[name]!])));

const shared = (node: PlanNode | StageOperator, input: readonly Row[]): Row[] | null => {
  switch (node.kind) {
    case 'values':
      return node.rows.map((values) => Object.fromEntries(node.schema.map(({ name }, i) => [name, values[i]! as Value])));
    case 'filter':
      return input.filter((row) => evaluate(node.condition, row) === true);
    case 'project':
      return input.map((row) => Object.fromEntries(node.columns.map(({ name, expression }) => [name, evaluate(expression, row)])));
    case 'expand':
      return input.flatMap((row) =>
        node.projections.map((columns) => Object.fromEntries(columns.map(({ name, expression }) => [name, evaluate(expression, row)]))),
      );
    case 'unnest':
      return input.flatMap((row) => {
        const items = (row[node.column] ?? []) as unknown as readonly Value[];
        const given = items.length > 0 ? items.map((item, i) => ({ item, place: i + 1 })) : node.outer ? [{ item: null, place: null }] : [];
        return given.map(({ item, place }) =>
          Object.fromEntries(node.schema.map(({ name }) => [name, name === node.item ? item : name === node.ordinality ? place : row[name]!])),
        );
      });
    case 'window':
      return windowed(input, node);
    case 'top-groups':
      return groups(sorted(input, node.orderBy, null), node.keys).flatMap((group) => group.slice(0, node.count));
    case 'sort':
      return sorted(input, node.keys, node.limit);
    case 'keys': {
      const keys = groups(input, node.keys).map(([row]) => Object.fromEntries(node.keys.map((name) => [name, row![name]!])));
      return keys.length <= node.upTo ? keys : [Object.fromEntries(node.keys.map((name) => [name, null]))];
    }
    case 'limit':
      return input.slice(0, node.count);
    default:
      return null;
  }
};

/** What the plan gives, node by node. */
export function runPlan(plan: Plan, sources: Sources): Outputs {
  const outputs: Outputs = {};
  const given: Row[][] = [];
  for (const node of plan.nodes) {
    const input = 'input' in node ? given[node.input]! : [];
    if (node.kind === 'sink') outputs[node.name] = input;
    if (node.kind === 'scan') given.push(scanned(sources[node.uid]!, node.columns, node.predicate));
    else if (node.kind === 'aggregate') given.push(aggregated(input, { ...node, phase: 'complete' }));
    else if (node.kind === 'join') given.push(joined(given[node.left]!, given[node.right]!, node, node.schema));
    else if (node.kind === 'union') given.push(node.inputs.flatMap((each) => given[each]!));
    else given.push(shared(node, input) ?? input);
    const names = node.schema.map(({ name }) => name).sort();
    for (const row of given.at(-1)!) {
      if (Object.keys(row).sort().join() !== names.join()) throw new Error(`${node.uid} gives ${Object.keys(row)}, its schema is ${names}`);
    }
  }
  if (plan.result !== null) outputs['result'] = given[plan.result]!;
  return outputs;
}

/** What the stages give, task by task: `width` splits of each scan, `width` partitions of each edge. */
export function runStages(graph: StageGraph, sources: Sources, width: number): Outputs {
  const outputs: Outputs = {};
  /** By edge: map task -> partition -> rows. */
  const stored: Row[][][][] = graph.edges.map(() => []);
  const samples = new Map<number, Row[]>();
  const done = new Set<number>();

  const partitionOf = (row: Row, edge: number, task: number): number => {
    const { distribution } = graph.edges[edge]!;
    switch (distribution.kind) {
      case 'hash':
        return [...keyOf(row, distribution.keys)].reduce((h, c) => (h * 31 + c.charCodeAt(0)) >>> 0, 7) % width;
      case 'range': {
        const sample = [...samples.get(distribution.sampledBy)!].sort((a, b) => compareRows(a, b, distribution.keys));
        const bounds = Array.from({ length: width - 1 }, (_, i) => sample[Math.floor(((i + 1) * sample.length) / width)]).filter(
          (bound) => bound !== undefined,
        );
        return bounds.filter((bound) => compareRows(row, bound, distribution.keys) >= 0).length;
      }
      case 'forward':
        return task;
      default:
        return 0;
    }
  };

  const runTask = (stage: number, task: number): void => {
    const given: Row[][] = [];
    for (const operator of graph.stages[stage]!.operators) {
      const input = 'input' in operator ? given[operator.input]! : [];
      switch (operator.kind) {
        case 'scan':
          given.push(
            scanned(
              sources[operator.uid]!.filter((_, i, all) => Math.floor((i * width) / all.length) === task),
              operator.columns,
              operator.predicate,
            ),
          );
          break;
        case 'fetch': {
          const broadcast = graph.edges[operator.edge]!.distribution.kind === 'broadcast';
          const partition = graph.stages[stage]!.parallelism.kind === 'partitions' && !broadcast ? task : 0;
          const maps = stored[operator.edge]!;
          const rows = maps.map((partitions) => partitions[partition] ?? []);
          // What is not asked for in order comes in another one.
          given.push((operator.ordered ? rows : rows.reverse()).flat());
          break;
        }
        case 'aggregate':
          given.push(aggregated(input, operator));
          break;
        case 'join':
          given.push(
            joined(
              given[operator.probe]!,
              given[operator.build]!,
              { ...operator, leftKeys: operator.probeKeys, rightKeys: operator.buildKeys },
              operator.schema,
            ),
          );
          break;
        case 'union':
          given.push(operator.inputs.flatMap((each) => given[each]!));
          break;
        case 'sample':
          samples.set(stage, [...(samples.get(stage) ?? []), ...input]);
          given.push(input);
          break;
        case 'store': {
          const partitions: Row[][] = [];
          for (const row of input) {
            const at = partitionOf(row, operator.edge, task);
            partitions[at] = [...(partitions[at] ?? []), row];
          }
          stored[operator.edge]![task] = partitions;
          given.push(input);
          break;
        }
        case 'sink':
          outputs[operator.name] = [...(outputs[operator.name] ?? []), ...input];
          given.push(input);
          break;
        default:
          given.push(shared(operator, input)!);
      }
    }
  };

  while (done.size < graph.stages.length) {
    const next = graph.stages.find(({ id, after }) => !done.has(id) && after.every((each) => done.has(each)));
    if (next === undefined) throw new Error('stages wait for each other');
    const tasks = next.parallelism.kind === 'single' ? 1 : width;
    for (let task = 0; task < tasks; task++) runTask(next.id, task);
    done.add(next.id);
  }
  if (graph.result !== null)
    outputs['result'] = Array.from({ length: width }, (_, p) => stored[graph.result!]!.flatMap((partitions) => partitions[p] ?? [])).flat();
  return outputs;
}
