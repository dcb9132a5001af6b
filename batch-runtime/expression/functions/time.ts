/** Days and moments, all in UTC; weeks start on Monday. */
import { dayOf, formatTimestamp, microsPerDay, monthOf, type TruncateUnit, truncateDays, truncateUnits, unitMicros, yearOf } from '../calendar.ts';
import { scratch, takeScratch } from '../code.ts';
import { checkInt64, checkInteger, millisOf } from '../numbers.ts';
import {
  always,
  anyNullable,
  castTo,
  date,
  fixed,
  int32,
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
} from './arguments.ts';
import { emitLanesSum, fit, onBigInts, signs } from './arithmetic.ts';
import { type FunctionRows, type Strict, wrong } from './row.ts';

/** A field of a date, or of a timestamp's day. */
const dayField = (doc: string, ofDays: (days: number) => number, kernel: string): Strict => ({
  doc,
  nulls: 'strict',
  resolve: fixed(int32, time),
  interpret: ([a], node) => ofDays(node.args[0]!.type.kind === 'date' ? (a as number) : daysOf(a as bigint)),
  guarded: never,
  emit: (_, [a], node) => [`${kernel}(${node.args[0]!.type.kind === 'date' ? a![0] : `$floorLanes(${a!.join(', ')}, 86400000000)`})`],
});

const floorTo = (micros: bigint, unit: bigint): bigint => micros - (((micros % unit) + unit) % unit);
const daysOf = (micros: bigint): number => Number(floorTo(micros, microsPerDay) / microsPerDay);

/** The reference of truncate, and the kernel for moments beyond 2^53 microseconds. @throws VALUE_OUT_OF_RANGE */
export function truncateMicros(micros: bigint, unit: TruncateUnit): bigint {
  const fine = unitMicros(unit);
  const start = fine !== null ? floorTo(micros, BigInt(fine)) : BigInt(truncateDays(daysOf(micros), unit)) * microsPerDay;
  return checkInt64(start, `the ${unit} of ${formatTimestamp(micros)}`);
}

const shift = (fn: 'add' | 'sub', doc: string): Strict => ({
  doc,
  nulls: 'strict',
  resolve(name, args) {
    want(name, args, moment, ['int32', 'integer', 'int64']);
    return { args: [args[0]!, castTo(args[1]!, int64)], type: timestamp, nullable: anyNullable(args) };
  },
  interpret: ([a, b]) => fit(onBigInts[fn](a as bigint, b as bigint), 'timestamp', () => `${a} ${signs[fn]} ${b} us`),
  guarded: always,
  emit: (code, [a, b]) => emitLanesSum(code, fn === 'sub', a!, b!, 'timestamp'),
});

export const times: FunctionRows = {
  truncate: {
    doc: `The start of the ${truncateUnits.join(', ')} it is in; UTC, weeks start on Monday. A date takes units of a day and more.`,
    nulls: 'strict',
    resolve(name, args) {
      want(name, args, time, text);
      const unit = literalText(name, args[1]!) as TruncateUnit;
      const fits = truncateUnits.includes(unit) && (args[0]!.type.kind === 'timestamp' || unitMicros(unit) === null);
      if (!fits) wrong(`a ${args[0]!.type.kind} cannot be truncated to '${unit}'`);
      return { args, type: args[0]!.type, nullable: args[0]!.nullable };
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
  epochMillis: {
    doc: 'Milliseconds since 1970-01-01T00:00Z, rounded down.',
    nulls: 'strict',
    resolve: fixed(integer, moment),
    interpret: ([a]) => checkInteger(Number(floorTo(a as bigint, 1000n) / 1000n), `${a} us`),
    guarded: always,
    emit: (_, [a]) => [`$floorLanes(${a!.join(', ')}, 1000)`],
  },
  date: {
    doc: 'The day, in UTC.',
    nulls: 'strict',
    resolve: fixed(date, moment),
    interpret: ([a]) => daysOf(a as bigint),
    guarded: never,
    emit: (_, [a]) => [`$floorLanes(${a!.join(', ')}, 86400000000)`],
  },
  hour: {
    doc: 'The hour of the day in UTC, 0 to 23.',
    nulls: 'strict',
    resolve: fixed(int32, moment),
    interpret: ([a]) => Number((((((a as bigint) / 1n) % microsPerDay) + microsPerDay) % microsPerDay) / 3_600_000_000n),
    guarded: never,
    emit: (code, [a]) => {
      const hours = code.hold(`$floorLanes(${a!.join(', ')}, 3600000000)`);
      return [`${hours} - Math.floor(${hours} / 24) * 24`];
    },
  },
  year: dayField('The year, 0 = 1 BC.', yearOf, '$yearOf'),
  month: dayField('The month, 1 to 12.', monthOf, '$monthOf'),
  day: dayField('The day of the month, 1 to 31.', dayOf, '$dayOf'),
};
