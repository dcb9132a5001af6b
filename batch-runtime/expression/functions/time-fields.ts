/** What a day or moment has: year, month, hour and the like, all in UTC, and its distance from 1970. */
import { dayInYear, dayOf, microsPerDay, monthOf, quarterOf, weekdayOf, weekOf, weekYearOf, yearOf } from '../calendar.ts';
import type { Expression } from '../expression.ts';
import { checkInteger, floorLanes } from '../numbers.ts';
import { meaningOf } from '../values.ts';
import { always, anyNullable, fixed, int32, int64, integer, moment, never, time } from './arguments.ts';
import type { FunctionRows, Strict } from './row.ts';

/** The greatest whole multiple of `unit` that is not above it. */
export const floorTo = (micros: bigint, unit: bigint): bigint => micros - (((micros % unit) + unit) % unit);
/** The day of a moment. */
export const daysOf = (micros: bigint): number => Number(floorTo(micros, microsPerDay) / microsPerDay);

/** A field of a date, or of a timestamp's day. */
const dayField = (doc: string, ofDays: (days: number) => number): Strict => ({
  doc,
  nulls: 'strict',
  resolve: fixed(int32, time),
  interpret: ([a], node) => ofDays(node.args[0]!.type.kind === 'date' ? (a as number) : daysOf(a as bigint)),
  guarded: never,
  emit: (code, [a], node) => [
    `${code.kernel(ofDays)}(${node.args[0]!.type.kind === 'date' ? a![0] : `${code.kernel(floorLanes)}(${a!.join(', ')}, 86400000000)`})`,
  ],
});

const isTime = (args: readonly Expression[]): boolean => args.length === 1 && meaningOf(args[0]!.type) === 'time';

/** A field of the time of day: how many of so many microseconds, less whole multiples of `most`. */
const clockField = (doc: string, micros: number, most: number): Strict => ({
  doc,
  nulls: 'strict',
  resolve: (name, args, target) => (isTime(args) ? { args, type: int32, nullable: anyNullable(args) } : fixed(int32, moment)(name, args, target)),
  interpret: ([a]) => Number(((floorTo(BigInt(a!), BigInt(micros)) / BigInt(micros)) % BigInt(most)) + BigInt(most)) % most,
  guarded: never,
  emit: (code, [a], node) => {
    if (isTime(node.args)) return [`Math.floor(${a![0]} / ${micros}) % ${most}`];
    const count = code.hold(`${code.kernel(floorLanes)}(${a!.join(', ')}, ${micros})`);
    return [`${count} - Math.floor(${count} / ${most}) * ${most}`];
  },
});

/** Whole units since 1970. */
const sinceEpoch = (doc: string, micros: number): Strict => ({
  doc,
  nulls: 'strict',
  resolve: fixed(integer, moment),
  interpret: ([a]) => checkInteger(Number(floorTo(a as bigint, BigInt(micros)) / BigInt(micros)), `${a} us`),
  guarded: always,
  emit: (code, [a]) => [`${code.kernel(floorLanes)}(${a!.join(', ')}, ${micros})`],
});

export const timeFields: FunctionRows = {
  year: dayField('The year, 0 = 1 BC.', yearOf),
  quarter: dayField('The quarter of the year, 1 to 4.', quarterOf),
  month: dayField('The month, 1 to 12.', monthOf),
  week: dayField('The week by ISO 8601, 1 to 53.', weekOf),
  weekYear: dayField('The year that the week belongs to by ISO 8601.', weekYearOf),
  day: dayField('The day of the month, 1 to 31.', dayOf),
  dayOfWeek: dayField('The day of the week, 1 = Monday to 7 = Sunday.', weekdayOf),
  dayOfYear: dayField('The day of the year, 1 to 366.', dayInYear),
  hour: clockField('The hour of the day in UTC, 0 to 23.', 3_600_000_000, 24),
  minute: clockField('The minute of the hour, 0 to 59.', 60_000_000, 60),
  second: clockField('The second of the minute, 0 to 59.', 1_000_000, 60),
  epochSeconds: sinceEpoch('Seconds since 1970-01-01T00:00Z, rounded down.', 1_000_000),
  epochMillis: sinceEpoch('Milliseconds since 1970-01-01T00:00Z, rounded down.', 1000),
  epochMicros: {
    doc: 'Microseconds since 1970-01-01T00:00Z, as int64.',
    nulls: 'strict',
    resolve: fixed(int64, moment),
    interpret: ([a]) => a!,
    guarded: never,
    emit: (_, [a]) => a!,
  },
};
