/**
 * A user's function in an expression. Its definition hangs on the node until a graph gives it a slot, since a function
 * is not JSON: executors find it again by rebuilding the graph.
 */
import { isNested, sameType } from '../batch/batch.ts';
import type { Expression } from '../expression/expression.ts';
import type { UserFunction } from '../graph/plan.ts';
import { type Declared, typeText } from '../schema.ts';
import { Built, operand, refuse } from './built.ts';
import type { Expr, ExprOf } from './expr.ts';
import './methods.ts';

/** A user function before a graph gave it a slot: hangs on its `udf` node, outside the JSON. */
export const definition: unique symbol = Symbol('definition');
export type Definition = Omit<UserFunction, 'uid'>;
export interface UdfNode {
  readonly [definition]?: Definition;
}

type DeclaredValues<A extends readonly Declared<unknown>[]> = { [I in keyof A]: A[I] extends Declared<infer T> ? T : never };
type Given<T extends readonly unknown[]> = { [I in keyof T]: T[I] | Expr<T[I]> };

interface UdfOptions {
  /** False: the same arguments may give something else another time (random numbers, a clock). What is lost of such a table is made anew as a whole. */
  readonly deterministic?: boolean;
}

/**
 * A function over values, called once per row: the slow way, and marked as such in `--explain`. It sees only its arguments, and
 * depends on them alone or says that it does not. What it returns is checked against the declared type. @throws FUNCTION_THREW, ROW_TYPE at run time
 */
export function udf<const A extends readonly Declared<unknown>[], T>(
  argumentTypes: A,
  result: Declared<T>,
  run: (...values: DeclaredValues<A>) => NoInfer<T>,
  options: UdfOptions = {},
): (...given: Given<DeclaredValues<A>>) => ExprOf<T> {
  if (isNested(result.type)) refuse(`a function of values gives no ${result.type.kind}: use map or deriveRows`);
  const field = (declared: Declared<unknown>) => ({ type: declared.type, nullable: declared.isNullable });
  const defined: Definition = { argumentTypes: argumentTypes.map(field), result: field(result), run: run as UserFunction['run'] };
  return ((...given: readonly unknown[]) => {
    if (given.length !== argumentTypes.length) refuse(`a function of ${argumentTypes.length} arguments got ${given.length}`);
    const parts = defined.argumentTypes.map(({ type, nullable }, i) => {
      const part = operand(given[i], type);
      if (!sameType(part.node.type, type) || (part.node.nullable && !nullable))
        refuse(`argument ${i + 1} of a function is ${typeText({ type, nullable })}, not ${typeText(part.node)}`);
      return part;
    });
    const args = parts.map((part) => part.node);
    const varies = options.deterministic === false ? ({ deterministic: false } as const) : {};
    const node: Expression & UdfNode = { op: 'udf', slot: -1, args, ...varies, ...defined.result, [definition]: defined };
    return new Built(node, parts.find((part) => part.unused !== null)?.unused ?? null, parts);
  }) as unknown as (...given: Given<DeclaredValues<A>>) => ExprOf<T>;
}
