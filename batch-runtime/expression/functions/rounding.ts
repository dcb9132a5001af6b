/** Numbers to fewer digits. Whole numbers stay. */
import type { Expression } from '../expression.ts';
import { roundAway } from '../numbers.ts';
import { isNumeric, isWhole } from '../values.ts';
import { anyNullable, int32, never, numericArgs, wantCount } from './arguments.ts';
import { literal } from './literal.ts';
import { type FunctionRows, type Strict, wrong } from './row.ts';

/** To a whole number, in the type it has. */
const toWhole = (doc: string, of: (value: number) => number, code: string): Strict => ({
  doc,
  nulls: 'strict',
  resolve: (name, args) => ({ ...numericArgs(name, args, 1), nullable: anyNullable(args) }),
  interpret: ([a], { type }) => (type.kind === 'float64' ? of(a as number) : a!),
  guarded: never,
  emit: (_, [a], { type }) => (type.kind === 'float64' ? [`${code}(${a![0]})`] : a!),
});

export const roundings: FunctionRows = {
  round: {
    doc: 'To so many decimals (0 to 15), halves away from zero; whole numbers stay.',
    nulls: 'strict',
    resolve(name, args) {
      wantCount(name, args, 1, 2);
      const [x, given] = args as [Expression, Expression?];
      const digits = given === undefined ? 0 : given.op === 'literal' && isWhole(given.type) ? Number(given.value) : Number.NaN;
      if (!isNumeric(x.type)) wrong(`round takes a number, not ${x.type.kind}`);
      if (!(digits >= 0 && digits <= 15)) wrong('round takes 0 to 15 decimals, written down');
      return { args: [x, literal(digits, int32)], type: x.type, nullable: x.nullable };
    },
    interpret: ([a, digits], { type }) => (type.kind === 'float64' ? roundAway(a as number, 10 ** Number(digits)) : a!),
    guarded: never,
    emit: (_, [a, digits], { type }) => (type.kind === 'float64' ? [`$roundAway(${a![0]}, ${10 ** Number(digits![0])})`] : a!),
  },
  floor: toWhole('The greatest whole number that is not above it.', Math.floor, 'Math.floor'),
  ceil: toWhole('The least whole number that is not below it.', Math.ceil, 'Math.ceil'),
};
