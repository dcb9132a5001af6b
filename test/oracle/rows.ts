/** Functions of TypeScript over rows, in cases: what they do to a row, and the same as SQL. They take rows with values of all kinds. */
import type { Step } from './case.ts';
import { type Column, isWhole, plain } from './known.ts';
import { type Making, mostRows, type Table, unordered } from './making.ts';

type RowsStep = Extract<Step, { op: 'rows' }>;
type Row = Readonly<Record<string, unknown>>;

/** A verb of them on a whole number of the table; null when it has none. */
export function rows({ dice, newName, add }: Making, from: Table): Table | null {
  const numbers = from.columns.filter(({ kind }) => isWhole(kind) && kind !== 'int64');
  if (numbers.length === 0) return null;
  const verbs = ['map', 'filterRows', 'deriveRows', ...(from.rows * 2 > mostRows ? [] : ['flatMap' as const])] as const;
  const verb = dice.pick(verbs);
  const [isAsync, ordered] = [dice.chance(40), dice.chance(70)];
  const name = newName();
  const divisor = verb === 'flatMap' ? 3 : dice.pick([2, 3, 7, 97]);
  const columns = from.columns.map(({ name: each, kind }) => ({ name: each, kind }));
  const step: RowsStep = { op: 'rows', input: from.step, verb, column: dice.pick(numbers).name, columns, divisor, name, isAsync, ordered };
  const added: Column = {
    ...plain,
    name,
    kind: 'int32',
    nullable: true,
    bits: 7,
    low: -divisor,
    high: divisor,
    rowsPerValue: from.rows,
    values: 200,
  };
  const kept = from.columns.map((column) => (verb === 'map' || verb === 'flatMap' ? { ...column, nullable: true } : column));
  return add(step, from, {
    columns: verb === 'filterRows' ? kept : [...kept, added],
    rows: from.rows * (verb === 'flatMap' ? 2 : 1),
    ...(isAsync && !ordered ? unordered : {}),
  });
}

/** What the verb is given. */
export function rowFunction({ verb, column, columns, divisor, name, isAsync }: RowsStep): (row: Row) => unknown {
  const rest = (row: Row): number | null => (row[column] === null ? null : (row[column] as number) % divisor);
  const run = (row: Row): unknown => {
    const value = rest(row);
    // -0 is no whole number's remainder.
    const given = value === null ? null : value + 0;
    if (verb === 'filterRows') return given !== null && given !== 0;
    if (verb === 'deriveRows') return { [name]: given };
    const all = Object.fromEntries(columns.map((each) => [each.name, row[each.name]]));
    if (verb === 'map') return { ...all, [name]: given };
    const made = Array.from({ length: Math.abs(given ?? 0) }, (_, i) => ({ ...all, [name]: i }));
    return isAsync ? made : made.values();
  };
  if (!isAsync) return run;
  return async (row) => {
    await null;
    return run(row);
  };
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
export function rowsSql({ input, verb, column, divisor, name }: RowsStep): string {
  const [from, rest] = [`FROM step_${input}`, `(${quoted(column)} % ${divisor})::INTEGER`];
  if (verb === 'filterRows') return `SELECT * ${from} WHERE ${rest} <> 0`;
  if (verb === 'flatMap') return `SELECT *, unnest(range(coalesce(abs(${rest}), 0)))::INTEGER AS ${quoted(name)} ${from}`;
  return `SELECT *, ${rest} AS ${quoted(name)} ${from}`;
}
