/** Days and moments moved, cut and taken from each other, all in UTC; weeks start on Monday. */

import type { ColumnType } from '../../batch/batch.ts';
import { lanesToBigInt, lanesToNumber } from '../../batch/lanes.ts';
import {
  type DiffUnit,
  diffMicros,
  diffUnits,
  formatTimestamp,
  microsPerDay,
  shiftMonths,
  type TruncateUnit,
  truncateDays,
  truncateUnits,
  unitMicros,
  unitsFrom,
} from '../calendar.ts';
import { scratch, takeScratch } from '../code.ts';
import { checkInt64, checkInteger, millisOf, outOfRange, putDouble, putInt64 } from '../numbers.ts';
import { momentType } from '../values.ts';
import {
  always,
  anyNullable,
  castTo,
  date,
  fixed,
  int64,
  integer,
  literalText,
  moment,
  never,
  text,
  time,
  timestamp,
  unify,
  want,
  wantCount,
} from './arguments.ts';
import { emitLanesSum, fit, onBigInts, signs } from './arithmetic.ts';
import { type FunctionRows, type Strict, wrong } from './row.ts';
import { daysOf, floorTo } from './time-fields.ts';

/** The reference of truncate, and the kernel for moments beyond 2^53 microseconds. @throws VALUE_OUT_OF_RANGE */
export function truncateMicros(micros: bigint, unit: TruncateUnit): bigint {
  const fine = unitMicros(unit);
  const start = fine !== null ? floorTo(micros, BigInt(fine)) : BigInt(truncateDays(daysOf(micros), unit)) * microsPerDay;
  return checkInt64(start, `the ${unit} of ${formatTimestamp(micros)}`);
}

/** Of a day a day, of a moment one in microseconds. */
const timeType = (type: ColumnType): ColumnType => (type.kind === 'date' ? type : momentType(type));

const shift = (fn: 'add' | 'sub', doc: string): Strict => ({
  doc,
  nulls: 'strict',
  resolve(name, args) {
    want(name, args, moment, ['int32', 'integer', 'int64']);
    return { args: [args[0]!, castTo(args[1]!, int64)], type: momentType(args[0]!.type), nullable: anyNullable(args) };
  },
  interpret: ([a, b]) => fit(onBigInts[fn](a as bigint, b as bigint), 'timestamp', () => `${a} ${signs[fn]} ${b} us`),
  guarded: always,
  emit: (code, [a, b]) => emitLanesSum(code, fn === 'sub', a!, b!, 'timestamp'),
});

/** Whole units of `unit` microseconds that have begun between two moments. @throws VALUE_OUT_OF_RANGE */
function unitsBetween(aLow: number, aHigh: number, bLow: number, bHigh: number, unit: number): number {
  const [a, b] = [lanesToNumber(aLow, aHigh), lanesToNumber(bLow, bHigh)];
  if (Number.isSafeInteger(a) && Number.isSafeInteger(b)) return checkInteger(Math.floor(a / unit) - Math.floor(b / unit), 'the difference');
  return unitsOf(lanesToBigInt(aLow, aHigh), lanesToBigInt(bLow, bHigh), unit);
}
const unitsOf = (a: bigint, b: bigint, unit: number): number =>
  checkInteger(Number(floorTo(a, BigInt(unit)) / BigInt(unit) - floorTo(b, BigInt(unit)) / BigInt(unit)), 'the difference');

/** A day that a date can be. @throws VALUE_OUT_OF_RANGE */
const checkDay = (days: number): number => (days === (days | 0) ? days : outOfRange(`day ${days} is beyond date`));
function laterDay(days: number, by: number): number {
  return checkDay(days + by);
}
function laterMonth(days: number, months: number): number {
  return checkDay(shiftMonths(days, months));
}
const monthsLater = (micros: bigint, months: number): bigint => {
  const days = daysOf(micros);
  return checkInt64(BigInt(shiftMonths(days, months) - days) * microsPerDay + micros, `${months} months after ${formatTimestamp(micros)}`);
};
/** As monthsLater, on lanes. */
function shiftMonthLanes(out: Int32Array, low: number, high: number, months: number): void {
  const micros = lanesToNumber(low, high);
  const days = Math.floor(micros / 86_400_000_000);
  const later = micros + (shiftMonths(days, months) - days) * 86_400_000_000;
  if (Number.isSafeInteger(micros) && Number.isSafeInteger(later)) putDouble(out, later);
  else putInt64(out, monthsLater(lanesToBigInt(low, high), months));
}

export const times: FunctionRows = {
  truncate: {
    doc: `The start of the ${truncateUnits.join(', ')} it is in; UTC, weeks start on Monday. A date takes units of a day and more.`,
    nulls: 'strict',
    resolve(name, args) {
      want(name, args, time, text);
      const unit = literalText(name, args[1]!) as TruncateUnit;
      const fits = truncateUnits.includes(unit) && (args[0]!.type.kind === 'timestamp' || unitMicros(unit) === null);
      if (!fits) wrong(`a ${args[0]!.type.kind} cannot be truncated to '${unit}'`);
      return { args, type: timeType(args[0]!.type), nullable: args[0]!.nullable };
    },
    interpret: ([a, unit]) => (typeof a === 'bigint' ? truncateMicros(a, unit as TruncateUnit) : truncateDays(a as number, unit as TruncateUnit)),
    guarded: always,
    emit(code, [a], node) {
      const unit = literalText('truncate', node.args[1]!) as TruncateUnit;
      if (node.type.kind === 'date') return [`$truncateDays(${a![0]}, '${unit}')`];
      const fine = unitMicros(unit);
      if (fine === null) code.line(`$midnight(${scratch}, $truncateDays($floorLanes(${a!.join(', ')}, 86400000000), '${unit}'));`);
      else {
        const start = code.hold(`Math.floor((${a![1]} * 4294967296 + (${a![0]} >>> 0)) / ${fine}) * ${fine}`);
        code.line(`if (Number.isSafeInteger(${start})) $putDouble(${scratch}, ${start});`);
        code.line(`else $putInt64(${scratch}, $truncateMicros($lanesToBigInt(${a!.join(', ')}), '${unit}'));`);
      }
      return takeScratch(code);
    },
  },
  plus: shift('add', 'So many microseconds later.'),
  minus: shift('sub', 'So many microseconds earlier.'),
  plusDays: {
    doc: 'So many days later, as a date.',
    nulls: 'strict',
    resolve(name, args) {
      want(name, args, ['date'], ['int32', 'integer']);
      return { args: [args[0]!, castTo(args[1]!, integer)], type: date, nullable: anyNullable(args) };
    },
    interpret: ([a, b]) => laterDay(a as number, b as number),
    guarded: always,
    emit: (code, [a, b]) => [`${code.kernel(laterDay)}(${a![0]}, ${b![0]})`],
  },
  plusMonths: {
    doc: 'The same day and time so many months later; the last day of a month that is too short for it.',
    nulls: 'strict',
    resolve(name, args) {
      want(name, args, time, ['int32', 'integer']);
      return { args: [args[0]!, castTo(args[1]!, integer)], type: timeType(args[0]!.type), nullable: anyNullable(args) };
    },
    interpret: ([a, b]) => (typeof a === 'bigint' ? monthsLater(a, b as number) : laterMonth(a as number, b as number)),
    guarded: always,
    emit(code, [a, b], { type }) {
      if (type.kind === 'date') return [`${code.kernel(laterMonth)}(${a![0]}, ${b![0]})`];
      code.line(`${code.kernel(shiftMonthLanes)}(${scratch}, ${a!.join(', ')}, ${b![0]});`);
      return takeScratch(code);
    },
  },
  diff: {
    doc: `How many times a ${diffUnits.join(', ')} begins between the second and the first, in UTC; of weeks, how many whole ones there are.`,
    nulls: 'strict',
    resolve(name, args) {
      wantCount(name, args, 3);
      const unified = unify(name, args.slice(0, 2));
      want(name, [unified.args[0]!, args[2]!], time, text);
      const unit = literalText(name, args[2]!) as DiffUnit;
      if (!diffUnits.includes(unit)) wrong(`diff counts ${diffUnits.join(', ')}, not '${unit}'`);
      const to = diffMicros(unit) === null || unified.type.kind !== 'date' ? unified.type : timestamp;
      return { args: [...unified.args.map((arg) => castTo(arg, to)), args[2]!], type: integer, nullable: anyNullable(args) };
    },
    interpret([a, b, given]) {
      const unit = given as DiffUnit;
      const fine = diffMicros(unit);
      if (fine !== null) return unitsOf(a as bigint, b as bigint, fine);
      const [x, y] = [a, b].map((each) => (typeof each === 'bigint' ? daysOf(each) : (each as number))) as [number, number];
      return unitsFrom(y, x, unit);
    },
    guarded: always,
    emit(code, [a, b], node) {
      const unit = literalText('diff', node.args[2]!) as DiffUnit;
      const fine = diffMicros(unit);
      if (fine !== null) return [`${code.kernel(unitsBetween)}(${a!.join(', ')}, ${b!.join(', ')}, ${fine})`];
      const [x, y] = [a!, b!].map((lanes) => (lanes.length === 1 ? lanes[0] : `$floorLanes(${lanes.join(', ')}, 86400000000)`));
      return [`${code.kernel(unitsFrom)}(${y}, ${x}, '${unit}')`];
    },
  },
  millisSince: {
    doc: 'Whole milliseconds from the second to the first, rounded towards zero.',
    nulls: 'strict',
    resolve(name, args) {
      const unified = args.length === 2 ? unify(name, args).args : args;
      return { ...fixed(integer, moment, moment)(name, unified, undefined) };
    },
    interpret: ([a, b]) => millisOf((a as bigint) - (b as bigint)),
    guarded: always,
    emit: (_, [a, b]) => [`$millisBetween(${a!.join(', ')}, ${b!.join(', ')})`],
  },
  date: {
    doc: 'The day, in UTC.',
    nulls: 'strict',
    resolve: fixed(date, moment),
    interpret: ([a]) => daysOf(a as bigint),
    guarded: never,
    emit: (_, [a]) => [`$floorLanes(${a!.join(', ')}, 86400000000)`],
  },
};
