/**
 * How a row of the function table looks at its arguments: how many, of which kinds, and widened to one type by casts where
 * the function needs one (int32 -> integer -> int64 -> float64, date -> timestamp).
 */
import { type ColumnType, columnTypeText, sameType, type TypeKind } from '../../batch/batch.ts';
import { castValue } from '../cast.ts';
import type { Expression } from '../expression.ts';
import { commonType, computedType, isNumeric, literalValue, meaningOf } from '../values.ts';
import { atRest, literal } from './literal.ts';
import { type FunctionRow, wrong } from './row.ts';

export const bool: ColumnType = { kind: 'bool' };
export const int32: ColumnType = { kind: 'int32' };
export const integer: ColumnType = { kind: 'integer' };
export const int64: ColumnType = { kind: 'int64' };
export const float64: ColumnType = { kind: 'float64' };
export const utf8: ColumnType = { kind: 'utf8' };
export const date: ColumnType = { kind: 'date' };
export const timestamp: ColumnType = { kind: 'timestamp' };

export const typesOf = (args: readonly Expression[]): string => args.map((arg) => columnTypeText(arg.type)).join(', ');
export const anyNullable = (args: readonly Expression[]): boolean => args.some((arg) => arg.nullable);

/** The expression as another type, literals at once. */
export function castTo(expression: Expression, type: ColumnType): Expression {
  if (sameType(expression.type, type)) return expression;
  if (expression.op === 'literal') {
    const value = literalValue(expression);
    return literal(value === null ? null : atRest(castValue(value, expression.type, type), type), type);
  }
  return { op: 'call', fn: 'cast', args: [expression], type, nullable: expression.nullable };
}

/** All as the one type they can be widened to. */
export function unify(fn: string, args: readonly Expression[]): { args: Expression[]; type: ColumnType } {
  const time = args.find((arg) => ['date', 'moment', 'time'].includes(meaningOf(arg.type)))?.type;
  const read = args.map((arg) =>
    time && arg.op === 'literal' && typeof arg.value === 'string' && arg.type.kind === 'utf8' ? literal(arg.value, time) : arg,
  );
  let type = read[0]!.type;
  for (const arg of read) type = commonType(type, arg.type) ?? wrong(`${fn} cannot take ${typesOf(args)}: cast one of them`);
  return { args: read.map((arg) => castTo(arg, type)), type };
}

export function wantCount(fn: string, args: readonly Expression[], least: number, most: number = least): void {
  if (args.length < least || args.length > most)
    wrong(
      `${fn} takes ${least === most ? least : `${least} to ${most === Number.POSITIVE_INFINITY ? 'any number of' : most}`} arguments, not ${args.length}`,
    );
}

/** The arguments have just these kinds; a kind of a list stands for any of it. */
export function want(fn: string, args: readonly Expression[], ...kinds: readonly (readonly TypeKind[])[]): void {
  wantCount(fn, args, kinds.length);
  args.forEach((arg, k) => {
    if (!kinds[k]!.includes(arg.type.kind) || !isAsItsKind(arg.type))
      wrong(`${fn} takes (${kinds.map((kind) => kind.join(' or ')).join(', ')}), not (${typesOf(args)})`);
  });
}

/** Whether functions of its kind make sense of it: not of bytes, times of day and nanoseconds. */
function isAsItsKind(type: ColumnType): boolean {
  const meaning = meaningOf(type);
  return meaning !== 'bytes' && meaning !== 'time' && (meaning !== 'moment' || type.kind === 'timestamp');
}

/** A function of fixed kinds. */
export const fixed =
  (type: ColumnType, ...kinds: readonly (readonly TypeKind[])[]): FunctionRow['resolve'] =>
  (fn, args) => {
    want(fn, args, ...kinds);
    return { args, type, nullable: anyNullable(args) };
  };

export const text: readonly TypeKind[] = ['utf8'];
export const moment: readonly TypeKind[] = ['timestamp'];
export const time: readonly TypeKind[] = ['date', 'timestamp'];
export const always = (): boolean => true;
export const never = (): boolean => false;

export function numericArgs(fn: string, args: readonly Expression[], count: number): { args: Expression[]; type: ColumnType } {
  wantCount(fn, args, count);
  if (!args.every((arg) => isNumeric(arg.type))) wrong(`${fn} takes numbers, not ${typesOf(args)}`);
  return unify(
    fn,
    args.map((arg) => castTo(arg, computedType(arg.type))),
  );
}

/** The literal text of an argument. */
export function literalText(fn: string, argument: Expression): string {
  if (argument.op !== 'literal' || typeof argument.value !== 'string' || argument.type.kind !== 'utf8')
    return wrong(`${fn} takes a text written down, not an expression`);
  return argument.value;
}
