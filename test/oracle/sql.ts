/** A case as SQL for DuckDB: every step a common table expression over the ones before. What differs in name only is translated here. */
import { carried, carriedKinds, isCarried, isDecimal } from './carried.ts';
import type { AggregateSpec, CarriedKind, Case, Expr, Frame, Key, Kind, Named, Output, SourceTable, Step } from './case.ts';
import { nestedNames, nestedSql } from './nested.ts';
import { rowsSql } from './rows.ts';

export const sqlType: Readonly<Record<Kind, string>> = {
  bool: 'BOOLEAN',
  int32: 'INTEGER',
  integer: 'BIGINT',
  int64: 'BIGINT',
  float64: 'DOUBLE',
  utf8: 'VARCHAR',
  date: 'DATE',
  timestamp: 'TIMESTAMP',
  ...(Object.fromEntries(carriedKinds.map((kind) => [kind, carried[kind].sql])) as Record<CarriedKind, string>),
};

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;
const infix: Readonly<Record<string, string>> = {
  eq: '=',
  ne: '<>',
  lt: '<',
  lte: '<=',
  gt: '>',
  gte: '>=',
  and: 'AND',
  or: 'OR',
  add: '+',
  sub: '-',
  mul: '*',
  div: '/',
  mod: '%',
  concat: '||',
};

function literal({ value, kind }: Extract<Expr, { op: 'literal' }>): string {
  if (value === null) return `NULL::${sqlType[kind]}`;
  // The decimal of its digits, here and there.
  if (isDecimal(kind)) return `(${value})`;
  if (typeof value === 'string') return `${text(value)}::${sqlType[kind]}`;
  return `(${String(value)})::${sqlType[kind]}`;
}

export function expressionSql(expr: Expr): string {
  if (expr.op === 'column') return `${expr.side === undefined ? '' : `${expr.side[0]}.`}${quoted(expr.name)}`;
  if (expr.op === 'literal') return literal(expr);
  const { fn, option, sql } = expr;
  const args = expr.args.map(expressionSql);
  if (sql !== undefined) return `CAST((${sql.replaceAll(/\$(\d)/g, (_, k) => args[Number(k) - 1]!)}) AS ${sqlType[expr.kind]})`;
  const [a, b, c] = args as [string, string, string];
  const operator = infix[fn];
  if (operator !== undefined) return `(${a} ${operator} ${b})`;
  switch (fn) {
    case 'between':
      return `(${a} BETWEEN ${b} AND ${c})`;
    case 'in':
      return `(${a} IN (${args.slice(1).join(', ')}))`;
    case 'isNull':
      return `(${a} IS NULL)`;
    case 'isNotNull':
      return `(${a} IS NOT NULL)`;
    case 'not':
      return `(NOT ${a})`;
    case 'neg':
      return `(-${a})`;
    case 'cast':
      return `CAST(${a} AS ${sqlType[expr.kind]})`;
    case 'round':
      return `round(${a}, ${option ?? 0})`;
    case 'length':
    case 'hour':
    case 'year':
    case 'month':
    case 'day':
      return `${fn}(${a})::INTEGER`;
    case 'startsWith':
      return `starts_with(${a}, ${b})`;
    case 'endsWith':
      return `ends_with(${a}, ${b})`;
    case 'includes':
      return `contains(${a}, ${b})`;
    case 'like':
      return `(${a} LIKE ${text(String(option))})`;
    case 'slice': {
      const [, from, to] = expr.args.map((each) => (each.op === 'literal' ? Number(each.value) : 0));
      if (from! < 0) return `right(${a}, ${-from!})`;
      return to === undefined ? `substr(${a}, ${from! + 1})` : `substr(${a}, ${from! + 1}, ${to - from!})`;
    }
    case 'truncate':
      return `date_trunc(${text(String(option))}, ${a})::${sqlType[expr.kind]}`;
    case 'plus':
    case 'minus': {
      const [amount, unit] = String(option).split(' ') as [string, string];
      const name = { ms: 'milliseconds', s: 'seconds', min: 'minutes', h: 'hours', d: 'days' }[unit];
      return `(${a} ${fn === 'plus' ? '+' : '-'} to_${name}(${amount}))`;
    }
    case 'millisSince':
      return `((epoch_us(${a}) - epoch_us(${b})) // 1000)`;
    case 'epochMillis':
      // Rounds down, where DuckDB's epoch_ms rounds towards zero.
      return `(epoch_us(${a}) // 1000 - CASE WHEN epoch_us(${a}) % 1000 < 0 THEN 1 ELSE 0 END)`;
    case 'date':
      return `${a}::DATE`;
    case 'when': {
      const pairs = args.slice(0, -1).flatMap((part, k) => (k % 2 === 0 ? [`WHEN ${part} THEN ${args[k + 1]}`] : []));
      return `(CASE ${pairs.join(' ')} ELSE ${args.at(-1)} END)`;
    }
    case 'twice':
      return `(${a} * 2)`;
    case 'initial':
      return `(CASE WHEN ${b} THEN ${a} || '!' ELSE ${a} END)`;
    default:
      return `${fn}(${args.join(', ')})`;
  }
}

const namedSql = ({ name, expr }: Named): string => `${expressionSql(expr)} AS ${quoted(name)}`;
export const orderSql = (keys: readonly Key[]): string =>
  keys.map(({ name, descending }) => `${quoted(name)} ${descending ? 'DESC' : 'ASC'} NULLS LAST`).join(', ');

const functionSql: Readonly<Record<string, string>> = {
  countDistinct: 'count(DISTINCT ',
  stddevPop: 'stddev_pop(',
  stddev: 'stddev_samp(',
  variancePop: 'var_pop(',
  variance: 'var_samp(',
  quantile: 'quantile_cont(',
  percentRank: 'percent_rank(',
  cumeDist: 'cume_dist(',
  denseRank: 'dense_rank(',
  rowNumber: 'row_number(',
};

const boundSql = (bound: number | null, none: string): string =>
  bound === null ? none : bound === 0 ? 'CURRENT ROW' : `${Math.abs(bound)} ${bound < 0 ? 'PRECEDING' : 'FOLLOWING'}`;
const frameSql = ({ unit, bounds: [from, to] }: Frame): string =>
  ` ${unit.toUpperCase()} BETWEEN ${boundSql(from, 'UNBOUNDED PRECEDING')} AND ${boundSql(to, 'UNBOUNDED FOLLOWING')}`;

/** What stands between the parentheses. */
function argumentsSql({ fn, arg, option, by }: AggregateSpec, isWindow: boolean): string {
  const of = arg === null ? '' : expressionSql(arg);
  switch (fn) {
    case 'count':
      return arg === null ? '*' : of;
    case 'quantile':
      return `${of}::DOUBLE, ${option}`;
    case 'ntile':
      return String(option);
    case 'lag':
    case 'lead':
      return [of, option ?? 1, ...(by === undefined ? [] : [expressionSql(by)])].join(', ');
    case 'first':
    case 'last':
      return isWindow || by === undefined ? of : `${of} ORDER BY ${expressionSql(by)} NULLS LAST`;
    default:
      return of;
  }
}

/** @param over  partitions and order of a window; null: it is of groups */
function aggregateSql(spec: AggregateSpec, over: string | null = null): string {
  const { name, fn, arg, filter, frame } = spec;
  const inner = argumentsSql(spec, over !== null);
  const kept = filter === null ? '' : ` FILTER (WHERE ${expressionSql(filter)})`;
  // DuckDB sums whole numbers in 128 bits.
  const whole = fn === 'sum' && arg !== null && arg.kind !== 'float64' && !isDecimal(arg.kind);
  const value = `${functionSql[fn] ?? `${fn}(`}${inner})${kept}${over === null ? '' : ` OVER (${over}${frame === undefined ? '' : frameSql(frame)})`}`;
  return `${whole ? `CAST(${value} AS BIGINT)` : value} AS ${quoted(name)}`;
}

/** @param columns  by step: the names of its columns in order */
function stepSql(step: Step, columns: readonly (readonly string[])[], one: Case): string {
  if (step.op === 'read') return `SELECT ${columns[one.steps.indexOf(step)]!.map(quoted).join(', ')} FROM source_${step.source}`;
  if (step.op === 'join') {
    const { left, right, how, on, prefix, asOf, where } = step;
    const rightKeys = on.map(([, r]) => r);
    const added = columns[right]!.filter((name) => !rightKeys.includes(name)).map((name) => `r.${quoted(name)} AS ${quoted(prefix + name)}`);
    const mayMiss = how === 'right' || how === 'full';
    const own = columns[left]!.map((name) => {
      const key = mayMiss ? on.find(([l]) => l === name) : undefined;
      const cell = `l.${quoted(name)}`;
      return `${key === undefined ? cell : `COALESCE(${cell}, r.${quoted(key[1])})`} AS ${quoted(name)}`;
    });
    // A null takes the last row in DuckDB where tables are large, see docs/SEMANTICS.md.
    const isKnown = asOf === null ? '' : `l.${quoted(asOf[0])} IS NOT NULL`;
    if (asOf !== null && how === 'left')
      for (const [i, cell] of added.entries()) added[i] = cell.replace(/^(.*) AS /, `CASE WHEN ${isKnown} THEN $1 END AS `);
    const list = [...own, ...(how === 'semi' || how === 'anti' ? [] : added)].join(', ');
    const last = asOf === null ? [] : [`l.${quoted(asOf[0])} >= r.${quoted(asOf[1])}`];
    const tests = [...on.map(([l, r]) => `l.${quoted(l)} = r.${quoted(r)}`), ...last, ...(where === null ? [] : [expressionSql(where)])];
    const match = tests.length === 0 ? 'TRUE' : tests.join(' AND ');
    if (where !== null && (how === 'semi' || how === 'anti'))
      return `SELECT * FROM step_${left} l WHERE ${how === 'semi' ? '' : 'NOT '}EXISTS (SELECT 1 FROM step_${right} r WHERE ${match})`;
    return `SELECT ${list} FROM step_${left} l ${asOf === null ? '' : 'ASOF '}${how.toUpperCase()} JOIN step_${right} r ON ${match}${asOf !== null && how === 'inner' ? ` WHERE ${isKnown}` : ''}`;
  }
  if (step.op === 'union') return `SELECT * FROM step_${step.left} UNION ALL BY NAME SELECT * FROM step_${step.right}`;
  if ('left' in step) {
    const names = columns[step.left]!.map(quoted).join(', ');
    return `SELECT ${names} FROM step_${step.left} ${step.op.toUpperCase()} SELECT ${names} FROM step_${step.right}`;
  }
  const from = `FROM step_${step.input}`;
  switch (step.op) {
    case 'filter':
      return `SELECT * ${from} WHERE ${expressionSql(step.condition)}`;
    case 'derive': {
      const kept = columns[step.input]!.map((name) => {
        const replaced = step.columns.find((column) => column.name === name);
        return replaced === undefined ? quoted(name) : namedSql(replaced);
      });
      const added = step.columns.filter(({ name }) => !columns[step.input]!.includes(name)).map(namedSql);
      return `SELECT ${[...kept, ...added].join(', ')} ${from}`;
    }
    case 'select':
      return `SELECT ${[...step.names.map(quoted), ...step.columns.map(namedSql)].join(', ')} ${from}`;
    case 'drop':
      return `SELECT ${columns[step.input]!.filter((name) => !step.names.includes(name))
        .map(quoted)
        .join(', ')} ${from}`;
    case 'rename':
      return `SELECT ${columns[step.input]!.map((name) => `${quoted(name)} AS ${quoted(step.names[name] ?? name)}`).join(', ')} ${from}`;
    case 'dropNulls':
      return `SELECT * ${from} WHERE ${step.names.map((name) => `${quoted(name)} IS NOT NULL`).join(' AND ')}`;
    case 'aggregate': {
      const keys = [...step.keys.map(quoted), ...step.computed.map(({ expr }) => expressionSql(expr))];
      const list = [...step.keys.map(quoted), ...step.computed.map(namedSql), ...step.aggregates.map((each) => aggregateSql(each))].join(', ');
      return `SELECT ${list} ${from}${keys.length === 0 ? '' : ` GROUP BY ${keys.map((_, k) => k + 1).join(', ')}`}`;
    }
    case 'window': {
      const by = step.partitionBy.length > 0 ? `PARTITION BY ${step.partitionBy.map(quoted).join(', ')}` : '';
      const order = step.orderBy.length > 0 ? ` ORDER BY ${orderSql(step.orderBy)}` : '';
      return `SELECT *, ${step.functions.map((each) => aggregateSql(each, `${by}${order}`)).join(', ')} ${from}`;
    }
    case 'subtotals': {
      const keys = step.keys.map(quoted).join(', ');
      const list = [keys, `GROUPING(${keys})::INTEGER AS ${quoted(step.id)}`, ...step.aggregates.map((each) => aggregateSql(each))].join(', ');
      // Over no rows there is no total here, see docs/SEMANTICS.md.
      const sets = step.sets.map((set) => `(${set.map(quoted).join(', ')})`).join(', ');
      const by = step.verb === 'groupingSets' ? `GROUPING SETS (${sets})` : `${step.verb}(${keys})`;
      return `SELECT ${list} ${from} GROUP BY ${by} HAVING count(*) > 0`;
    }
    case 'unpivot': {
      const kept = columns[step.input]!.filter((name) => !step.names.includes(name)).map(quoted);
      const one = (name: string): string =>
        `SELECT ${[...kept, `${text(name)} AS ${quoted(step.name)}`, `${quoted(name)} AS ${quoted(step.value)}`].join(', ')} ${from} WHERE ${quoted(name)} IS NOT NULL`;
      return step.names.map(one).join(' UNION ALL ');
    }
    case 'open':
    case 'split':
      return nestedSql(step, keptBy(step, columns[step.input]!));
    case 'gather':
      return nestedSql(step, []);
    case 'pivot': {
      const { aggregate, keys, key, values, names } = step;
      const cells = values.map((value, k) => {
        const isIt: Expr = {
          op: 'call',
          fn: 'eq',
          args: [
            { op: 'column', name: key, kind: 'utf8' },
            { op: 'literal', kind: kindOf(value), value },
          ],
          kind: 'bool',
        };
        const filter: Expr = aggregate.filter === null ? isIt : { op: 'call', fn: 'and', args: [aggregate.filter, isIt], kind: 'bool' };
        return aggregateSql({ ...aggregate, name: names[k]!, filter });
      });
      return `SELECT ${[...keys.map(quoted), ...cells].join(', ')} ${from} GROUP BY ${keys.map(quoted).join(', ')}`;
    }
    case 'distinct': {
      if (step.names.length === 0) return `SELECT DISTINCT * ${from}`;
      return `SELECT * ${from} QUALIFY row_number() OVER (PARTITION BY ${step.names.map(quoted).join(', ')} ORDER BY ${sortSql(one.steps[step.input]!)}) = 1`;
    }
    case 'topGroups': {
      const by = step.partitionBy.length > 0 ? `PARTITION BY ${step.partitionBy.map(quoted).join(', ')}` : '';
      return `SELECT * ${from} QUALIFY ${functionSql[step.fn] ?? `${step.fn}(`}) OVER (${by} ORDER BY ${orderSql(step.orderBy)}) <= ${step.count}`;
    }
    case 'inOrder': {
      const { keys, column, text: joined, separator, at, made } = step;
      const order = sortSql(one.steps[step.input]!);
      const list = `list(${quoted(column)} ORDER BY ${order})`;
      const cells = [
        `first(${quoted(column)} ORDER BY ${order}) AS ${quoted(made.first)}`,
        `last(${quoted(column)} ORDER BY ${order}) AS ${quoted(made.last)}`,
        `list_extract(${list}, ${at < 0 ? at : at + 1}) AS ${quoted(made.one)}`,
        `len(${list})::INTEGER AS ${quoted(made.length)}`,
        ...(joined === null ? [] : [`string_agg(${quoted(joined)}, ${text(separator)} ORDER BY ${order}) AS ${quoted(made.joined)}`]),
      ];
      return `SELECT ${[...keys.map(quoted), ...cells].join(', ')} ${from} GROUP BY ${keys.map(quoted).join(', ')}`;
    }
    case 'approximate': {
      const { keys, column, made } = step;
      const near = [made.nearCount, made.nearQuantile].map((name) => `TRUE AS ${quoted(name)}`);
      const cells = [...keys.map(quoted), `count(DISTINCT ${quoted(column)}) AS ${quoted(made.exact)}`, ...near];
      return `SELECT ${cells.join(', ')} ${from}${keys.length === 0 ? '' : ` GROUP BY ${keys.map(quoted).join(', ')}`}`;
    }
    case 'sample':
      return `SELECT ${step.by === null ? 'DISTINCT ' : ''}* ${from}`;
    case 'rows':
      return rowsSql(step);
    case 'repartition':
      return `SELECT * ${from}`;
    case 'orderBy':
      // Only a limit makes an order matter, and it says so itself.
      return `SELECT * ${from}`;
    case 'limit': {
      const input = one.steps[step.input]!;
      const order = input.op === 'orderBy' ? ` ORDER BY ${orderSql(input.keys)}` : '';
      return `SELECT * ${from}${order} LIMIT ${step.count}`;
    }
  }
}

const kindOf = (value: string | number | boolean): Kind => (typeof value === 'string' ? 'utf8' : typeof value === 'number' ? 'integer' : 'bool');
const sortSql = (step: Step): string => (step.op === 'orderBy' ? orderSql(step.keys) : '');

/** What of its input goes on beside what it gives. */
const keptBy = (step: Extract<Step, { op: 'open' | 'split' }>, names: readonly string[]): string[] =>
  step.op === 'split' ? [...names] : names.filter((name) => name !== step.struct && name !== step.list);

/** The names of each step's columns, in order. */
export function columnsOf(one: Case): string[][] {
  const columns: string[][] = [];
  for (const step of one.steps) columns.push(namesOf(step, columns, one.sources));
  return columns;
}

function namesOf(step: Step, columns: readonly string[][], sources: readonly SourceTable[]): string[] {
  switch (step.op) {
    case 'read':
      return [
        ...sources[step.source]!.columns.map(({ name }) => name),
        ...Object.values(sources[step.source]!.nested ?? {}).map(({ name }: { readonly name: string }) => name),
      ];
    case 'open':
    case 'split':
      return [...keptBy(step, columns[step.input]!), ...nestedNames(step)];
    case 'gather':
      return [...step.keys, ...nestedNames(step)];
    case 'derive':
      return [...new Set([...columns[step.input]!, ...step.columns.map(({ name }) => name)])];
    case 'select':
      return [...step.names, ...step.columns.map(({ name }) => name)];
    case 'drop':
      return columns[step.input]!.filter((name) => !step.names.includes(name));
    case 'rename':
      return columns[step.input]!.map((name) => step.names[name] ?? name);
    case 'aggregate':
      return [...step.keys, ...step.computed.map(({ name }) => name), ...step.aggregates.map(({ name }) => name)];
    case 'window':
      return [...columns[step.input]!, ...step.functions.map(({ name }) => name)];
    case 'subtotals':
      return [...step.keys, step.id, ...step.aggregates.map(({ name }) => name)];
    case 'unpivot':
      return [...columns[step.input]!.filter((name) => !step.names.includes(name)), step.name, step.value];
    case 'join': {
      if (step.how === 'semi' || step.how === 'anti') return columns[step.left]!;
      const rightKeys = step.on.map(([, r]) => r);
      return [...columns[step.left]!, ...columns[step.right]!.filter((name) => !rightKeys.includes(name)).map((name) => step.prefix + name)];
    }
    case 'union':
    case 'intersect':
    case 'except':
      return columns[step.left]!;
    case 'pivot':
      return [...step.keys, ...step.names];
    case 'inOrder': {
      const { first, last, one, length, joined } = step.made;
      return [...step.keys, first, last, one, length, ...(step.text === null ? [] : [joined])];
    }
    case 'approximate':
      return [...step.keys, step.made.exact, step.made.nearCount, step.made.nearQuantile];
    case 'rows':
      return [...columns[step.input]!, ...(step.verb === 'filterRows' ? [] : [step.name])];
    default:
      return columns[step.input]!;
  }
}

/** A column as a value that compares as it is: days of dates, microseconds of timestamps, all whole numbers as BIGINT. */
export const cellSql = (name: string, kind: Kind): string => {
  const cell = quoted(name);
  if (isCarried(kind)) return `${cell}::VARCHAR AS ${cell}`;
  if (kind === 'date') return `date_diff('day', DATE '1970-01-01', ${cell}) AS ${cell}`;
  if (kind === 'timestamp') return `epoch_us(${cell}) AS ${cell}`;
  return `CAST(${cell} AS ${kind === 'int32' ? 'BIGINT' : sqlType[kind]}) AS ${cell}`;
};

/** The whole table of an output, as cells; of an arbitrary limit, the table that it cuts. */
export function outputSql(one: Case, output: Output): string {
  const columns = columnsOf(one);
  const step = one.steps[output.step]!;
  const from = output.any !== null && step.op === 'limit' ? step.input : output.step;
  const steps = one.steps.slice(0, output.step + 1).map((each, at) => `step_${at} AS (${stepSql(each, columns, one)})`);
  const cells = output.columns.map(({ name, kind }) => cellSql(name, kind)).join(', ');
  const order = output.order.length > 0 ? ` ORDER BY ${orderSql(output.order)}` : '';
  return `WITH ${steps.join(',\n')}\nSELECT ${cells} FROM (SELECT * FROM step_${from}${order})`;
}
