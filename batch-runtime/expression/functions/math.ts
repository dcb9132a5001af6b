/** Powers, roots and logarithms, in float64; their last bit is that of the platform. And the sign. */

import { outOfRange } from '../numbers.ts';
import { isNumeric } from '../values.ts';
import { always, anyNullable, castTo, float64, int32, never, numericArgs, typesOf, wantCount } from './arguments.ts';
import { type FunctionRows, type Strict, wrong } from './row.ts';

/** A function of one float64. `guarded`: it may throw. */
const ofDouble = (doc: string, of: (x: number) => number, mayThrow: boolean): Strict => ({
  doc,
  nulls: 'strict',
  resolve(name, args) {
    const unified = numericArgs(name, args, 1);
    return { args: unified.args.map((arg) => castTo(arg, float64)), type: float64, nullable: anyNullable(args) };
  },
  interpret: ([a]) => of(a as number),
  guarded: mayThrow ? always : never,
  emit: (code, [a]) => [`${code.kernel(of)}(${a![0]})`],
});

/** @throws VALUE_OUT_OF_RANGE */
function squareRoot(x: number): number {
  return x < 0 ? outOfRange(`the square root of ${x}`) : Math.sqrt(x);
}
/** @throws VALUE_OUT_OF_RANGE */
function naturalLogarithm(x: number): number {
  return x <= 0 ? outOfRange(`the logarithm of ${x}`) : Math.log(x);
}
/** @throws VALUE_OUT_OF_RANGE */
function decimalLogarithm(x: number): number {
  return x <= 0 ? outOfRange(`the logarithm of ${x}`) : Math.log10(x);
}
function exponential(x: number): number {
  return Math.exp(x);
}
/** IEEE's pow, which JavaScript's is not where the base is 1 or -1. */
export function power(x: number, y: number): number {
  return x === 1 || (x === -1 && (y === Number.POSITIVE_INFINITY || y === Number.NEGATIVE_INFINITY)) ? 1 : x ** y;
}

export const maths: FunctionRows = {
  power: {
    doc: 'The first to the power of the second, as float64.',
    nulls: 'strict',
    resolve(name, args) {
      const unified = numericArgs(name, args, 2);
      return { args: unified.args.map((arg) => castTo(arg, float64)), type: float64, nullable: anyNullable(args) };
    },
    interpret: ([a, b]) => power(a as number, b as number),
    guarded: never,
    emit: (code, [a, b]) => [`${code.kernel(power)}(${a![0]}, ${b![0]})`],
  },
  sqrt: ofDouble('The square root, as float64; of a negative number VALUE_OUT_OF_RANGE.', squareRoot, true),
  exp: ofDouble('The power of e to it, as float64.', exponential, false),
  ln: ofDouble('The natural logarithm, as float64; of what is not above 0 VALUE_OUT_OF_RANGE.', naturalLogarithm, true),
  log10: ofDouble('The logarithm to base 10, as float64; of what is not above 0 VALUE_OUT_OF_RANGE.', decimalLogarithm, true),
  sign: {
    doc: 'Its sign as int32: -1, 0 or 1; 0 for NaN.',
    nulls: 'strict',
    resolve(name, args) {
      wantCount(name, args, 1);
      if (!isNumeric(args[0]!.type)) wrong(`sign takes a number, not ${typesOf(args)}`);
      return { args, type: int32, nullable: anyNullable(args) };
    },
    interpret: ([a]) => (Number(a) > 0 ? 1 : Number(a) < 0 ? -1 : 0),
    guarded: never,
    emit: (_, [a]) => {
      const [x, high] = a as readonly [string, string?];
      if (high === undefined) return [`${x} > 0 ? 1 : ${x} < 0 ? -1 : 0`];
      return [`${high} < 0 ? -1 : (${x} | ${high}) === 0 ? 0 : 1`];
    },
  },
};
