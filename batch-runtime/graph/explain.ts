/**
 * A plan in words, for `--explain` and for messages. Nothing decides anything by this text.
 */
import type { Expression } from '../expression/expression.ts';

const infix: Readonly<Record<string, string>> = {
  eq: '=',
  ne: '<>',
  lt: '<',
  lte: '<=',
  gt: '>',
  gte: '>=',
  and: 'and',
  or: 'or',
  add: '+',
  sub: '-',
  mul: '*',
  div: '/',
  mod: '%',
};

/** An expression as a reader of SQL would write it: `delay > 15 and origin = 'SFO'`. */
export function expressionText(expression: Expression): string {
  switch (expression.op) {
    case 'column':
      return expression.name;
    case 'literal':
      return typeof expression.value === 'string' && expression.type.kind === 'utf8' ? `'${expression.value}'` : String(expression.value);
    case 'udf':
      return `function#${expression.slot}(${expression.args.map(expressionText).join(', ')})`;
    case 'call': {
      const [left, right] = expression.args;
      const operator = infix[expression.fn];
      if (operator !== undefined && left !== undefined && right !== undefined) return `${inner(left)} ${operator} ${inner(right)}`;
      const args = expression.args.map(expressionText).join(', ');
      return expression.fn === 'cast' ? `cast(${args} as ${expression.type.kind})` : `${expression.fn}(${args})`;
    }
  }
}

const inner = (expression: Expression): string => {
  const text = expressionText(expression);
  return expression.op === 'call' && expression.fn in infix ? `(${text})` : text;
};
