/** What a verb makes of the expressions its callback gave: columns looked up in its input, functions with their slots. */
import type { ColumnType } from '../batch/batch.ts';
import type { Expression } from '../expression/expression.ts';
import { conditionOf, operand, refuse, type WindowNode, windowOf } from './built.ts';
import { type Definition, definition, type UdfNode } from './udf.ts';
import type { WindowDefinition } from './window.ts';

/** What a verb gives to its expressions: the columns they may name and the graph's functions. */
export interface Scope {
  /** Where, in messages: a uid. */
  readonly uid: string;
  /** Looks a column up in the input. @throws COLUMN_UNKNOWN, EXPRESSION_TYPE when it is not what the expression takes it for */
  find(name: string, as: { readonly type: ColumnType; readonly nullable: boolean }): void;
  slot(definition: Definition): number;
  /** The column that stands for a window function; without it there can be none here. */
  over?(definition: WindowDefinition): Expression;
}

/** The expression of a value that a callback gave, every column looked up and every function with its slot. */
export function settle(given: unknown, scope: Scope): Expression {
  const built = operand(given, null);
  built.unused?.use(built);
  return settled(built.node, scope);
}

function settled(node: Expression, scope: Scope): Expression {
  switch (node.op) {
    case 'literal':
      return node;
    case 'column': {
      const { [windowOf]: window, ...plain }: typeof node & WindowNode = node;
      if (window !== undefined)
        return scope.over === undefined ? refuse(`${window.fn} over a window cannot stand in ${scope.uid}: derive it before`) : scope.over(window);
      scope.find(node.name, node);
      return plain;
    }
    case 'call':
      return { ...node, args: node.args.map((each) => settled(each, scope)) };
    case 'udf': {
      const { [definition]: defined, ...plain }: typeof node & UdfNode = node;
      const args = node.args.map((each) => settled(each, scope));
      return { ...plain, args, slot: defined === undefined ? node.slot : scope.slot(defined) };
    }
  }
}

/** A condition that a callback gave. */
export const settleCondition = (given: unknown, scope: Scope): Expression => {
  const built = conditionOf(given);
  return settle(built, scope);
};
