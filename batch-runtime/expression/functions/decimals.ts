/**
 * Arithmetic of decimals: exact, in the types DuckDB gives. A value in a loop is a number while it is a safe integer, else a
 * bigint (batch/decimal.ts); where the types say that no result can leave the safe integers, the code is that of plain numbers.
 */
import { type ColumnType, columnTypeText } from '../../batch/batch.ts';
import { decimalText, fitsDigits, mostDigits, narrowed, powerOfTen, type Unscaled } from '../../batch/decimal.ts';
import type { Code, Lanes } from '../code.ts';
import type { Expression } from '../expression.ts';
import { beyond } from '../numbers.ts';
import { asDecimal, type Call, literalValue } from '../values.ts';
import { castTo, typesOf } from './arguments.ts';
import { wrong } from './row.ts';

export type DecimalOperation = 'add' | 'sub' | 'mul' | 'mod';
type DecimalType = Extract<ColumnType, { kind: 'decimal' }>;

/** So many digits are one 64-bit number in DuckDB, which does not grow beyond by itself. */
const int64Digits = 18;

export const hasDecimal = (args: readonly Expression[]): boolean => args.some((arg) => arg.type.kind === 'decimal');

/** Result and arguments: of one scale except for mul. @throws EXPRESSION_TYPE beside a float64, or when the scale passes 38 */
export function decimalArgs(fn: DecimalOperation, args: readonly Expression[]): { args: Expression[]; type: DecimalType } {
  const types = args.map((arg) => asDecimal(arg.type) ?? wrong(`${fn} cannot take ${typesOf(args)}: cast one of them`));
  const [a, b] = types as [DecimalType, DecimalType];
  const most = Math.max(a.precision, b.precision);
  const capped = (precision: number, scale: number): DecimalType => {
    const grown = precision > int64Digits && most <= int64Digits && scale < int64Digits ? int64Digits : precision;
    return { kind: 'decimal', precision: Math.min(mostDigits, grown), scale };
  };
  if (fn === 'mul') {
    const scale = a.scale + b.scale;
    if (scale > mostDigits) wrong(`mul of ${typesOf(args)} has ${scale} digits behind the point, more than ${mostDigits}: cast one of them`);
    return { args: args.map((arg, k) => castTo(arg, types[k]!)), type: capped(a.precision + b.precision, scale) };
  }
  const scale = Math.max(a.scale, b.scale);
  const whole = Math.max(a.precision - a.scale, b.precision - b.scale);
  const type = fn === 'mod' ? capped(whole + scale, scale) : capped(whole + scale + 1, scale);
  return { args: args.map((arg) => castTo(arg, type)), type };
}

const onBigInts: Readonly<Record<DecimalOperation, (a: bigint, b: bigint) => bigint>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  mod: (a, b) => a % b,
};
const signs: Readonly<Record<DecimalOperation, string>> = { add: '+', sub: '-', mul: '*', mod: '%' };

/** The reference. @throws VALUE_OUT_OF_RANGE */
export function interpretDecimal(fn: DecimalOperation, a: bigint, b: bigint, node: Call): bigint {
  const value = onBigInts[fn](a, b);
  const type = node.type as DecimalType;
  return fitsDigits(value, type.precision) ? value : beyondDecimal(value, type);
}

// Kernels

export const beyondDecimal = (value: Unscaled, type: DecimalType): never => beyond(decimalText(value, type.scale), columnTypeText(type));
const isSafe = (value: number): boolean => value <= 9007199254740991 && value >= -9007199254740991;

export function addDecimals(a: Unscaled, b: Unscaled): Unscaled {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (isSafe(sum)) return sum;
  }
  return narrowed(BigInt(a) + BigInt(b));
}
export function subtractDecimals(a: Unscaled, b: Unscaled): Unscaled {
  if (typeof a === 'number' && typeof b === 'number') {
    const difference = a - b;
    if (isSafe(difference)) return difference;
  }
  return narrowed(BigInt(a) - BigInt(b));
}
export function multiplyDecimals(a: Unscaled, b: Unscaled): Unscaled {
  if (typeof a === 'number' && typeof b === 'number') {
    const product = a * b;
    if (isSafe(product)) return product + 0;
  }
  return narrowed(BigInt(a) * BigInt(b));
}
export function remainderDecimals(a: Unscaled, b: Unscaled): Unscaled {
  if (typeof a === 'number' && typeof b === 'number') return (a % b) + 0;
  return narrowed(BigInt(a) % BigInt(b));
}

// Code

/** The largest unscaled number, without its sign, that an expression can have. */
function boundOf(expression: Expression): bigint {
  const type = expression.type as DecimalType;
  const limit = powerOfTen(type.precision) - 1n;
  const least = (bound: bigint): bigint => (bound < limit ? bound : limit);
  if (expression.op === 'literal') {
    const value = literalValue(expression) as bigint | null;
    return value === null ? 0n : value < 0n ? -value : value;
  }
  if (expression.op !== 'call') return limit;
  const { fn, args } = expression;
  const [a, b] = args as [Expression, Expression];
  if (fn === 'cast' && a.type.kind === 'decimal' && a.type.scale <= type.scale) return least(boundOf(a) * powerOfTen(type.scale - a.type.scale));
  if ((fn === 'neg' || fn === 'abs') && a.type.kind === 'decimal') return boundOf(a);
  return fn in onBigInts ? least(resultBound(fn as DecimalOperation, a, b)) : limit;
}

function resultBound(fn: DecimalOperation, a: Expression, b: Expression): bigint {
  if (fn === 'mul') return boundOf(a) * boundOf(b);
  return fn === 'mod' ? boundOf(a) : boundOf(a) + boundOf(b);
}

const kernelNames = { add: 'addDecimals', sub: 'subtractDecimals', mul: 'multiplyDecimals', mod: 'remainderDecimals' } as const;

export function emitDecimal(code: Code, fn: DecimalOperation, x: string, y: string, node: Call): Lanes {
  const type = node.type as DecimalType;
  const [a, b] = node.args as [Expression, Expression];
  if (fn === 'mod') code.line(`if (${y} === 0) $divisionByZero('mod');`);
  const bound = resultBound(fn, a, b);
  const isSafeBound = (one: bigint): boolean => one <= BigInt(Number.MAX_SAFE_INTEGER);
  const plain = `${x} ${signs[fn]} ${y}${fn === 'mul' || fn === 'mod' ? ' + 0' : ''}`;
  const general = `$${kernelNames[fn]}(${x}, ${y})`;
  let result: string;
  // Where both sides are numbers, only a result that is none takes the kernel.
  if (isSafeBound(boundOf(a)) && isSafeBound(boundOf(b))) {
    result = code.hold(plain);
    if (!isSafeBound(bound)) result = code.hold(`${result} <= 9007199254740991 && ${result} >= -9007199254740991 ? ${result} : ${general}`);
  } else result = code.hold(general);
  const limit = powerOfTen(type.precision);
  if (bound >= limit)
    code.line(
      `if (!(${result} < ${limit}n && ${result} > -${limit}n)) $beyondDecimal(${result}, ${code.constant(type)});`.replaceAll(
        `${limit}n`,
        type.precision <= 22 ? `${limit}` : `${limit}n`,
      ),
    );
  return [result];
}
