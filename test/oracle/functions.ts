/**
 * Calls of the function table in random expressions: every row of it, on the cases it is compared with DuckDB on. What would be an
 * error on some rows by design stands behind a condition, so that a new row of the table that can throw needs its guard here.
 */
import type { Expression } from '#runtime/expression/expression.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import { caseCall, cases, type Case as FunctionCase } from '../batch-runtime/expression/functions/cases.ts';
import { typeOf } from '../batch-runtime/expression/random.ts';
import type { Expr, Kind } from './case.ts';
import type { Dice } from './dice.ts';
import { type Column, type Computed, plain } from './known.ts';

const kinds: readonly string[] = ['bool', 'int32', 'integer', 'int64', 'float64', 'utf8', 'date', 'timestamp'] satisfies Kind[];
/** Rows that expressions.ts knows how to keep within their bounds. */
const bounded = new Set(['add', 'sub', 'mul', 'mod', 'neg', 'abs', 'plus', 'minus', 'epochMillis', 'millisSince', 'truncate', 'cast']);
/** A text that is a number may be one to DuckDB and none here (SEMANTICS); numbers beyond `integer` too. */
const differs = ({ fn, kinds: [from], target, more }: FunctionCase): boolean =>
  (fn === 'tryCast' && (target === 'integer' || (from === 'utf8' && target !== 'float64' && target !== 'bool'))) ||
  (fn === 'diff' && literalText(more?.[0]) === 'microsecond');

const literalText = (expression: Expression | undefined): string =>
  expression?.op === 'literal' && typeof expression.value === 'string' ? expression.value : '';

export interface TableCase {
  readonly one: FunctionCase;
  readonly kind: Kind;
}
/** The cases that are used, with the kind of what they give. */
export const tableCases: readonly TableCase[] = cases.flatMap((one) => {
  const { kind } = caseCall(
    one,
    one.kinds.map((each, k) => columnRef({ name: `c${k}`, type: typeOf(each), nullable: true })),
  ).type;
  const fits = [...one.kinds, kind].every((each) => kinds.includes(each));
  return fits && one.sql !== null && !bounded.has(one.fn) && !differs(one) ? [{ one, kind: kind as Kind }] : [];
});
/** By function, so that one with many cases is not chosen more often. */
const byFunction = new Map<string, TableCase[]>();
for (const each of tableCases) byFunction.set(each.one.fn, [...(byFunction.get(each.one.fn) ?? []), each]);

const call = (fn: string, args: readonly Expr[], kind: Kind): Expr => ({ op: 'call', fn, args, kind });
const number = (value: number, kind: Kind): Expr => ({ op: 'literal', kind, value: kind === 'int64' ? String(value) : value });
const jsonTexts = ['{"a":{"b":[1,"x"]},"x.y":null}', '[{"a":[true,"é"]}]', '{"a":"b"}', '7'];

/** Arguments that stand in the place of columns. */
const given: Readonly<Record<string, (dice: Dice, at: number, kind: Kind) => Expr | null>> = {
  json: (dice) => ({ op: 'literal', kind: 'utf8', value: dice.pick(jsonTexts) }),
  plusDays: (dice, at) => (at === 1 ? number(dice.between(-400, 400), 'int32') : null),
  plusMonths: (dice, at) => (at === 1 ? number(dice.between(-30, 30), 'int32') : null),
};
/** When a row may be asked. */
const guards: Readonly<Record<string, (x: Expr, made: Extract<Expr, { op: 'call' }>) => Expr>> = {
  sqrt: (x) => call('gte', [x, number(0, x.kind)], 'bool'),
  ln: (x) => call('gt', [x, number(0, x.kind)], 'bool'),
  log10: (x) => call('gt', [x, number(0, x.kind)], 'bool'),
  parse: (_, made) => call('isNotNull', [{ ...made, fn: 'tryParse', sql: made.sql!.replace('strptime', 'try_strptime') }], 'bool'),
};

/** A call of the table over the columns; null when they have no kinds for it. */
export function ofTable(dice: Dice, columns: readonly Column[], fn = dice.pick([...byFunction.keys()])): Computed | null {
  const { one, kind } = dice.pick(byFunction.get(fn)!);
  const args = one.kinds.map((each, at): Expr | null => {
    const own = given[fn]?.(dice, at, each as Kind);
    if (own) return own;
    const fitting = columns.filter((column) => column.kind === each);
    if (fitting.length === 0) return null;
    return { op: 'column', name: dice.pick(fitting).name, kind: each as Kind };
  });
  if (args.some((arg) => arg === null)) return null;
  const more = (one.more ?? []).map((each) => (each.op === 'literal' ? each.value : null) as string | number);
  const made = { op: 'call', fn, args: args as Expr[], kind, ...(more.length > 0 ? { more } : {}), sql: one.sql! } as const;
  const guard = guards[fn]?.(args[0]!, made);
  const expr: Expr = guard === undefined ? made : call('when', [guard, made, { op: 'literal', kind, value: null }], kind);
  const bits = { int32: 31, integer: 53, int64: 62, float64: 60 }[kind as string] ?? 0;
  return { ...plain, kind, nullable: true, bits, grain: one.near ? 'inexact' : 'loose', low: 0, high: 100, expr };
}
