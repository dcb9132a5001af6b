/**
 * Lists and structs in cases: the columns that sources may have besides, and the steps that end them. Between a source and what opens it they
 * are carried through an exchange, a sort or a filter; a list is made of text or of the values of a group, and comes apart again. So
 * all other steps know nothing of them.
 */
import type { Carry, NestedSource, Step } from './case.ts';
import type { Dice } from './dice.ts';

/** DuckDB's SQL of both columns, by `i`. */
export function nestedSource(dice: Dice, struct: string, list: string): NestedSource {
  const salt = dice.below(1_000_000_000);
  const h = `(hash(i * 1000003 + ${salt}) % 97)::BIGINT`;
  const g = `(hash(i * 1000003 + ${salt + 1}) % 89)::BIGINT`;
  const tags = `CASE ${h} % 4 WHEN 0 THEN NULL WHEN 1 THEN []::VARCHAR[] ELSE ['t' || (${h} % 5), NULL, 'é'] END`;
  const numbers = `CASE ${g} % 6 WHEN 0 THEN NULL WHEN 1 THEN []::INTEGER[] WHEN 2 THEN [${g}::INTEGER, NULL] ELSE [${g}::INTEGER, (${g} % 3)::INTEGER, -1] END`;
  return {
    struct: {
      name: struct,
      sql: `CASE WHEN ${h} % 11 = 0 THEN NULL ELSE {'a': CASE WHEN ${h} % 7 = 0 THEN NULL ELSE ${h}::INTEGER END, 'b': ${tags}} END`,
    },
    list: { name: list, sql: numbers },
  };
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;

/** @param kept  the columns of the input that go on */
export function nestedSql(step: Extract<Step, { op: 'open' | 'split' | 'gather' }>, kept: readonly string[]): string {
  const from = `FROM step_${step.input}`;
  if (step.op === 'gather') {
    const keys = step.keys.map(quoted).join(', ');
    const gathered = `SELECT ${keys}, list(${quoted(step.column)}) AS l ${from} GROUP BY ${keys}`;
    return `SELECT ${keys}, unnest(l) AS ${quoted(step.name)}, len(l)::INTEGER AS ${quoted(step.count)} FROM (${gathered})`;
  }
  const own = kept.map(quoted);
  /** The values of a list and their places, side by side; for outer a null where there is none. */
  const apart = (list: string, type: string, item: string): string[] => {
    const of = (values: string, none: string): string =>
      step.outer ? `CASE WHEN coalesce(len(${list}), 0) = 0 THEN ${none} ELSE ${values} END` : values;
    const values = `unnest(${of(list, `[NULL]::${type}[]`)}) AS ${quoted(item)}`;
    const places = `unnest(${of(`range(1, len(${list}) + 1)`, '[NULL]::BIGINT[]')})`;
    return step.place === null ? [values] : [values, `${places} AS ${quoted(step.place)}`];
  };
  if (step.op === 'split') {
    const parts = `(SELECT *, string_split(${quoted(step.text)}, ${text(step.by)}) AS parts ${from})`;
    return `SELECT ${[...own, ...apart('parts', 'VARCHAR', step.name)].join(', ')} FROM ${parts}`;
  }
  const [struct, list] = [quoted(step.struct), quoted(step.list)];
  const made = [
    `${struct}.a AS ${quoted(step.made.field)}`,
    `list_extract(${struct}.b, ${step.at < 0 ? step.at : step.at + 1}) AS ${quoted(step.made.tag)}`,
    `len(${list})::INTEGER AS ${quoted(step.made.length)}`,
    `list_contains(${list}, ${step.wanted}) AS ${quoted(step.made.has)}`,
  ];
  const where = step.carry.verb === 'filter' ? ` WHERE len(${list}) > 1` : '';
  const columns = [...own, ...made, ...(step.item === null ? [] : apart(list, 'INTEGER', step.item))];
  return `SELECT ${columns.join(', ')} ${from}${where}`;
}

/** The names it gives behind those it keeps. */
export function nestedNames(step: Extract<Step, { op: 'open' | 'split' | 'gather' }>): string[] {
  if (step.op === 'gather') return [step.name, step.count];
  const place = step.place === null ? [] : [step.place];
  if (step.op === 'split') return [step.name, ...place];
  const { field, tag, length, has } = step.made;
  return [field, tag, length, has, ...(step.item === null ? [] : [step.item, ...place])];
}

/** How a table of both columns is moved before it is opened. */
export const carries = ['none', 'repartition', 'orderBy', 'filter'] as const satisfies readonly Carry['verb'][];
