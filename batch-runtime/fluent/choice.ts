/** `when(...).otherwise(...)`: a choice among values. */
import type { Value } from '../schema.ts';
import { apply, Built, conditionOf, literalType, operand } from './built.ts';
import type { Condition, ExprOf, NullIn, Operand, ValueOf } from './expr.ts';
import './methods.ts';

/** The start of a choice; the first condition that is true decides. */
export interface When<out T> {
  when<U extends Operand<NonNullable<T>> | null>(condition: Condition, then: U): When<T | NullIn<U>>;
  otherwise<U extends Operand<NonNullable<T>> | null>(value: U): ExprOf<T | NullIn<U>>;
}

/** A choice: `when(t.delay.gt(15), 'late').otherwise('in time')`. Without a branch that is true, `otherwise` decides. */
export const when = <U extends Operand<Value>>(condition: Condition, then: U): When<ValueOf<U>> =>
  choice([[conditionOf(condition), then]]) as unknown as When<ValueOf<U>>;

const choice = (branches: readonly (readonly [Built, unknown])[]) => ({
  when: (condition: Condition, then: unknown) => choice([...branches, [conditionOf(condition), then]]),
  otherwise(value: unknown): Built {
    const values = [...branches.map(([, then]) => then), value];
    const typed = values.find((each) => each instanceof Built);
    const first = values.find((each) => each !== null);
    const type = typed?.node.type ?? literalType(first, null);
    return apply('when', [...branches.flatMap(([condition, then]) => [condition, operand(then, type)]), operand(value, type)]);
  },
});
