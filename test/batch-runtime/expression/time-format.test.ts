import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseTimestamp } from '#runtime/expression/calendar.ts';
import { timeFormatter, timeParser } from '#runtime/expression/time-format.ts';
import { withDuckDb } from './functions/duckdb.ts';

test('what is read is what DuckDB reads', async () => {
  const pairs = [
    ['2024-03-05 7:8:9', '%Y-%m-%d %H:%M:%S'],
    ['24-3-5', '%y-%m-%d'],
    ['69-3-5', '%y-%m-%d'],
    ['68-3-5', '%y-%m-%d'],
    ['5 mar 2024', '%d %b %Y'],
    ['5 MARCH 2024', '%d %B %Y'],
    ['Mon 5 March 2024', '%a %d %B %Y'],
    ['12:05 AM', '%I:%M %p'],
    ['12:05 pm', '%I:%M %p'],
    ['1:05 pm', '%H:%M %p'],
    ['13:05 pm', '%I:%M %p'],
    ['13:05 pm', '%H:%M %p'],
    ['2024-01-01 00:00:00.123', '%Y-%m-%d %H:%M:%S.%f'],
    ['2024-01-01 00:00:00.123456789', '%Y-%m-%d %H:%M:%S.%f'],
    ['2024-01-01 00:00:00.5', '%Y-%m-%d %H:%M:%S.%g'],
    ['2024-01-01T00:00:00+0530', '%Y-%m-%dT%H:%M:%S%z'],
    ['2024-01-01T00:00:00-05:30', '%Y-%m-%dT%H:%M:%S%z'],
    ['2024-01-01T00:00:00Z', '%Y-%m-%dT%H:%M:%S%z'],
    ['2024-01-01T00:00:00+05', '%Y-%m-%dT%H:%M:%S%z'],
    [' 2024-01-01 ', '%Y-%m-%d'],
    ['2024-01-01x', '%Y-%m-%d'],
    ['2024-02-30', '%Y-%m-%d'],
    ['2024-13-30', '%Y-%m-%d'],
    ['2024-00-01', '%Y-%m-%d'],
    ['2024', '%Y'],
    ['10', '%d'],
    ['2024-60', '%Y-%j'],
    ['2024-366', '%Y-%j'],
    ['2023-366', '%Y-%j'],
    ['2023-367', '%Y-%j'],
    ['2023-000', '%Y-%j'],
    ['20240305', '%Y%m%d'],
    ['24:00:00', '%H:%M:%S'],
    ['00:00:60', '%H:%M:%S'],
    ['12024-1-1', '%Y-%-m-%-d'],
    ['-5-1-1', '%Y-%m-%d'],
    ['a  b\t2024', 'a b %Y'],
    ['ab 2024', 'a b %Y'],
    ['100%', '%f%%'],
    ['', '%Y'],
  ] as const;
  await withDuckDb(async (duck) => {
    for (const [text, pattern] of pairs) {
      const sql = `select epoch_us(try_strptime('${text}', '${pattern}'))`;
      const theirs = await duck.runAndReadAll(sql).then(
        (answer) => answer.getRows()[0]![0],
        () => null,
      );
      assert.equal(timeParser(pattern)(text), theirs === null ? null : BigInt(theirs as bigint), `${text} as ${pattern}`);
    }
  });
});

test('what is written is read again', () => {
  const pattern = '%A %d %B %Y (%j), %I:%M:%S.%f %p %z %%';
  const [format, parse] = [timeFormatter(pattern), timeParser(pattern)];
  fc.assert(
    fc.property(fc.integer({ min: -719_000, max: 2_900_000 }), fc.integer({ min: 0, max: 86_399_999_999 }), (days, micros) => {
      assert.equal(parse(format(days, micros)), BigInt(days) * 86_400_000_000n + BigInt(micros));
    }),
  );
  const moment = parseTimestamp('2024-03-05T07:08:09.012345Z')!;
  const days = Number(moment / 86_400_000_000n);
  assert.equal(timeFormatter('%-d/%-m/%y %-H:%-M:%-S.%g %-I%p %a %b')(days, Number(moment % 86_400_000_000n)), '5/3/24 7:8:9.012 7AM Tue Mar');
});

test('a pattern with what is not known is refused', () => {
  for (const pattern of ['', '%Q', '%Y %', '%-Y', '%-z', '%s']) {
    assert.throws(() => timeParser(pattern), { code: 'EXPRESSION_TYPE' }, pattern);
    assert.throws(() => timeFormatter(pattern), { code: 'EXPRESSION_TYPE' }, pattern);
  }
});
