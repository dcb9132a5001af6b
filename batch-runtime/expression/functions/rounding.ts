/** Numbers to fewer digits. Whole numbers stay. */

import { castValue, emitCast, floorDecimal } from '../cast.ts';
import type { Expression } from '../expression.ts';
import { roundAway } from '../numbers.ts';
import { computedType, isNumeric, isWhole } from '../values.ts';
import { anyNullable, castTo, int32, never, numericArgs, wantCount } from './arguments.ts';
import { literal } from './literal.ts';
import { type FunctionRows, type Strict, wrong } from './row.ts';

/** To a whole number, in the type it has; a decimal keeps no digits behind the point. @param side  of decimals: 1 goes up, 0 down */
const toWhole = (doc: string, of: (value: number) => number, code: string, side: 0 | 1): Strict => ({
  doc,
  nulls: 'strict',
  resolve(name, args) {
    const { args: given, type } = numericArgs(name, args, 1);
    return { args: given, type: type.kind === 'decimal' ? { ...type, scale: 0 } : type, nullable: anyNullable(args) };
  },
  interpret([a], { type, args }) {
    const from = args[0]!.type;
    if (from.kind === 'decimal') return BigInt(floorDecimal(a as bigint, from.scale, side));
    return type.kind === 'float64' ? of(a as number) : a!;
  },
  guarded: never,
  emit(writer, [a], { type, args }) {
    const from = args[0]!.type;
    if (from.kind === 'decimal') return [`${writer.kernel(floorDecimal)}(${a![0]}, ${from.scale}, ${side})`];
    return type.kind === 'float64' ? [`${code}(${a![0]})`] : a!;
  },
});

export const roundings: FunctionRows = {
  round: {
    doc: 'To so many decimals (0 to 15), halves away from zero; whole numbers stay, and a decimal keeps no more of them.',
    nulls: 'strict',
    resolve(name, args) {
      wantCount(name, args, 1, 2);
      const [of, given] = args as [Expression, Expression?];
      const x = castTo(of, computedType(of.type));
      const digits = given === undefined ? 0 : given.op === 'literal' && isWhole(given.type) ? Number(given.value) : Number.NaN;
      if (!isNumeric(x.type)) wrong(`round takes a number, not ${x.type.kind}`);
      if (!(digits >= 0 && digits <= 15)) wrong('round takes 0 to 15 decimals, written down');
      const { type } = x;
      const rounded = type.kind === 'decimal' && digits < type.scale ? { ...type, scale: digits } : type;
      return { args: [x, literal(digits, int32)], type: rounded, nullable: x.nullable };
    },
    interpret: ([a, digits], { type, args }) =>
      type.kind === 'decimal' ? castValue(a!, args[0]!.type, type) : type.kind === 'float64' ? roundAway(a as number, 10 ** Number(digits)) : a!,
    guarded: never,
    emit: (code, [a, digits], { type, args }) =>
      type.kind === 'decimal'
        ? emitCast(code, a!, args[0]!.type, type)
        : type.kind === 'float64'
          ? [`$roundAway(${a![0]}, ${10 ** Number(digits![0])})`]
          : a!,
  },
  floor: toWhole('The greatest whole number that is not above it.', Math.floor, 'Math.floor', 0),
  ceil: toWhole('The least whole number that is not below it.', Math.ceil, 'Math.ceil', 1),
};
