/**
 * Cases of functions on forms (batch/forms.ts), made of those of their kinds: a number of a form gives what it gives as the number it is computed
 * as, a moment in other units what it gives in microseconds. What every type has is compared in the form's own type.
 */
import type { Form } from '#runtime/batch/forms.ts';
import { computedType, meaningOf } from '#runtime/expression/values.ts';
import { formNames, sqlTypes as formSql } from '../../batch/form-values.ts';
import { nameOf, type TypeName, typeOf } from '../random.ts';
import { type Case, cases, sqlTypes } from './cases.ts';

/** Those that every type has, in SQL as in cases.ts. */
const ofAll = new Set([
  'eq',
  'ne',
  'lt',
  'lte',
  'gt',
  'gte',
  'between',
  'in',
  'isNull',
  'isNotNull',
  'coalesce',
  'nullIf',
  'least',
  'greatest',
  'when',
  'hash',
]);

/** What a number or a moment is computed as; itself where nothing is computed from it. */
function computed(form: Form): { readonly kind: TypeName; readonly sql: string } {
  const type = typeOf(form);
  if (form === 'uint64') return { kind: 'decimal(9,2)', sql: 'DECIMAL(20,0)' };
  if (meaningOf(type) === 'number') return { kind: nameOf(computedType(type)), sql: sqlTypes[nameOf(computedType(type))] };
  if (meaningOf(type) === 'moment' && type.kind === 'timestamp') return { kind: 'timestamp', sql: 'TIMESTAMP' };
  return { kind: form, sql: formSql[form] };
}

/** The case of a kind with the form in its place. */
function inPlace(one: Case, form: Form): Case {
  const { kind, sql } = computed(form);
  const kinds = one.kinds.map((each) => (each === kind ? form : each));
  return { ...one, kinds, sql: one.sql?.replaceAll(/\$(\d)/g, (text, k) => (one.kinds[k - 1] === kind ? `(${text}::${sql})` : text)) ?? null };
}

const common = cases.filter(({ fn, kinds }) => ofAll.has(fn) && kinds.every((kind) => kind === 'bool' || kind === 'utf8') && kinds.includes('utf8'));
const commonOf = (form: Form): Case[] =>
  common.map((one) => ({ ...one, kinds: one.fn === 'hash' ? [form, 'utf8'] : one.kinds.map((kind) => (kind === 'utf8' ? form : kind)) }));

const isCast = ({ fn }: Case): boolean => fn === 'cast' || fn === 'tryCast';
const ownOf = (form: Form): Case[] =>
  cases.filter((one) => !ofAll.has(one.fn) && !isCast(one) && one.kinds.includes(computed(form).kind)).map((one) => inPlace(one, form));

/** Forms beside each other, and beside kinds. */
const mixed: readonly (readonly [TypeName, TypeName, string, string])[] = [
  ['int8', 'uint8', 'INTEGER', 'INTEGER'],
  ['uint16', 'int32', 'INTEGER', 'INTEGER'],
  ['uint32', 'int32', 'BIGINT', 'BIGINT'],
  ['int64', 'uint32', 'BIGINT', 'BIGINT'],
  ['uint64', 'int8', 'DECIMAL(20,0)', 'INTEGER'],
  ['int64', 'uint64', 'BIGINT', 'DECIMAL(20,0)'],
  ['uint64', 'decimal(9,2)', 'DECIMAL(20,0)', 'DECIMAL(9,2)'],
  ['float32', 'float64', 'DOUBLE', 'DOUBLE'],
  ['float32', 'int16', 'DOUBLE', 'DOUBLE'],
];
const signs = [
  ['eq', '='],
  ['lt', '<'],
  ['gte', '>='],
  ['add', '+'],
  ['sub', '-'],
  ['mul', '*'],
] as const;
const beyondInteger = ([a, b]: readonly unknown[], sign: string): boolean => {
  if (a === null || b === null || !'+-*'.includes(sign)) return false;
  const [x, y] = [BigInt(a as number), BigInt(b as number)];
  const result = sign === '+' ? x + y : sign === '-' ? x - y : x * y;
  return result > 9007199254740991n || result < -9007199254740991n;
};

export const formCases: readonly Case[] = [
  ...formNames.flatMap((form) => [...commonOf(form), ...ownOf(form)]),
  ...['hour', 'minute', 'second'].map((fn): Case => ({ fn, kinds: ['time'], sql: `${fn}($1)` })),
  ...mixed.flatMap(([a, b, x, y]) =>
    signs.map(
      ([fn, sign]): Case => ({
        fn,
        kinds: [a, b],
        sql: `($1::${x}) ${sign} ($2::${y})`,
        // integer ends before BIGINT does.
        ...(a === 'uint32' ? { except: (values: readonly unknown[]) => beyondInteger(values, sign) } : {}),
      }),
    ),
  ),
  ...['eq', 'lt', 'gte'].map((fn): Case => ({ fn, kinds: ['localTimestamp', 'date'], sql: `$1 ${fn === 'eq' ? '=' : fn === 'lt' ? '<' : '>='} $2` })),
];

/** What makes no sense of bytes, times of day and nanoseconds, though their kind has it. */
export const refusedCases: readonly Case[] = formNames
  .filter((form) => computed(form).kind === form)
  .flatMap((form) => {
    const { kind } = typeOf(form);
    const isOwn = ({ fn }: Case): boolean =>
      ofAll.has(fn) || fn === 'cast' || fn === 'tryCast' || (form === 'time' && ['hour', 'minute', 'second'].includes(fn));
    return cases
      .filter((one) => one.kinds.includes(kind as TypeName) && !isOwn(one))
      .map((one) => ({ ...one, kinds: one.kinds.map((each) => (each === kind ? form : each)) }));
  });
