/** A case as SQL for DuckDB: every step a common table expression over the ones before. What differs in name only is translated here. */
import { carried, carriedKinds, isCarried } from './carried.ts';
import type { AggregateSpec, CarriedKind, Case, Expr, Key, Kind, Named, Output, SourceTable, Step } from './case.ts';
import { nestedNames, nestedSql } from './nested.ts';

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
  if (typeof value === 'string') return `${text(value)}::${sqlType[kind]}`;
  return `(${String(value)})::${sqlType[kind]}`;
}

export function expressionSql(expr: Expr): string {
  if (expr.op === 'column') return quoted(expr.name);
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
  denseRank: 'dense_rank(',
  rowNumber: 'row_number(',
};

function aggregateSql({ name, fn, arg, filter }: AggregateSpec, over = ''): string {
  const inner = arg !== null ? expressionSql(arg) : fn === 'count' ? '*' : '';
  const kept = filter === null ? '' : ` FILTER (WHERE ${expressionSql(filter)})`;
  // DuckDB sums whole numbers in 128 bits.
  const whole = fn === 'sum' && arg !== null && arg.kind !== 'float64';
  const value = `${functionSql[fn] ?? `${fn}(`}${inner})${kept}${over}`;
  return `${whole ? `CAST(${value} AS BIGINT)` : value} AS ${quoted(name)}`;
}

/** @param columns  by step: the names of its columns in order */
function stepSql(step: Step, columns: readonly (readonly string[])[], one: Case): string {
  if (step.op === 'read') return `SELECT ${columns[one.steps.indexOf(step)]!.map(quoted).join(', ')} FROM source_${step.source}`;
  if (step.op === 'join') {
    const { left, right, how, on, prefix, asOf } = step;
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
    const match = [...on.map(([l, r]) => `l.${quoted(l)} = r.${quoted(r)}`), ...last].join(' AND ');
    return `SELECT ${list} FROM step_${left} l ${asOf === null ? '' : 'ASOF '}${how.toUpperCase()} JOIN step_${right} r ON ${match}${asOf !== null && how === 'inner' ? ` WHERE ${isKnown}` : ''}`;
  }
  if (step.op === 'union') return `SELECT * FROM step_${step.left} UNION ALL BY NAME SELECT * FROM step_${step.right}`;
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
      return `SELECT *, ${step.functions.map((each) => aggregateSql(each, ` OVER (${by}${order})`)).join(', ')} ${from}`;
    }
    case 'subtotals': {
      const keys = step.keys.map(quoted).join(', ');
      const list = [keys, `GROUPING(${keys})::INTEGER AS ${quoted(step.id)}`, ...step.aggregates.map((each) => aggregateSql(each))].join(', ');
      // Over no rows there is no total here, see docs/SEMANTICS.md.
      return `SELECT ${list} ${from} GROUP BY ${step.verb}(${keys}) HAVING count(*) > 0`;
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
      return columns[step.left]!;
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
