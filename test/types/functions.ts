/** The types of what functions give: their values, and the null in them. Read by `tsc` (types.test.ts); never run. */
import type { Temporal } from 'temporal-polyfill';
import { Decimal } from '../../batch-runtime/batch/decimal.ts';
import type { Aggregate } from '../../batch-runtime/fluent/aggregate.ts';
import { col, lit } from '../../batch-runtime/fluent/columns.ts';
import type { Expr } from '../../batch-runtime/fluent/expr.ts';
import { date, decimal, float64, int32, int64, list, struct, timestamp, utf8 } from '../../batch-runtime/schema.ts';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Gives<E, T> = E extends Expr<infer V> ? Same<V, T> : false;
declare const gives: <E, T>(holds: Gives<E, T>) => void;

const n = col('n', int32());
const maybe = col('m', int32().nullable());
const big = col('b', int64());
const s = col('s', utf8());
const noText = col('t', utf8().nullable());

// Choice: the null stays only where every value may be one, and comes where one is made
const filled = maybe.coalesce(maybe, n);
gives<typeof filled, number>(true);
const open = maybe.coalesce(maybe, maybe);
gives<typeof open, number | null>(true);
const nulled = s.nullIf('');
gives<typeof nulled, string | null>(true);
const least = maybe.least(n, 3);
gives<typeof least, number>(true);
const most = maybe.greatest(maybe);
gives<typeof most, number | null>(true);
const tried = s.tryCast(int32());
gives<typeof tried, number | null>(true);
// @ts-expect-error another type
maybe.coalesce('none');
// @ts-expect-error another type
s.nullIf(5);

// Numbers
const powered = big.power(2n);
gives<typeof powered, number>(true);
const floored = big.floor();
gives<typeof floored, bigint>(true);
const sign = maybe.sign();
gives<typeof sign, number | null>(true);

// Decimals
const price = col('p', decimal(12, 2));
const maybePrice = col('q', decimal(30, 4).nullable());
const taxed = price.mul(1.05).add('0.01').sub(5n).add(price);
gives<typeof taxed, Decimal>(true);
const owed = price.add(maybePrice);
gives<typeof owed, Decimal | null>(true);
const share = price.div(maybePrice);
gives<typeof share, number | null>(true);
const dear = price.between('1.20', Decimal.from('99.95')).and(price.in([1, '2.50', 3n]));
gives<typeof dear, boolean>(true);
const given = maybePrice.coalesce('0');
gives<typeof given, Decimal>(true);
const rate = lit('1.20', decimal(12, 2));
gives<typeof rate, Decimal>(true);
const noRate = lit(null, decimal(12, 2).nullable());
gives<typeof noRate, Decimal | null>(true);
const sum = maybePrice.sum();
const mean = maybePrice.avg();
gives<typeof sum extends Aggregate<infer T> ? Expr<T> : never, Decimal | null>(true);
gives<typeof mean extends Aggregate<infer T> ? Expr<T> : never, number | null>(true);
const whole = price.cast(int64());
gives<typeof whole, bigint>(true);
// @ts-expect-error no decimal
price.add('dear');
// @ts-expect-error no decimal
lit('dear', decimal(12, 2));
// @ts-expect-error a float is another type: cast one of them
price.add(col('f', float64()));
// @ts-expect-error a decimal is no number
n.add(Decimal.from('1.5'));
// @ts-expect-error text is compared with no decimal
s.eq(price);

// Text
const joined = s.concat('a', s);
gives<typeof joined, string>(true);
const lost = s.concat('a', noText);
gives<typeof lost, string | null>(true);
// @ts-expect-error no number among texts
s.concat('a', 5);
const found = noText.matches(/a/);
gives<typeof found, boolean | null>(true);
const part = s.splitPart(',', 0);
gives<typeof part, string>(true);
const replaced = s.replace(noText, 'x');
gives<typeof replaced, string | null>(true);
const inJson = s.json('$.a');
gives<typeof inJson, string | null>(true);
// @ts-expect-error a path starts with $
s.json('a');
// @ts-expect-error a pattern is written down
s.matches(s);

// Time
const at = col('at', timestamp().nullable());
const day = col('d', date());
const later = at.plus('1 mo');
gives<typeof later, Temporal.Instant | null>(true);
const nextDay = day.plusDays(n);
gives<typeof nextDay, Temporal.PlainDate>(true);
const apart = day.diff('2024-01-01', 'week');
gives<typeof apart, number>(true);
const read = s.tryParse('%Y');
gives<typeof read, Temporal.Instant | null>(true);
const micros = at.epochMicros();
gives<typeof micros, bigint | null>(true);
const hashed = at.hash(n);
gives<typeof hashed, number>(true);
// @ts-expect-error a date has no hours
day.plus('5 h');
// @ts-expect-error no such unit
day.diff(day, 'fortnight');
// @ts-expect-error a date has no minute
day.minute();

// Lists and structs
const tags = col('tags', list(utf8()));
const scores = col('scores', list(int32().nullable()).nullable());
const place = col('place', struct({ city: utf8(), at: struct({ lat: float64().nullable() }), tags: list(utf8()) }).nullable());
const howMany = tags.length();
gives<typeof howMany, number>(true);
const firstTag = tags.at(0);
gives<typeof firstTag, string | null>(true);
const loud = tags.at(-1).upper();
gives<typeof loud, string | null>(true);
const maybeLong = scores.length();
gives<typeof maybeLong, number | null>(true);
const score = scores.at(maybe);
gives<typeof score, number | null>(true);
const has = tags.contains('a');
gives<typeof has, boolean>(true);
const hasScore = scores.contains(maybe);
gives<typeof hasScore, boolean | null>(true);
const city = place.field('city');
gives<typeof city, string | null>(true);
const lat = place.field('at').field('lat').add(1);
gives<typeof lat, number | null>(true);
const parts = s.split(',');
gives<typeof parts, readonly string[]>(true);
const lostParts = noText.split(s);
gives<typeof lostParts, readonly string[] | null>(true);
const oneCity = place.field('tags').at(0).lower();
gives<typeof oneCity, string | null>(true);
// @ts-expect-error a field that is not there
place.field('town');
// @ts-expect-error another type than the list has
tags.contains(5);
// @ts-expect-error a list is compared with nothing
tags.eq(tags);
// @ts-expect-error a struct has no length
place.length();
// @ts-expect-error a text is no list
s.at(0);
