/** A window function that is called: an aggregate over a frame, or a function of a row's place; its type and whether it may be null. */
import { callOf } from '../aggregate/table.ts';
import type { Aggregate, Frame } from '../expression/expression.ts';
import { rankings } from './ranking.ts';

/** @throws EXPRESSION_TYPE */
export function callOrRanking(fn: string, given: Pick<Aggregate, 'argument' | 'more' | 'options' | 'filter'>, frame: Frame): Omit<Aggregate, 'name'> {
  const { argument, more = [], options = [], filter } = given;
  const ranking = Object.hasOwn(rankings, fn) ? rankings[fn]! : null;
  if (ranking !== null) {
    const type = ranking.resolve(fn, argument, more, options);
    return {
      fn,
      argument,
      ...(more.length > 0 ? { more } : {}),
      ...(options.length > 0 ? { options } : {}),
      filter,
      type,
      nullable: ranking.nullable,
    };
  }
  const mayBeEmpty = (frame.start !== null && frame.start > 0) || (frame.end !== null && frame.end < 0);
  return callOf(fn, given, mayBeEmpty);
}
