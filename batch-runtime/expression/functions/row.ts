/**
 * What a row of the function table is: its types, what it makes of nulls, its reference on single values, and its code in
 * a compiled loop. The rows are in the files beside this one, by area; table.ts puts them together.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Column, ColumnType } from '../../batch/batch.ts';
import type { Code, Emitted, Lanes } from '../code.ts';
import type { Expression } from '../expression.ts';
import type { Call, NestedValue, Value } from '../values.ts';

interface Signature {
  /** The arguments, widened by casts where the function needs one type. */
  readonly args: readonly Expression[];
  readonly type: ColumnType;
  readonly nullable: boolean;
}

interface Described {
  /** One sentence for the reader of a plan or of docs. */
  readonly doc: string;
  /** It takes lists and structs too. */
  readonly nested?: true;
  /** True when the code may throw, reads text or branches: it must not run on what stands where a null is, and is not cheap. */
  guarded(node: Call): boolean;
  /** @throws EXPRESSION_TYPE */
  resolve(fn: string, args: readonly Expression[], target: ColumnType | undefined): Signature;
}
/** Null when any argument is; the code below sees values that are there. */
export interface Strict extends Described {
  readonly nulls: 'strict';
  interpret(values: readonly NonNullable<Value>[], node: Call): Value;
  emit(code: Code, args: readonly Lanes[], node: Call): Lanes;
}
/** Has rules of its own, and evaluates an argument only when it is needed, from left to right. */
export interface Own extends Described {
  readonly nulls: 'own';
  interpret(value: (k: number) => Value, node: Call): Value;
  emit(code: Code, node: Call): Emitted;
}
/** Makes a column of whole columns, before the loop: what takes or gives lists and structs. Its arguments are evaluated for every row. */
export interface Columnar extends Described {
  readonly nulls: 'columnar';
  readonly nested: true;
  interpret(values: readonly NestedValue[], node: Call): NestedValue;
  /** @param args  one for each argument, of `length` rows */
  columns(args: readonly Column[], length: number, node: Call): Column;
}
export type FunctionRow = Strict | Own | Columnar;
/** Rows by the name of their function. */
export type FunctionRows = Readonly<Record<string, FunctionRow>>;

/** @throws EXPRESSION_TYPE */
export const wrong = (what: string): never => {
  throw new SluiceError('EXPRESSION_TYPE', { what });
};
