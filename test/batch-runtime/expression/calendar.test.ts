import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { temporal } from '#runtime/batch/temporal.ts';
import {
  dayInYear,
  dayOf,
  daysOf,
  diffMicros,
  diffUnits,
  formatDate,
  formatTimestamp,
  monthOf,
  parseDate,
  parseTimestamp,
  quarterOf,
  shiftMonths,
  truncateDays,
  truncateUnits,
  unitMicros,
  unitsFrom,
  weekdayOf,
  weekOf,
  weekYearOf,
  yearOf,
} from '#runtime/expression/calendar.ts';

const epoch = temporal.PlainDate.from('1970-01-01');
/** What Temporal can say, with the first year left out: it is not whole. */
const daysArb = fc.oneof(
  fc.integer({ min: -99_999_000, max: 100_000_000 }),
  fc.integer({ min: -800_000, max: 800_000 }),
  fc.constantFrom(0, -1, 11_016, -719_162, -719_528),
);

test("the fields of a day are Temporal's, and give the day back", () => {
  fc.assert(
    fc.property(daysArb, (days) => {
      const date = epoch.add({ days });
      assert.deepEqual([yearOf(days), monthOf(days), dayOf(days)], [date.year, date.month, date.day]);
      assert.equal(daysOf(date.year, date.month, date.day), days);
    }),
    { numRuns: 500 },
  );
});

test('the start of a unit is at or before the day, in the same unit, and its own start', () => {
  const startOf = (days: number, unit: string): string => {
    const date = epoch.add({ days });
    if (unit === 'week') return String(date.subtract({ days: date.dayOfWeek - 1 }));
    const month = unit === 'year' ? 1 : unit === 'quarter' ? date.month - ((date.month - 1) % 3) : date.month;
    return String(unit === 'day' ? date : date.with({ month, day: 1 }));
  };
  fc.assert(
    fc.property(daysArb, fc.constantFrom('year', 'quarter', 'month', 'week', 'day'), (days, unit) => {
      const start = truncateDays(days, unit as 'year');
      assert.equal(String(epoch.add({ days: start })), startOf(days, unit));
      assert.equal(truncateDays(start, unit as 'year'), start);
    }),
    { numRuns: 300 },
  );
  assert.deepEqual(truncateUnits.map(unitMicros), [null, null, null, null, null, 3_600_000_000, 60_000_000, 1_000_000]);
});

test('ISO dates are read when they are of the calendar', () => {
  fc.assert(
    fc.property(fc.integer({ min: -719_528, max: 2_932_896 }), (days) => {
      assert.equal(parseDate(String(epoch.add({ days }))), days);
    }),
  );
  assert.equal(parseDate('2024-02-29'), 19_782);
  for (const none of ['2023-02-29', '1900-02-29', '2024-13-01', '2024-00-10', '2024-04-31', '2024-4-1', '', 'today', '2024-02-29 '])
    assert.equal(parseDate(none), null);
});

test('ISO timestamps are read with and without time, fraction and offset', () => {
  const cases: Readonly<Record<string, bigint | null>> = {
    '1970-01-01': 0n,
    '1970-01-01T00:00:01Z': 1_000_000n,
    '1970-01-01 00:00:01.5': 1_500_000n,
    '1970-01-01T00:00:00.000001z': 1n,
    '1970-01-01T00:00:00.0000019Z': 1n,
    '1969-12-31T23:59:59.999999Z': -1n,
    '1970-01-01T01:00+01:00': 0n,
    '1970-01-01T01:00+0130': -1_800_000_000n,
    '1969-12-31T20:00-04': 0n,
    '2024-02-30T00:00Z': null,
    '1970-01-01T24:00Z': null,
    '1970-01-01T00:60Z': null,
    '1970-01-01T': null,
    noon: null,
  };
  for (const [text, micros] of Object.entries(cases)) assert.equal(parseTimestamp(text), micros, text);
});

test('what is written is read back', () => {
  assert.equal(formatDate(0), '1970-01-01');
  assert.equal(formatDate(-719_162 - 366), '0001-01-01 (BC)');
  assert.equal(formatTimestamp(-1n), '1969-12-31 23:59:59.999999');
  assert.equal(formatTimestamp(1_500_000n), '1970-01-01 00:00:01.5');
  assert.equal(formatTimestamp(-719_528n * 86_400_000_000n), '0001-01-01 00:00:00 (BC)');
  fc.assert(
    fc.property(fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n }), (micros) => {
      assert.equal(parseTimestamp(formatTimestamp(micros)), micros);
    }),
  );
});

test("week, weekday, quarter and day of the year are Temporal's, and months are added as it does", () => {
  fc.assert(
    fc.property(daysArb, fc.integer({ min: -5000, max: 5000 }), (days, months) => {
      const date = epoch.add({ days });
      assert.deepEqual([weekOf(days), weekYearOf(days), weekdayOf(days)], [date.weekOfYear, date.yearOfWeek, date.dayOfWeek]);
      assert.deepEqual([dayInYear(days), quarterOf(days)], [date.dayOfYear, Math.ceil(date.month / 3)]);
      if (Math.abs(days) < 90_000_000) assert.equal(shiftMonths(days, months), epoch.until(date.add({ months })).days);
    }),
  );
});

test('units between days: those that begin, of weeks the whole ones; finer ones have a length', () => {
  const [a, b] = [parseDate('2023-12-31')!, parseDate('2024-01-08')!];
  const days = ['year', 'quarter', 'month', 'week', 'day'] as const;
  assert.deepEqual(
    days.map((unit) => unitsFrom(a, b, unit)),
    [1, 1, 1, 1, 8],
  );
  assert.deepEqual(
    days.map((unit) => unitsFrom(b, a, unit)),
    [-1, -1, -1, -1, -8],
  );
  assert.deepEqual(
    diffUnits.filter((unit) => diffMicros(unit) === null),
    days,
  );
});
