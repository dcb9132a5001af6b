/**
 * union: the rows of two tables below each other, duplicates too. Columns meet by their names, in the order of the first table;
 * what may be null in one of them may be null in the result. SQL: UNION ALL BY NAME, but both have the same columns.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { columnTypeText, type Field, type Schema, sameType } from '../batch/batch.ts';

/**
 * What a union of these columns has.
 * @throws PLAN_UNSUPPORTED when one has a column that the other has not, EXPRESSION_TYPE when types differ
 */
export function unionSchema(uid: string, own: Schema, other: Schema): Schema {
  const lacks = (schema: Schema, within: Schema): Field | undefined => schema.find(({ name }) => !within.some((field) => field.name === name));
  const [more, fewer] = [lacks(other, own), lacks(own, other)];
  if (more !== undefined)
    throw new SluiceError('PLAN_UNSUPPORTED', {
      what: `${uid}: the other table has a column ${more.name} besides: select the columns that both have`,
    });
  if (fewer !== undefined)
    throw new SluiceError('PLAN_UNSUPPORTED', { what: `${uid}: the other table has no column ${fewer.name}: select the columns that both have` });
  return own.map((field) => {
    const its = other.find(({ name }) => name === field.name)!;
    if (!sameType(field.type, its.type))
      throw new SluiceError('EXPRESSION_TYPE', {
        what: `${uid}: ${field.name} is ${columnTypeText(field.type)} in one table, ${columnTypeText(its.type)} in the other: cast one of them`,
      });
    return { ...field, nullable: field.nullable || its.nullable };
  });
}
