/** Rows written down in a job, as plans hold them: what a list or a struct has is checked and written as columns are, value by value. */
import type { Field } from '../batch/batch.ts';
import { type PlainValue, propertyOf } from '../batch/rows.ts';
import { typeText } from '../schema.ts';
import { literalOf, refuse } from './built.ts';

/** A value as rows have it, in its plain form. @throws EXPRESSION_TYPE, VALUE_OUT_OF_RANGE when it is not one of that field */
export function plainOf(given: unknown, { name, type, nullable }: Field): PlainValue {
  if (given === null || given === undefined) return nullable ? null : refuse(`${name} is null: declare it .nullable()`);
  switch (type.kind) {
    case 'list':
      if (!Array.isArray(given)) return refuse(`${name} is ${typeof given}, not an array: it is ${typeText({ type, nullable })}`);
      return given.map((each, i) => plainOf(each, { name: `${name}[${i}]`, ...type.item }));
    case 'struct':
      if (typeof given !== 'object' || Array.isArray(given)) return refuse(`${name} is no object: it is ${typeText({ type, nullable })}`);
      return Object.fromEntries(
        type.fields.map((field) => [
          field.name,
          plainOf(propertyOf(given as Record<string, unknown>, field.name), { ...field, name: `${name}.${field.name}` }),
        ]),
      );
    default: {
      const literal = literalOf(given, type);
      return literal.op === 'literal' ? literal.value : null;
    }
  }
}
