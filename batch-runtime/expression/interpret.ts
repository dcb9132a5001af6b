/**
 * Evaluates an expression for one row, value by value: the reference that the compiled loops are tested against, and
 * what evaluates a single row where compiling would not pay. Slow. Same results and same errors as compile.ts.
 */
import type { Batch } from '../batch/batch.ts';
import type { UserFunction } from '../graph/plan.ts';
import type { Expression } from './expression.ts';
import { rowOf } from './functions/table.ts';
import { acceptResult, functionThrew, rowOfValue } from './udf.ts';
import { literalValue, type NestedValue, nestedAt, type Value } from './values.ts';

/**
 * @param row  number of the row in the batch
 * @throws     VALUE_OUT_OF_RANGE, DIVISION_BY_ZERO, FUNCTION_THREW, ROW_TYPE
 */
export function interpret(expression: Expression, batch: Batch, row: number, functions: readonly UserFunction[] = []): Value {
  return interpretNested(expression, batch, row, functions) as Value;
}

/** As interpret, of an expression that may be a list or a struct. */
export function interpretNested(expression: Expression, batch: Batch, row: number, functions: readonly UserFunction[] = []): NestedValue {
  const evaluate = (e: Expression): Value => interpret(e, batch, row, functions);
  switch (expression.op) {
    case 'column':
      return nestedAt(batch.columns[batch.schema.findIndex((field) => field.name === expression.name)]!, row);
    case 'literal':
      return literalValue(expression);
    case 'udf': {
      const used = functions[expression.slot]!;
      const given = expression.args.map((arg) => rowOfValue(evaluate(arg), arg.type));
      let result: unknown;
      try {
        result = used.run(...(given as never[]));
      } catch (thrown) {
        functionThrew(used, row, thrown);
      }
      return acceptResult(used, result);
    }
    case 'call': {
      const fn = rowOf(expression.fn);
      if (fn.nulls === 'columnar')
        return fn.interpret(
          expression.args.map((arg) => interpretNested(arg, batch, row, functions)),
          expression,
        );
      if (fn.nulls === 'own') return fn.interpret((k) => evaluate(expression.args[k]!), expression);
      const values = expression.args.map(evaluate);
      return values.includes(null) ? null : fn.interpret(values as NonNullable<Value>[], expression);
    }
  }
}
