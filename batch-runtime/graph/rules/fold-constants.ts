/**
 * What is the same in every row is worked out once, when the plan is made: a call of which all arguments are literals becomes
 * a literal, `and` and `or` with one that decides nothing become their other side, a filter that is always true goes. What throws
 * stays, so that it throws when a row needs it and never else. Nothing is made longer: a text beyond a thousand characters stays a call.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { type Batch, isNested } from '../../batch/batch.ts';
import type { Expression } from '../../expression/expression.ts';
import { atRest } from '../../expression/functions/literal.ts';
import { literal } from '../../expression/functions.ts';
import { interpret } from '../../expression/interpret.ts';
import type { Call, Value } from '../../expression/values.ts';
import type { Plan } from '../plan.ts';
import { mapExpressions, rewrite } from '../rewrite.ts';

export const foldConstants = (plan: Plan): Plan =>
  rewrite(plan, (node, _id, add) => {
    const folded = mapExpressions(node, fold);
    return folded.kind === 'filter' && isLiteral(folded.condition, true) ? folded.input : add(folded);
  });

const isLiteral = (expression: Expression, value: boolean): boolean => expression.op === 'literal' && expression.value === value;

/** The same expression with its constants worked out; the very same where there are none. */
export function fold(expression: Expression): Expression {
  if (expression.op === 'column' || expression.op === 'literal') return expression;
  const args = expression.args.map(fold);
  const folded = args.every((arg, k) => arg === expression.args[k]) ? expression : { ...expression, args };
  if (folded.op === 'udf') return folded;
  if (folded.fn === 'and' || folded.fn === 'or') {
    const [left, right] = folded.args as [Expression, Expression];
    const decides = folded.fn === 'or';
    // The first is asked first: what it decides, the second is not asked.
    if (isLiteral(left, decides)) return left;
    if (isLiteral(left, !decides)) return right;
    if (isLiteral(right, !decides)) return left;
  }
  return folded.args.every(({ op }) => op === 'literal') && !isNested(folded.type) ? evaluated(folded) : folded;
}

const nothing: Batch = { schema: [], length: 0, columns: [] };
const longest = 1000;

function evaluated(call: Call): Expression {
  let value: Value;
  try {
    value = interpret(call, nothing, 0);
  } catch (thrown) {
    if (thrown instanceof SluiceError) return call;
    throw thrown;
  }
  // A literal has no -0.
  if (Object.is(value, -0) || (typeof value === 'string' && value.length > longest)) return call;
  return literal(atRest(value, call.type), call.type);
}
