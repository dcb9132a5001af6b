/** Sums, products, quotients and signs; of decimals in decimals.ts. Whole numbers never wrap: what does not fit its type is an error. */

import { SluiceError } from '#manager/protocol/errors.ts';
import type { TypeKind } from '../../batch/batch.ts';
import { int64Max, int64Min, lanesToBigInt } from '../../batch/lanes.ts';
import { type Code, type Lanes, scratch, takeScratch } from '../code.ts';
import { beyond } from '../numbers.ts';
import { isNumeric } from '../values.ts';
import { anyNullable, castTo, float64, never, numericArgs, typesOf, wantCount } from './arguments.ts';
import { decimalArgs, emitDecimal, hasDecimal, interpretDecimal } from './decimals.ts';
import { type FunctionRows, type Strict, wrong } from './row.ts';

type Operation = 'add' | 'sub' | 'mul' | 'mod';
export const signs: Readonly<Record<Operation, string>> = { add: '+', sub: '-', mul: '*', mod: '%' };
const onNumbers: Readonly<Record<Operation, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  mod: (a, b) => a % b,
};
export const onBigInts: Readonly<Record<Operation, (a: bigint, b: bigint) => bigint>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  mod: (a, b) => a % b,
};

/** A whole number as the value of a kind. @throws VALUE_OUT_OF_RANGE */
export function fit(value: bigint, kind: TypeKind, what: () => string): number | bigint {
  if (kind === 'int32') return BigInt.asIntN(32, value) === value ? Number(value) : beyond(what(), kind);
  if (kind === 'integer') return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : beyond(what(), kind);
  return value >= int64Min && value <= int64Max ? value : beyond(what(), kind);
}

export function divisionByZero(what: string): never {
  throw new SluiceError('DIVISION_BY_ZERO', { what });
}

/** Sum or difference of two int64 in lanes, with the check that it does not wrap. */
export function emitLanesSum(code: Code, minus: boolean, a: Lanes, b: Lanes, kind: TypeKind): Lanes {
  const [al, ah, bl, bh] = [a[0]!, a[1]!, b[0]!, b[1]!];
  const sign = minus ? '-' : '+';
  const low = code.hold(`(${al} ${sign} ${bl}) | 0`);
  const carry = minus ? `(${al} >>> 0) < (${bl} >>> 0)` : `(${low} >>> 0) < (${al} >>> 0)`;
  const high = code.hold(`(${ah} ${sign} ${bh} ${sign} (${carry} ? 1 : 0)) | 0`);
  const wraps = minus ? `((${ah} ^ ${bh}) & (${ah} ^ ${high}))` : `((${ah} ^ ${high}) & (${bh} ^ ${high}))`;
  code.line(`if (${wraps} < 0) $beyondLanes(${al}, ${ah}, '${sign}', ${bl}, ${bh}, '${kind}');`);
  return [low, high];
}

/** The error of a sum that does not fit; a kernel. */
export const beyondLanes = (aLow: number, aHigh: number, sign: string, bLow: number, bHigh: number, kind: string): never =>
  beyond(`${lanesToBigInt(aLow, aHigh)} ${sign} ${lanesToBigInt(bLow, bHigh)}`, kind);

function emitArithmetic(code: Code, fn: Operation, kind: TypeKind, a: Lanes, b: Lanes): Lanes {
  const [x, y] = [a[0]!, b[0]!];
  const sign = signs[fn];
  if (kind === 'float64') return [`${x} ${sign} ${y}`];
  if (kind === 'int64') {
    if (fn === 'add' || fn === 'sub') return emitLanesSum(code, fn === 'sub', a, b, kind);
    if (fn === 'mod') code.line(`if ((${y} | ${b[1]}) === 0) $divisionByZero('mod');`);
    code.line(`$${fn === 'mul' ? 'multiplyLanes' : 'remainderLanes'}(${scratch}, ${a.join(', ')}, ${b.join(', ')});`);
    return takeScratch(code);
  }
  if (fn === 'mod') {
    code.line(`if (${y} === 0) $divisionByZero('mod');`);
    return [`${x} % ${y} + 0`];
  }
  const result = code.hold(`${x} ${sign} ${y}${fn === 'mul' ? ' + 0' : ''}`);
  const outside = kind === 'int32' ? `${result} !== (${result} | 0)` : `!(${result} <= 9007199254740991 && ${result} >= -9007199254740991)`;
  code.line(`if (${outside}) $beyond(${x} + ' ${sign} ' + ${y}, '${kind}');`);
  return [result];
}

const arithmetic = (fn: Operation, doc: string): Strict => ({
  doc,
  nulls: 'strict',
  resolve(name, args) {
    wantCount(name, args, 2);
    const unified = hasDecimal(args) ? decimalArgs(fn, args) : numericArgs(name, args, 2);
    return { ...unified, nullable: anyNullable(args) };
  },
  interpret([a, b], node) {
    const { type } = node;
    if (type.kind === 'decimal') {
      if (fn === 'mod' && b === 0n) divisionByZero('mod');
      return interpretDecimal(fn, a as bigint, b as bigint, node);
    }
    if (type.kind === 'float64') return onNumbers[fn](a as number, b as number);
    if (fn === 'mod' && Number(b) === 0) divisionByZero('mod');
    return fit(onBigInts[fn](BigInt(a!), BigInt(b!)), type.kind, () => `${a} ${signs[fn]} ${b}`);
  },
  guarded: (node) => node.type.kind !== 'float64',
  emit: (code, [a, b], node) =>
    node.type.kind === 'decimal' ? emitDecimal(code, fn, a![0]!, b![0]!, node) : emitArithmetic(code, fn, node.type.kind, a!, b!),
});

const zero = (kind: TypeKind): Lanes => (kind === 'int64' ? ['0', '0'] : ['0']);

const unary = (doc: string, ofNumber: (a: number) => number, ofBigInt: (a: bigint) => bigint, emit: Strict['emit']): Strict => ({
  doc,
  nulls: 'strict',
  resolve(name, args) {
    const unified = numericArgs(name, args, 1);
    return { ...unified, nullable: anyNullable(args) };
  },
  interpret: ([a], { type }) =>
    type.kind === 'float64'
      ? ofNumber(a as number)
      : type.kind === 'decimal'
        ? ofBigInt(a as bigint)
        : fit(ofBigInt(BigInt(a!)), type.kind, () => `0 - ${a}`),
  guarded: (node) => node.type.kind !== 'float64',
  emit,
});

export const arithmetics: FunctionRows = {
  add: arithmetic('add', 'Sum in the wider type; a whole number beyond it is VALUE_OUT_OF_RANGE.'),
  sub: arithmetic('sub', 'Difference in the wider type.'),
  mul: arithmetic('mul', 'Product in the wider type.'),
  div: {
    doc: 'Quotient as float64, of whole numbers too; by zero it is an infinity or NaN.',
    nulls: 'strict',
    resolve(name, args) {
      wantCount(name, args, 2);
      if (!args.every((arg) => isNumeric(arg.type))) wrong(`${name} takes numbers, not ${typesOf(args)}`);
      return { args: args.map((arg) => castTo(arg, float64)), type: float64, nullable: anyNullable(args) };
    },
    interpret: ([a, b]) => (a as number) / (b as number),
    guarded: never,
    emit: (_, [a, b]) => [`${a![0]} / ${b![0]}`],
  },
  mod: arithmetic('mod', 'Remainder with the sign of the first; of whole numbers by zero DIVISION_BY_ZERO, of float64 NaN.'),
  neg: unary(
    'The value with the other sign.',
    (a) => -a,
    (a) => -a,
    (code, [a], { type }) =>
      type.kind === 'float64'
        ? [`-${a![0]}`]
        : type.kind === 'decimal'
          ? [`$subtractDecimals(0, ${a![0]})`]
          : emitArithmetic(code, 'sub', type.kind, zero(type.kind), a!),
  ),
  abs: unary(
    'The value without its sign.',
    Math.abs,
    (a) => (a < 0n ? -a : a),
    (code, [a], { type }) => {
      if (type.kind === 'decimal') return [`${a![0]} < 0 ? $subtractDecimals(0, ${a![0]}) : ${a![0]}`];
      if (type.kind !== 'int64') {
        const result = code.hold(`Math.abs(${a![0]})`);
        if (type.kind === 'int32') code.line(`if (${result} > 2147483647) $beyond('0 - ' + ${a![0]}, 'int32');`);
        return [result];
      }
      const lanes = code.variables('int64');
      code.assign(lanes, a!);
      code.block(`if (${a![1]} < 0)`, () => code.assign(lanes, emitLanesSum(code, true, ['0', '0'], a!, 'int64')));
      return lanes;
    },
  ),
};
