/** The job of a case: its description, given as a param, becomes tables by the fluent API, called as a user would call it. */
import {
  bool,
  bytes,
  count,
  csv,
  cumeDist,
  date,
  decimal,
  denseRank,
  desc,
  float32,
  float64,
  int8,
  int32,
  int64,
  integer,
  job,
  list,
  lit,
  localTimestamp,
  ntile,
  parquet,
  percentRank,
  rank,
  rowNumber,
  struct,
  Type,
  time,
  timestamp,
  udf,
  uint16,
  uint32,
  uint64,
  utf8,
  when,
} from 'sluice';
import type { AggregateSpec, Case, Expr, Kind, Step } from './case.ts';
import { rowFunction } from './rows.ts';

/** The fluent API without its types: a description is data, and its types are known when it runs. */
type Loose = Record<string, (...given: unknown[]) => Loose>;
type Cells = Record<string, Loose>;

const declared = {
  bool,
  int32,
  integer,
  int64,
  float64,
  utf8,
  date,
  timestamp,
  decimal: () => decimal(12, 2),
  wide: () => decimal(30, 4),
  total: () => decimal(38, 2),
  wideTotal: () => decimal(38, 4),
  int8,
  uint16,
  uint32,
  uint64,
  float32,
  bytes,
  time,
  localTimestamp,
  localNs: () => localTimestamp({ unit: 'ns' }),
} as const;
const typeOf = (kind: Kind, nullable: boolean) => (nullable ? declared[kind]().nullable() : declared[kind]());

const ofList = list(int32().nullable()).nullable();
const ofStruct = struct({ a: int32().nullable(), b: list(utf8().nullable()).nullable() }).nullable();

const twice = udf([float64().nullable()], float64().nullable(), (x) => (x === null ? null : x * 2));
const initial = udf([utf8().nullable(), bool()], utf8().nullable(), (text, loud) => (text === null ? null : loud ? `${text}!` : text));

/** A literal as plain value where the column beside it gives the type, else by `lit`. */
const literal = ({ value, kind }: Extract<Expr, { op: 'literal' }>): unknown => {
  const given = kind === 'int64' && value !== null ? BigInt(value as string) : value;
  return lit(given as never, typeOf(kind, value === null) as never);
};
const operand = (expr: Expr, cells: Cells): unknown => {
  if (expr.op !== 'literal' || expr.value === null) return expression(expr, cells);
  return expr.kind === 'int64' ? BigInt(expr.value as string) : expr.value;
};

function expression(expr: Expr, cells: Cells): unknown {
  if (expr.op === 'column') return expr.side === undefined ? cells[expr.name] : cells[expr.side]![expr.name];
  if (expr.op === 'literal') return literal(expr);
  const { fn, args, option, more = [] } = expr;
  if (fn === 'twice') return twice(expression(args[0]!, cells) as never);
  if (fn === 'initial') return initial(expression(args[0]!, cells) as never, expression(args[1]!, cells) as never);
  if (fn === 'when') {
    const parts = args.map((arg) => expression(arg, cells));
    let choice = when(parts[0] as never, parts[1] as never) as unknown as Loose;
    for (let k = 2; k + 1 < parts.length; k += 2) choice = choice['when']!(parts[k], parts[k + 1]);
    return choice['otherwise']!(parts.at(-1));
  }
  const [self, ...rest] = args;
  const on = expression(self!, cells) as Loose;
  if (fn === 'cast' || fn === 'tryCast') return on[fn]!(typeOf(expr.kind, false));
  // A pattern is written as users write one.
  if (fn === 'matches' || fn === 'extract' || fn === 'replaceMatches') return on[fn]!(new RegExp(String(more[0]), `u${more[1]}`), ...more.slice(2));
  if (fn === 'in' && rest.every(({ op }) => op === 'literal'))
    return on['in']!(
      rest.map((each) => (each.op === 'literal' && each.kind === 'int64' ? BigInt(each.value as string) : (each as { value: unknown }).value)),
    );
  if (fn === 'in') return on['in']!(rest.map((each) => operand(each, cells)));
  return on[fn]!(...rest.map((arg) => operand(arg, cells)), ...more, ...(option === undefined ? [] : [option]));
}

function aggregate({ fn, arg, filter, option, by }: AggregateSpec, cells: Cells): unknown {
  const options = [...(option === undefined ? [] : [option]), ...(by === undefined ? [] : [{ orderBy: expression(by, cells) }])];
  const plain = arg === null ? (count() as unknown as Loose) : (expression(arg, cells) as Loose)[fn]!(...options);
  return filter === null ? plain : plain['filter']!(expression(filter, cells));
}

const overOf = ({ partitionBy, orderBy }: Pick<Extract<Step, { op: 'window' }>, 'partitionBy' | 'orderBy'>, cells: Cells) => ({
  partitionBy: partitionBy.map((name) => cells[name]),
  orderBy: orderBy.map(({ name, descending }) => (descending ? desc(cells[name] as never) : cells[name])),
});
const ranked = { rank, denseRank, rowNumber, percentRank, cumeDist, ntile } as unknown as Readonly<Record<string, (parts?: number) => Loose>>;

function windowed({ functions, partitionBy, orderBy }: Extract<Step, { op: 'window' }>, cells: Cells): Record<string, unknown> {
  const over = overOf({ partitionBy, orderBy }, cells);
  return Object.fromEntries(
    functions.map((each) => {
      const { name, fn, arg, option, by, frame } = each;
      const isShift = fn === 'lag' || fn === 'lead';
      const beyond = by === undefined ? [] : [operand(by, cells)];
      const made = isShift ? (expression(arg!, cells) as Loose)[fn]!(option, ...beyond) : (ranked[fn]?.(option) ?? (aggregate(each, cells) as Loose));
      return [name, made['over']!({ ...over, ...(frame === undefined ? {} : { frame: { [frame.unit]: frame.bounds } }) })];
    }),
  );
}

/**
 * Sketches beside what they are about: a count is within six standard errors, the true share of a quantile within what is promised and a
 * place between two values; of few values it is exact.
 */
function approximate({ keys, column, number, share, made }: Extract<Step, { op: 'approximate' }>, input: Loose): Loose {
  const near = 0.0125;
  const of = (cells: Cells): Record<string, Loose> => {
    const value = cells[number]!['cast']!(float64());
    return {
      [made.exact]: cells[column]!['countDistinct']!(),
      [made.nearCount]: cells[column]!['approxCountDistinct']!(),
      [made.nearQuantile]: value['approxQuantile']!(share),
      few: value['count']!(),
      low: value['quantile']!(Math.max(0, share - near)),
      same: value['quantile']!(share),
      high: value['quantile']!(Math.min(1, share + near)),
    };
  };
  const grouped = keys.length === 0 ? input['aggregate']!(of) : input['groupBy']!(...keys)['aggregate']!(of);
  return grouped['derive']!((cells: Cells) => {
    const [exact, about, quantile] = [cells[made.exact]!, cells[made.nearCount]!, cells[made.nearQuantile]!];
    const isSame = quantile['eq']!(cells['same']);
    const isNear = quantile['between']!(cells['low'], cells['high']);
    return {
      [made.nearCount]: about['sub']!(exact)['abs']!()['cast']!(float64())['lte']!(exact['cast']!(float64())['mul']!(0.1)['add']!(3)),
      [made.nearQuantile]: (when(cells['few']!['lte']!(400) as never, isSame as never) as unknown as Loose)['otherwise']!(isNear)['coalesce']!(true),
    };
  })['drop']!('few', 'low', 'same', 'high');
}

const computed = (columns: readonly { readonly name: string; readonly expr: Expr }[]) => (cells: Cells) =>
  Object.fromEntries(columns.map(({ name, expr }) => [name, expression(expr, cells)]));

/** Reads a case from JSON, so that all that is in it crosses to an executor as params do. */
export default job({
  name: 'oracle',
  params: { description: Type.String(), folder: Type.String(), values: Type.String({ default: '[]' }), out: Type.String() },
  build(flow, { description, folder, values, out }) {
    const one = JSON.parse(description) as Case;
    const written = JSON.parse(values) as Readonly<Record<string, readonly Record<string, unknown>[]>>;
    const tables: Loose[] = [];
    const read = (at: number): unknown => {
      const { format, columns } = one.sources[at]!;
      const { nested } = one.sources[at]!;
      const schema = {
        ...Object.fromEntries(columns.map(({ name, kind, nullable }) => [name, typeOf(kind, nullable)])),
        ...(nested === undefined ? {} : { [nested.struct.name]: ofStruct, [nested.list.name]: ofList }),
      };
      if (format === 'values') {
        const rows = (written[at] ?? []).map((row) =>
          Object.fromEntries(
            columns.map(({ name, kind }) => {
              const value = row[name];
              return [name, value !== null && kind === 'int64' ? BigInt(value as string) : value];
            }),
          ),
        );
        return flow.rows(schema, rows as never);
      }
      const path = `${folder}/source-${at}/*.${format}`;
      return flow.read(format === 'csv' ? csv(path, { schema }) : parquet(path, { schema }));
    };
    const table = (step: Step): unknown => {
      if (step.op === 'read') return read(step.source);
      if (step.op === 'join') {
        const { left, right, how, on, prefix, asOf, where } = step;
        const same = on.every(([l, r]) => l === r);
        const keys = same ? (on.length === 1 ? on[0]![0] : on.map(([l]) => l)) : Object.fromEntries(on);
        const isCross = on.length === 0 && asOf === null && where === null;
        const options = {
          ...(on.length > 0 ? { on: keys } : {}),
          ...(asOf === null ? {} : { asOf: { left: asOf[0], right: asOf[1] } }),
          ...(isCross ? { how: 'cross' } : how === 'inner' ? {} : { how }),
          ...(prefix === '' ? {} : { prefix }),
        };
        if (where === null) return tables[left]!['join']!(tables[right], options);
        return tables[left]!['join']!(tables[right], options, (l: Loose, r: Loose) => expression(where, { left: l, right: r }));
      }
      if ('left' in step) return tables[step.left]![step.op]!(tables[step.right]);
      const input = tables[step.input]!;
      switch (step.op) {
        case 'filter':
          return input['filter']!((cells: Cells) => expression(step.condition, cells));
        case 'derive':
          return input['derive']!(computed(step.columns));
        case 'select':
          return input['select']!(...step.names, ...(step.columns.length > 0 ? [computed(step.columns)] : []));
        case 'drop':
          return input['drop']!(...step.names);
        case 'rename':
          return input['rename']!(step.names);
        case 'dropNulls':
          return input['dropNulls']!(...step.names);
        case 'aggregate': {
          const give = (cells: Cells) => Object.fromEntries(step.aggregates.map((each) => [each.name, aggregate(each, cells)]));
          if (step.keys.length + step.computed.length === 0) return input['aggregate']!(give);
          return input['groupBy']!(...step.keys, ...(step.computed.length > 0 ? [computed(step.computed)] : []))['aggregate']!(give);
        }
        case 'window':
          return input['derive']!((cells: Cells) => windowed(step, cells));
        case 'subtotals': {
          const give = (cells: Cells) => Object.fromEntries(step.aggregates.map((each) => [each.name, aggregate(each, cells)]));
          const sets = step.verb === 'groupingSets' ? [step.sets] : [];
          return input['groupBy']!(...step.keys)[step.verb]!(...sets, { id: step.id })['aggregate']!(give);
        }
        case 'unpivot':
          return input['unpivot']!({ columns: step.names, name: step.name, value: step.value });
        case 'open': {
          const { struct: s, list: l, carry, made, at, wanted, item, place, outer } = step;
          const moved =
            carry.verb === 'none'
              ? input
              : carry.verb === 'filter'
                ? input['filter']!((cells: Cells) => cells[l]!['length']!()['gt']!(1))
                : input[carry.verb]!(carry.key);
          const opened = moved['derive']!((cells: Cells) => ({
            [made.field]: cells[s]!['field']!('a'),
            [made.tag]: cells[s]!['field']!('b')['at']!(at),
            [made.length]: cells[l]!['length']!(),
            [made.has]: cells[l]!['contains']!(wanted),
          }));
          if (item === null) return opened['drop']!(s, l);
          return opened['drop']!(s)['unnest']!(l, { as: item, outer, ...(place === null ? {} : { ordinality: place }) });
        }
        case 'split': {
          const { text, by, name, place, outer } = step;
          const parts = input['derive']!((cells: Cells) => ({ [name]: cells[text]!['split']!(by) }));
          return parts['unnest']!(name, { outer, ...(place === null ? {} : { ordinality: place }) });
        }
        case 'gather': {
          const { keys, column, name, count: many } = step;
          const gathered = input['groupBy']!(...keys)['aggregate']!((cells: Cells) => ({ [name]: cells[column]!['toList']!() }));
          return gathered['derive']!((cells: Cells) => ({ [many]: cells[name]!['length']!() }))['unnest']!(name);
        }
        case 'pivot': {
          const { keys, key, values: chosen, names, aggregate: spec } = step;
          const pivoted = input['groupBy']!(...keys)['pivot']!({ key, values: chosen, aggregate: (cells: Cells) => aggregate(spec, cells) });
          return pivoted['rename']!(Object.fromEntries(names.map((name, k) => [String(chosen[k]), name])));
        }
        case 'distinct':
          return input['distinct']!(...step.names);
        case 'topGroups': {
          const { fn, partitionBy, orderBy, count: most } = step;
          return input['filter']!((cells: Cells) => ranked[fn]!()['over']!(overOf({ partitionBy, orderBy }, cells))['lte']!(most));
        }
        case 'inOrder': {
          const { keys, column, text, separator, at, made } = step;
          const gathered = input['groupBy']!(...keys)['aggregate']!((cells: Cells) => ({
            [made.first]: cells[column]!['first']!(),
            [made.last]: cells[column]!['last']!(),
            [made.one]: cells[column]!['toList']!(),
            ...(text === null ? {} : { [made.joined]: cells[text]!['joinText']!(separator) }),
          }));
          return gathered['derive']!((cells: Cells) => ({ [made.one]: cells[made.one]!['at']!(at), [made.length]: cells[made.one]!['length']!() }));
        }
        case 'approximate':
          return approximate(step, input);
        case 'sample': {
          const { by, fraction, seed } = step;
          if (by === null) {
            const all = input['distinct']!();
            const some = all['sample']!(fraction, { seed });
            return some['union']!(all['except']!(some));
          }
          const some = input['sample']!(fraction, { seed, by: [by] });
          return some['union']!(input['join']!(some['select']!(by), { on: by, how: 'anti' }));
        }
        case 'rows': {
          const { verb, columns, name, isAsync, ordered } = step;
          const options = isAsync ? { concurrency: 5, ordered } : {};
          if (verb === 'filterRows') return input['filterRows']!(rowFunction(step), options);
          const added = { [name]: int32().nullable() };
          if (verb === 'deriveRows') return input['deriveRows']!(added, rowFunction(step), options);
          const all = Object.fromEntries(columns.map((column) => [column.name, typeOf(column.kind, true)]));
          return input[verb]!({ ...all, ...added }, rowFunction(step), options);
        }
        case 'repartition':
          return input['repartition']!(...step.keys);
        case 'orderBy':
          return input['orderBy']!(...step.keys.map(({ name, descending }) => (descending ? desc(name) : name)));
        case 'limit':
          return input['limit']!(step.count);
      }
    };
    for (const step of one.steps) tables.push(table(step) as Loose);
    let result: unknown;
    one.outputs.forEach(({ step, to, partitionBy }, at) => {
      if (to === 'result') result = tables[step];
      else if (to === 'csv') tables[step]!['write']!(csv(`${out}/output-${at}.csv`));
      else tables[step]!['write']!(parquet(`${out}/output-${at}`, { partitionBy: partitionBy as never }));
    });
    return result as never;
  },
});
