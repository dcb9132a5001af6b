/**
 * Days, microseconds and their fields in the proleptic Gregorian calendar, UTC; ISO text in and out. Plain
 * arithmetic, no Date and no Temporal: the compiled loops call it per row. Days are int32 counts since 1970-01-01,
 * microseconds since 1970-01-01T00:00Z a bigint here (lanes.ts has the two-lane form).
 */

export const microsPerDay = 86_400_000_000n;

const floorDiv = (a: bigint, b: bigint): bigint => (a < 0n && a % b !== 0n ? a / b - 1n : a / b);

/** Day of the era of 400 years that starts on 0000-03-01, and that era: the shared first step of the three below. */
const eraOf = (days: number): number => Math.floor((days + 719_468) / 146_097);
const yearOfEra = (day: number): number => ((day - ((day / 1460) | 0) + ((day / 36_524) | 0) - ((day / 146_096) | 0)) / 365) | 0;
const dayOfYear = (day: number, year: number): number => day - (365 * year + (year >> 2) - ((year / 100) | 0));

/** @returns the year, 0 = 1 BC */
export function yearOf(days: number): number {
  const era = eraOf(days);
  const day = days + 719_468 - era * 146_097;
  const year = yearOfEra(day);
  return year + era * 400 + (dayOfYear(day, year) >= 306 ? 1 : 0);
}

/** @returns 1 to 12 */
export function monthOf(days: number): number {
  const day = days + 719_468 - eraOf(days) * 146_097;
  const month = ((5 * dayOfYear(day, yearOfEra(day)) + 2) / 153) | 0;
  return month < 10 ? month + 3 : month - 9;
}

/** @returns 1 to 31 */
export function dayOf(days: number): number {
  const day = days + 719_468 - eraOf(days) * 146_097;
  const inYear = dayOfYear(day, yearOfEra(day));
  const month = ((5 * inYear + 2) / 153) | 0;
  return inYear - (((153 * month + 2) / 5) | 0) + 1;
}

export function daysOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const inEra = y - era * 400;
  const inYear = (((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) | 0) + day - 1;
  return era * 146_097 + inEra * 365 + (inEra >> 2) - ((inEra / 100) | 0) + inYear - 719_468;
}

/** @returns 1 to 366 */
export const dayInYear = (days: number): number => days - daysOf(yearOf(days), 1, 1) + 1;
/** @returns 1 to 4 */
export const quarterOf = (days: number): number => Math.ceil(monthOf(days) / 3);
/** @returns 1 = Monday to 7 = Sunday */
export const weekdayOf = (days: number): number => ((((days + 3) % 7) + 7) % 7) + 1;
const thursdayOf = (days: number): number => days - weekdayOf(days) + 4;
/** The year that the week belongs to by ISO 8601: that of its Thursday. */
export const weekYearOf = (days: number): number => yearOf(thursdayOf(days));
/** The week by ISO 8601. @returns 1 to 53 */
export const weekOf = (days: number): number => Math.ceil(dayInYear(thursdayOf(days)) / 7);

/** The same day so many months later, or the last of a shorter month. */
export function shiftMonths(days: number, months: number): number {
  const count = 12 * yearOf(days) + monthOf(days) - 1 + months;
  const [year, month] = [Math.floor(count / 12), count - 12 * Math.floor(count / 12) + 1];
  const first = daysOf(year, month, 1);
  const length = (month === 12 ? daysOf(year + 1, 1, 1) : daysOf(year, month + 1, 1)) - first;
  return first + Math.min(dayOf(days), length) - 1;
}

/** Units of `diff`. */
export const diffUnits = ['year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', 'second', 'millisecond', 'microsecond'] as const;
export type DiffUnit = (typeof diffUnits)[number];
/** Microseconds of a unit of fixed length below a day; the others are null. */
export const diffMicros = (unit: DiffUnit): number | null =>
  unit === 'millisecond' ? 1000 : unit === 'microsecond' ? 1 : truncateUnits.includes(unit as TruncateUnit) ? unitMicros(unit as TruncateUnit) : null;

/** Units of a day and more from one day to a later one: how many begin between them, of weeks how many whole ones there are. */
export function unitsFrom(start: number, end: number, unit: DiffUnit): number {
  if (unit === 'year') return yearOf(end) - yearOf(start);
  if (unit === 'quarter') return 4 * (yearOf(end) - yearOf(start)) + quarterOf(end) - quarterOf(start);
  if (unit === 'month') return 12 * (yearOf(end) - yearOf(start)) + monthOf(end) - monthOf(start);
  return unit === 'week' ? Math.trunc((end - start) / 7) + 0 : end - start;
}

/** Units of `truncate`. Weeks start on Monday. */
export const truncateUnits = ['year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', 'second'] as const;
export type TruncateUnit = (typeof truncateUnits)[number];
/** Microseconds of a unit that has a fixed length below a day; the others are null. */
export const unitMicros = (unit: TruncateUnit): number | null =>
  unit === 'hour' ? 3_600_000_000 : unit === 'minute' ? 60_000_000 : unit === 'second' ? 1_000_000 : null;

/** The first day of the year, quarter, month or week that `days` is in. */
export function truncateDays(days: number, unit: TruncateUnit): number {
  if (unit === 'year') return daysOf(yearOf(days), 1, 1);
  if (unit === 'quarter') return daysOf(yearOf(days), monthOf(days) - ((monthOf(days) - 1) % 3), 1);
  if (unit === 'month') return days - dayOf(days) + 1;
  if (unit === 'week') return days - ((((days + 3) % 7) + 7) % 7);
  return days;
}

const datePattern = /^([+-]?\d{4,6})-(\d\d)-(\d\d)$/;
const timestampPattern = /^([+-]?\d{4,6}-\d\d-\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d)?)?)?$/i;

/** ISO text (`1995-03-15`) as days; null when it is not a date of the calendar. */
export function parseDate(text: string): number | null {
  const match = datePattern.exec(text);
  if (!match) return null;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const days = daysOf(year, month, day);
  return month >= 1 && month <= 12 && day >= 1 && dayOf(days) === day && monthOf(days) === month ? days : null;
}

/** ISO text as microseconds; without an offset it is UTC, without a time midnight, below a microsecond cut off. Null when it is none. */
export function parseTimestamp(text: string): bigint | null {
  const match = timestampPattern.exec(text);
  if (!match) return null;
  const days = parseDate(match[1]!);
  const [hour, minute, second] = [Number(match[2] ?? 0), Number(match[3] ?? 0), Number(match[4] ?? 0)];
  if (days === null || hour > 23 || minute > 59 || second > 59) return null;
  const offset = /^([+-])(\d\d):?(\d\d)?$/.exec(match[6] ?? '');
  const offsetMinutes = offset ? (offset[1] === '-' ? -1 : 1) * (Number(offset[2]) * 60 + Number(offset[3] ?? 0)) : 0;
  const seconds = days * 86_400 + hour * 3600 + (minute - offsetMinutes) * 60 + second;
  return BigInt(seconds) * 1_000_000n + BigInt((match[5] ?? '').padEnd(6, '0').slice(0, 6));
}

const two = (n: number): string => String(n).padStart(2, '0');

/** `1995-03-15`; years before 1 as DuckDB writes them: `0001-03-15 (BC)`. */
export function formatDate(days: number): string {
  const year = yearOf(days);
  const text = `${String(year > 0 ? year : 1 - year).padStart(4, '0')}-${two(monthOf(days))}-${two(dayOf(days))}`;
  return year > 0 ? text : `${text} (BC)`;
}

/** `1995-03-15 10:30:00`, with `.25` when there is a fraction. */
export function formatTimestamp(micros: bigint): string {
  const days = Number(floorDiv(micros, microsPerDay));
  const inDay = Number(micros - BigInt(days) * microsPerDay);
  const seconds = Math.floor(inDay / 1e6);
  const fraction =
    inDay % 1e6 === 0
      ? ''
      : `.${String(inDay % 1e6)
          .padStart(6, '0')
          .replace(/0+$/, '')}`;
  const time = ` ${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}${fraction}`;
  const date = formatDate(days);
  return date.endsWith(' (BC)') ? `${date.slice(0, -5)}${time} (BC)` : date + time;
}
