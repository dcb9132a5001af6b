/** Literals: a value at rest, written down in the form of expression.ts and checked against its type. */
import { type ColumnType, columnTypeText, formOf, plainType } from '../../batch/batch.ts';
import { Decimal, decimalText, digitsOf, fitsDigits, unscaledAt } from '../../batch/decimal.ts';
import { type Form, fitForm, forms } from '../../batch/forms.ts';
import { parseDate, parseTimestamp } from '../calendar.ts';
import { valueOfText } from '../cast.ts';
import type { Expression } from '../expression.ts';
import { beyond, checkInt64, checkInteger } from '../numbers.ts';
import type { Value } from '../values.ts';
import { wrong } from './row.ts';

/**
 * A literal from its value at rest (see expression.ts); date and timestamp also from ISO text, integer and int64 from
 * whole numbers and bigints, decimals from their text and from numbers by theirs. -0 becomes 0.
 * @throws EXPRESSION_TYPE when it is no value of that type, VALUE_OUT_OF_RANGE when it is beyond it
 */
export function literal(value: string | number | bigint | boolean | null, type: ColumnType): Expression {
  return { op: 'literal', value: value === null ? null : restingValue(value, type), type, nullable: value === null };
}

function restingValue(value: string | number | bigint | boolean, type: ColumnType): string | number | boolean {
  const form = formOf(type);
  if (form !== null) return restingForm(value, type, form);
  const { kind } = type;
  const refuse = (): never => wrong(`${typeof value === 'string' ? `'${value}'` : value} is not a value of type ${columnTypeText(type)}`);
  switch (type.kind) {
    case 'decimal': {
      const found = typeof value === 'boolean' ? null : digitsOf(String(value));
      const unscaled = found === null ? null : unscaledAt(new Decimal(found.unscaled, found.scale), type.scale);
      if (unscaled === null) return refuse();
      return fitsDigits(unscaled, type.precision) ? decimalText(unscaled, type.scale) : beyond(String(value), columnTypeText(type));
    }
    case 'bool':
      return typeof value === 'boolean' ? value : refuse();
    case 'utf8':
      return typeof value === 'string' && value.isWellFormed() ? value : refuse();
    case 'float64':
      if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : String(value);
      return value === 'NaN' || value === 'Infinity' || value === '-Infinity' ? value : refuse();
    case 'int32':
      if (typeof value !== 'number' || !Number.isInteger(value)) return refuse();
      return (value | 0) === value ? value + 0 : beyond(String(value), kind);
    case 'date': {
      const days = typeof value === 'string' ? parseDate(value) : value;
      return typeof days === 'number' && (days | 0) === days ? days + 0 : refuse();
    }
    case 'timestamp': {
      const micros = typeof value === 'string' ? parseTimestamp(value) : null;
      return micros === null ? String(checkInt64(wholeLiteral(value) ?? refuse(), String(value))) : String(checkInt64(micros, String(value)));
    }
    case 'int64':
      return String(checkInt64(wholeLiteral(value) ?? refuse(), String(value)));
    case 'integer': {
      const whole = wholeLiteral(value) ?? refuse();
      checkInteger(Number(whole), String(whole));
      return String(whole);
    }
    case 'list':
    case 'struct':
      return wrong(`a ${columnTypeText(type)} cannot be written down in an expression`);
  }
}

function restingForm(value: string | number | bigint | boolean, type: ColumnType, form: Form): string | number | boolean {
  const refuse = (): never => wrong(`${typeof value === 'string' ? `'${value}'` : value} is not a value of type ${form}`);
  const { meaning } = forms[form];
  // Bytes at rest: a character for each; anything else that is text may be written as it is cast.
  if (meaning === 'bytes') return typeof value === 'string' && !/[^\0-\xff]/.test(value) ? value : refuse();
  if (meaning === 'number') {
    const resting = restingValue(value, plainType(type));
    const fitted = fitForm(typeof resting === 'string' && form !== 'float32' ? BigInt(resting) : Number(resting), form);
    return typeof resting === 'string' && form !== 'float32' ? resting : restingValue(Number(fitted), plainType(type));
  }
  const parsed =
    typeof value === 'string' && !/^-?\d+$/.test(value) ? (valueOfText(value, type) as number | bigint) : (wholeLiteral(value) ?? refuse());
  return String(fitForm(BigInt(parsed), form));
}

/** A value as a literal takes it: a decimal by its text. */
export const atRest = (value: Value, type: ColumnType): Value =>
  type.kind === 'decimal' && value !== null ? decimalText(value as bigint, type.scale) : value;

const wholeLiteral = (value: string | number | bigint | boolean): bigint | null => {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : null;
  return typeof value === 'string' && /^[+-]?\d+$/.test(value) ? BigInt(value.replace('+', '')) : null;
};
