/**
 * What an emitter of functions/ writes JavaScript with: values are names of local variables, one per lane, plus the name
 * that says whether the row is null. compile.ts implements it and puts the text into one loop. Names that start with `$` are
 * kernels, functions that the loop is given.
 *
 * Lanes by kind: int64, timestamp: low, high (int32) · utf8: bytes, start, end · list, struct: the column and the row · all others: one; a decimal's is a number or a bigint
 * (batch/decimal.ts). A bool is false where it is null.
 */
import type { TypeKind } from '../batch/batch.ts';
import type { Expression } from './expression.ts';

export type Lanes = readonly string[];
/** What generated code calls. */
export type Kernel = (...given: never[]) => unknown;

export interface Emitted {
  readonly lanes: Lanes;
  /** 'false' = never, 'true' = always, else a variable. */
  readonly isNull: string;
}

export interface Code {
  line(text: string): void;
  /** A new name. */
  name(): string;
  /** A `const` for the text, or the text itself when it is a name or a number already. */
  hold(text: string): string;
  /** Variables for the lanes of a kind, set to what stands for null. */
  variables(kind: TypeKind): Lanes;
  assign(to: Lanes, from: Lanes): void;
  /** A name for a value that is made once, at compile time. */
  constant(value: unknown): string;
  /** A name for a function that the code calls: `$` and its own. */
  kernel(fn: Kernel): string;
  /** Whether the expression cannot throw, is no text and no function: as cheap to evaluate as to branch around. */
  isCheap(expression: Expression): boolean;
  /** Evaluates an expression here. */
  value(expression: Expression): Emitted;
  /** `head { body }`; what body evaluates is not seen after it. */
  block(head: string, body: () => void): void;
}

/** What stands in the lanes of a null. */
export const nullLanes = (kind: TypeKind): Lanes =>
  kind === 'bool'
    ? ['false']
    : kind === 'utf8'
      ? ['$empty', '0', '0']
      : kind === 'int64' || kind === 'timestamp' || kind === 'list' || kind === 'struct'
        ? ['0', '0']
        : ['0'];

/** The scratch text of the loop, emptied for every row, and the scratch lanes. */
export const arena = '$arena';
export const scratch = '$scratch';
/** The lanes that a kernel has just written to the scratch. */
export function takeScratch(code: Code): Lanes {
  return [code.hold(`${scratch}[0]`), code.hold(`${scratch}[1]`)];
}
/** The text that `write` (statements) has just put behind the arena's top. */
export function takeText(code: Code, write: string): Lanes {
  const start = code.hold(`${arena}.top`);
  code.line(write);
  return [code.hold(`${arena}.bytes`), start, code.hold(`${arena}.top`)];
}
