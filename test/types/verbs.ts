/**
 * What must compile, and what must not: every line under `@ts-expect-error` is a mistake the compiler has to find. Read by
 * `tsc` (types.test.ts); never run. Modules are named one by one, or the whole engine would be checked along.
 */
import { Temporal } from 'temporal-polyfill';
import { Type } from 'typebox';
import { csv, parquet } from '../../batch-runtime/connectors/builders.ts';
import { count } from '../../batch-runtime/fluent/aggregate.ts';
import { when } from '../../batch-runtime/fluent/choice.ts';
import { col, lit } from '../../batch-runtime/fluent/columns.ts';
import type { Columns, Expr, NumericExpr } from '../../batch-runtime/fluent/expr.ts';
import { udf } from '../../batch-runtime/fluent/udf.ts';
import { rank, rowNumber } from '../../batch-runtime/fluent/window.ts';
import { job } from '../../batch-runtime/job.ts';
import { bool, date, float64, int32, int64, integer, list, type RowOf, schema, struct, timestamp, utf8 } from '../../batch-runtime/schema.ts';
import { desc, type Flow, type Table } from '../../batch-runtime/table.ts';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare const same: <A, B>(holds: Same<A, B>) => void;
type Row<T> = T extends Table<infer R> ? R : never;

declare const flow: Flow;

const flights = schema({
  at: timestamp(),
  day: date(),
  origin: utf8(),
  dest: utf8(),
  delay: int32().nullable(),
  distance: integer(),
  big: int64(),
  fare: float64(),
  cancelled: bool(),
});
const airports = schema({ iata: utf8(), city: utf8().nullable(), lat: float64(), runways: int32() });

const t = flow.read(parquet('flights', { schema: flights }), 'flights');
const places = flow.read(csv('airports.csv', { schema: airports, rejects: 'bad.csv' }), 'airports');

// Rows
same<RowOf<typeof airports>, { iata: string; city: string | null; lat: number; runways: number }>(true);
same<Row<typeof places>, RowOf<typeof airports>>(true);

// select, derive, drop, rename, dropNulls
const chosen = t.select('origin', 'delay', (c) => ({ far: c.distance.gt(1000), hour: c.at.hour() }));
same<Row<typeof chosen>, { origin: string; delay: number | null; far: boolean; hour: number }>(true);
const derived = chosen.derive((c) => ({ late: c.delay.gt(15), delay: c.delay.coalesce(0), one: 1, tag: 'x' }));
same<Row<typeof derived>, { origin: string; delay: number; far: boolean; hour: number; late: boolean | null; one: number; tag: string }>(true);
same<Row<ReturnType<typeof dropTwo>>, { hour: number; delay: number | null }>(true);
const dropTwo = () => chosen.drop('origin', 'far');
const renamed = places.rename({ iata: 'code', city: 'town' });
same<Row<typeof renamed>, { code: string; town: string | null; lat: number; runways: number }>(true);
const filled = places.dropNulls('city');
same<Row<typeof filled>, { iata: string; city: string; lat: number; runways: number }>(true);

// joins of other kinds, sets of rows
const semi = t.join(places, { on: { origin: 'iata' }, how: 'semi' }, (l, r) => l.distance.gt(r.runways));
same<Row<typeof semi>, Row<typeof t>>(true);
const rightOnly = t.select('origin', 'delay').join(places.drop('lat'), { on: { origin: 'iata' }, how: 'right' });
same<Row<typeof rightOnly>, { origin: string; delay: number | null; city: string | null; runways: number }>(true);
const both = places.drop('lat').join(t.select('origin', 'distance'), { on: { iata: 'origin' }, how: 'full', prefix: 't_' });
same<Row<typeof both>, { iata: string; city: string | null; runways: number | null; t_distance: number | null }>(true);
const crossed = places.select('city').join(t.select('origin'), { how: 'cross' });
same<Row<typeof crossed>, { city: string | null; origin: string }>(true);
const lastOf = t.select('origin', 'at', 'delay').join(
  places.drop('lat').derive(() => ({ since: lit('2020-01-01T00:00:00Z', timestamp()) })),
  {
    on: { origin: 'iata' },
    asOf: { left: 'at', right: 'since' },
    how: 'left',
  },
);
same<
  Row<typeof lastOf>,
  { origin: string; at: Temporal.Instant; delay: number | null; city: string | null; runways: number | null; since: Temporal.Instant | null }
>(true);
// @ts-expect-error another type
t.join(places, { asOf: { left: 'at', right: 'runways' } });
// @ts-expect-error a column that is not there
t.join(places, { asOf: { left: 'when', right: 'runways' } });
const rows = places.distinct('city').except(places.intersect(places.distinct()));
same<Row<typeof rows>, Row<typeof places>>(true);

const other = flow.rows(schema({ runways: int32().nullable(), iata: utf8(), city: utf8(), lat: float64() }), []);
const united = places.union(other);
same<Row<typeof united>, { iata: string; city: string | null; lat: number; runways: number | null }>(true);
// @ts-expect-error columns differ: lat is not there
places.union(other.drop('lat'));
// @ts-expect-error columns differ: one more
places.drop('lat').union(other);
// @ts-expect-error columns differ: another type
places.union(other.derive((c) => ({ lat: c.lat.cast(utf8()) })));

// expressions
t.filter((c) => c.delay.gt(15).and(c.origin.eq('SFO')).or(c.cancelled).not());
t.filter(({ delay }) => delay.isNotNull());
t.filter((c) => c.origin.in(['SFO', 'JFK']));
t.filter((c) => c.day.lt('1995-03-15').and(c.at.gte('1995-03-15T00:00:00Z')));
t.filter((c) => c.at.between(Temporal.Instant.from('2020-01-01T00:00:00Z'), c.at.plus('5 min')));
t.filter((c) => c.big.add(5n).gt(c.big));
const computed = t.select((c) => ({
  a: c.delay.add(c.distance),
  b: c.big.mul(2n),
  c: c.big.div(2n),
  d: c.origin.slice(0, 2).concat(c.dest),
  e: c.delay.cast(utf8()),
  f: when(c.delay.gt(15), 'late').otherwise('in time'),
  g: when(c.delay.gt(15), c.delay).otherwise(null),
  h: lit(1, int32()),
  i: lit(null, utf8().nullable()),
  j: c.at.date(),
  k: c.at.truncate('hour').millisSince(c.at),
  l: c.delay.coalesce(c.distance),
  m: c.delay.isNull(),
}));
same<
  Row<typeof computed>,
  {
    a: number | null;
    b: bigint;
    c: number;
    d: string;
    e: string | null;
    f: string;
    g: number | null;
    h: number;
    i: string | null;
    j: Temporal.PlainDate;
    k: number;
    l: number;
    m: boolean;
  }
>(true);
const twice = udf([int32().nullable(), utf8()], utf8().nullable(), (delay, origin) => (delay === null ? null : `${origin}${delay * 2}`));
const withFunction = t.select((c) => ({ twice: twice(c.delay, c.origin) }));
same<Row<typeof withFunction>, { twice: string | null }>(true);
const isLate = (c: { readonly delay: NumericExpr<number | null> }) => c.delay.gt(15);
t.filter(isLate);
const helper = <K extends 'origin' | 'dest'>(name: K) => t.groupBy(name).aggregate(() => ({ n: count() }));
helper('origin').filter((c) => c.n.gt(1));

// groups
const grouped = t
  .groupBy('origin', (c) => ({ hour: c.at.hour() }))
  .aggregate((c) => ({
    n: count(),
    known: c.delay.count().filter(c.hour.gt(3)),
    mean: c.delay.avg(),
    far: c.distance.sum(),
    late: c.distance.max().filter(c.delay.gt(15)),
    big: c.big.sum(),
    first: c.at.min(),
    days: c.at.countDistinct(),
    earliest: c.delay.first({ orderBy: c.at }),
    latest: c.origin.last(),
    spread: c.distance.stddev(),
    median: c.distance.median(),
    all: c.origin.joinText(', '),
  }));
same<
  Row<typeof grouped>,
  {
    origin: string;
    hour: number;
    n: number;
    known: number;
    mean: number | null;
    far: number;
    late: number | null;
    big: bigint;
    first: Temporal.Instant;
    days: number;
    earliest: number | null;
    latest: string;
    spread: number | null;
    median: number;
    all: string;
  }
>(true);
const ranked = t.derive((c) => {
  const perDay = { partitionBy: [c.origin, c.at.date()], orderBy: desc(c.at) };
  return {
    n: rowNumber().over(perDay),
    mean: c.delay.avg().over(perDay),
    seen: count().over({ ...perDay, frame: { rows: [-2, 0] } }),
    near: c.distance.sum().over({ ...perDay, frame: { rows: [-2, 0] } }),
    change: c.distance.sub(c.distance.lag(1, 0).over(perDay)),
  };
});
same<
  Pick<Row<typeof ranked>, 'n' | 'mean' | 'seen' | 'near' | 'change'>,
  { n: number; mean: number | null; seen: number; near: number | null; change: number | null }
>(true);
t.filter((c) => rank().over({ orderBy: c.delay }).lte(3));

const subtotals = t
  .groupBy('origin', (c) => ({ hour: c.at.hour() }))
  .cube({ id: 'set' })
  .aggregate((c) => ({ n: count(), far: c.distance.sum() }));
same<Row<typeof subtotals>, { origin: string | null; hour: number | null; set: number; n: number; far: number }>(true);
const wide = t.groupBy('origin').pivot({ key: 'dest', values: ['SFO', 'LAX'], aggregate: (c) => c.distance.max() });
same<Row<typeof wide>, { origin: string; SFO: number | null; LAX: number | null }>(true);
const long = t.select('origin', 'delay', 'distance').unpivot({ columns: ['delay', 'distance'], name: 'which', value: 'number' });
same<Row<typeof long>, { origin: string; which: string; number: number }>(true);
const tenth = t.sample(0.1, { seed: 1, by: ['origin'] }).repartition('origin', 'dest');
same<Row<typeof tenth>, Row<typeof t>>(true);

const total = t.aggregate((c) => ({ n: count(), late: count().filter(c.delay.gt(15)), far: c.distance.sum() }));
same<Row<typeof total>, { n: number; late: number; far: number | null }>(true);

// joins
const joined = t.select('origin', 'dest').join(places, { on: { origin: 'iata' }, prefix: 'o_' });
same<Row<typeof joined>, { origin: string; dest: string; o_city: string | null; o_lat: number; o_runways: number }>(true);
const left = joined.join(places, { on: { dest: 'iata' }, how: 'left' });
same<
  Row<typeof left>,
  {
    origin: string;
    dest: string;
    o_city: string | null;
    o_lat: number;
    o_runways: number;
    city: string | null;
    lat: number | null;
    runways: number | null;
  }
>(true);
const own = places.join(
  places.select('iata', (c) => ({ high: c.lat.gt(50) })),
  { on: 'iata' },
);
same<Row<typeof own>, { iata: string; city: string | null; lat: number; runways: number; high: boolean }>(true);
places.join(
  places.select('iata', 'city', (c) => ({ high: c.lat.gt(50) })),
  { on: ['iata', 'city'] },
);

// order, sinks
t.orderBy('origin', desc('delay'))
  .limit(10)
  .write(csv('out.csv', { overwrite: true }), 'out');
t.write(parquet('out', { partitionBy: ['origin'] }));
places.pipe((p) => p.filter((c) => c.lat.gt(0))).write(parquet('out'));
flow.rows(airports, [{ iata: 'A', city: null, lat: 1, runways: 2 }]);

// nothing declared
const bare = flow.read(csv('bare.csv'));
same<Row<typeof bare>, unknown>(true);
bare
  .filter(() => col('delay', int32()).gt(15))
  .select(() => ({ delay: col('delay', int32()) }))
  .filter((c) => c.delay.lt(3));

// jobs
const late = job({
  name: 'late',
  params: { minimum: Type.Integer({ default: 2 }), out: Type.String() },
  build(flow, p) {
    same<typeof p.minimum, number>(true);
    const rows = flow.read(parquet('flights', { schema: flights })).filter((c) => c.delay.gt(p.minimum));
    rows.write(parquet(p.out));
    return rows.select('origin');
  },
});
late satisfies { readonly name: string };
job({ name: 'nothing', build: (flow) => flow.rows(airports, []).write(csv('x.csv')) });

export const expected: Expr<boolean | null> = (undefined as unknown as Columns<RowOf<typeof flights>>).delay.gt(1);

// --- mistakes ---
// @ts-expect-error a column that is not there
t.filter((c) => c.delaz.gt(1));
// @ts-expect-error another type
t.filter((c) => c.origin.eq(5));
// @ts-expect-error another type on the other side
t.filter((c) => c.origin.eq(c.delay));
// @ts-expect-error a number beside a bigint
t.filter((c) => c.big.gt(5));
// @ts-expect-error operators do not work on expressions
t.filter((c) => c.delay > 15);
// @ts-expect-error nor does !
t.filter((c) => !c.cancelled);
// @ts-expect-error a condition is a boolean
t.filter((c) => c.delay);
// @ts-expect-error text has no sum
t.aggregate((c) => ({ s: c.origin.sum() }));
// @ts-expect-error a number has no `lower`
t.filter((c) => c.delay.lower().eq('a'));
// @ts-expect-error not a date
t.filter((c) => c.day.lt('yesterday'));
// @ts-expect-error no such unit
t.select((c) => ({ a: c.at.plus('5 minutes') }));
// @ts-expect-error an aggregate is not a column
t.select((c) => ({ a: c.delay.sum() }));
// @ts-expect-error a column is not an aggregate
t.groupBy('origin').aggregate((c) => ({ a: c.delay }));
// @ts-expect-error not a name
t.select('orgin');
// @ts-expect-error not a name
t.drop('orgin');
// @ts-expect-error not a name
t.orderBy(desc('orgin'));
// @ts-expect-error not a name
t.groupBy('orgin');
// @ts-expect-error not a key
t.groupBy('origin').groupingSets([['dest']]);
// @ts-expect-error not a name
t.unpivot({ columns: ['orgin'], name: 'a', value: 'b' });
// @ts-expect-error not a name
t.sample(0.1, { by: ['orgin'] });
// @ts-expect-error nothing to spread by
t.repartition();
// @ts-expect-error not a name
t.dropNulls('orgin');
// @ts-expect-error not a name
t.rename({ orgin: 'x' });
// @ts-expect-error gone after drop
t.drop('origin').filter((c) => c.origin.eq('a'));
// @ts-expect-error gone after aggregate
grouped.filter((c) => c.delay.gt(1));
// @ts-expect-error null is not a number here
flow.rows(airports, [{ iata: 'A', city: null, lat: null, runways: 2 }]);
// @ts-expect-error null goes to a function that does not take it
t.select((c) => ({ a: udf([int32()], int32(), (n) => n)(c.delay) }));
// @ts-expect-error the function gives null
udf([int32()], int32(), () => null);
// @ts-expect-error city on both sides
places.join(places, { on: 'iata' });
// @ts-expect-error the prefix does not help
places.select('iata', (c) => ({ x_city: c.city })).join(places, { on: 'iata', prefix: 'x_' });
// @ts-expect-error a prefix that is known only at run time
places.join(places, { on: 'iata', prefix: String(Math.PI) });
// @ts-expect-error types of keys differ
t.select('distance').join(places, { on: { distance: 'iata' } });
// @ts-expect-error types of keys differ, by name
places.join(flow.rows(schema({ iata: int32() }), []), { on: 'iata' });
// @ts-expect-error not a name of the right side
t.join(places, { on: { origin: 'code' } });
// @ts-expect-error no such join
t.join(places, { on: { origin: 'iata' }, how: 'outer' });
// @ts-expect-error a column that the table lacks
places.write(parquet('out', { partitionBy: ['state'] }));
// @ts-expect-error a source with a schema is no sink
places.write(csv('out.csv', { schema: airports }));
// @ts-expect-error a source has no overwrite
csv('out.csv', { schema: airports, overwrite: true });
// @ts-expect-error a column of a table without a schema
bare.filter((c) => c.delay.gt(1));
// @ts-expect-error build must be synchronous
job({ name: 'a', build: async (flow: Flow) => flow.rows(airports, []) });
// @ts-expect-error no such param
job({ name: 'b', params: { out: Type.String() }, build: (flow, p) => flow.rows(airports, []).write(csv(p.aut)) });
job({
  name: 'c',
  params: { out: Type.String() },
  build(_, p) {
    // @ts-expect-error params are frozen
    p.out = 'x';
  },
});
// @ts-expect-error lit of another type
lit('a', int32());
// @ts-expect-error the branches differ
t.select((c) => ({ a: when(c.cancelled, 1).otherwise('x') }));

// Functions over rows
same<Row<ReturnType<typeof mapped>>, { hours: number; at: Temporal.Instant }>(true);
const mapped = () => t.map({ hours: float64(), at: timestamp() }, ({ at, delay }) => ({ at, hours: (delay ?? 0) / 60 }));
same<Row<ReturnType<typeof scored>>, { iata: string; city: string | null; lat: number; runways: number; score: number | null }>(true);
const scored = () =>
  places.deriveRows({ score: float64().nullable() }, async ({ lat }, { signal }) => ({ score: signal.aborted ? null : lat }), { timeout: '5 s' });
t.flatMap({ part: utf8() }, function* ({ origin }) {
  yield { part: origin };
}).filterRows(({ part }) => part.length > 2);
t.filterRows(async ({ delay }) => delay !== null);
// @ts-expect-error Type 'number | null' is not assignable to type 'number'
t.map({ delay: int32() }, ({ delay }) => ({ delay }));
// @ts-expect-error Property 'orgin' does not exist
t.filterRows(({ orgin }) => orgin === 'SFO');
// @ts-expect-error not assignable to type 'Duration'
t.filterRows(() => true, { timeout: '5 seconds' });
// @ts-expect-error Type 'string' is not assignable to type 'boolean
t.filterRows(({ origin }) => origin);

// unnest, lists and structs in rows
const nested = schema({ id: int32(), tags: list(utf8()), legs: list(struct({ from: utf8(), km: float64().nullable() })).nullable() });
same<RowOf<typeof nested>, { id: number; tags: readonly string[]; legs: readonly { from: string; km: number | null }[] | null }>(true);
const trips = flow.read(parquet('trips', { schema: nested }));
const oneTag = trips.unnest('tags');
same<Row<typeof oneTag>, { id: number; tags: string; legs: readonly { from: string; km: number | null }[] | null }>(true);
const oneLeg = trips.unnest('legs', { as: 'leg', ordinality: 'n', outer: true }).select('leg', 'n', (c) => ({ km: c.leg.field('km') }));
same<Row<typeof oneLeg>, { leg: { from: string; km: number | null } | null; n: number | null; km: number | null }>(true);
const gathered = trips.groupBy('id').aggregate((c) => ({ lists: c.tags.toList(), first: c.legs.first() }));
same<Row<typeof gathered>, { id: number; lists: readonly (readonly string[])[]; first: Row<typeof trips>['legs'] }>(true);
trips.map({ n: int32() }, ({ tags, legs }) => ({ n: tags.length + (legs?.[0]?.km ?? 0) }));
trips.deriveRows({ upper: list(utf8()) }, ({ tags }) => ({ upper: tags.map((tag) => tag.toUpperCase()) }));
// @ts-expect-error a number is no list
trips.unnest('id');
// @ts-expect-error a column that is not there
trips.unnest('tag');
