/** Random conditions on pairs of rows. */
import type { Expr } from './case.ts';
import type { Dice } from './dice.ts';
import { condition } from './expressions.ts';
import { type Column, call, columnExpr } from './known.ts';

/** Compares columns of both sides, as a rule; where they have none of one kind, one of them alone. */
export function pairCondition(dice: Dice, left: readonly Column[], right: readonly Column[]): Expr {
  const both = [...left.map((column): Column => ({ ...column, side: 'left' })), ...right.map((column): Column => ({ ...column, side: 'right' }))];
  const open = both.filter(({ grain }) => grain !== 'inexact');
  const pairs = open.flatMap((l) =>
    l.side === 'left' ? open.flatMap((r) => (r.side === 'right' && r.kind === l.kind ? [[l, r] as const] : [])) : [],
  );
  if (pairs.length === 0) return condition(dice, both).expr;
  const [l, r] = dice.pick(pairs);
  const compared = call(dice.pick(['lt', 'lte', 'gt', 'gte', 'eq', 'ne']), [columnExpr(l).expr, columnExpr(r).expr], 'bool');
  return dice.chance(50) ? compared : call(dice.pick(['and', 'or']), [compared, condition(dice, both, 1).expr], 'bool');
}
