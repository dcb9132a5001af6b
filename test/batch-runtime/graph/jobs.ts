/** Jobs over the operators that there are, and rows for them: what the tests of rules and stages run. */
import fc from 'fast-check';
import type { Plan } from '#runtime/graph/plan.ts';
import { col, count, csv, desc, type Flow, float64, int32, job, parquet, rank, schema, utf8, when } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';
import type { Row, Sources } from './reference.ts';

const facts = schema({ a: utf8().nullable(), b: utf8(), x: int32().nullable(), y: int32(), z: float64() });
const side = schema({ key: utf8(), name: utf8().nullable(), size: int32() });

const plan = (build: (flow: Flow) => unknown): Plan => buildGraph(job({ name: 'test', build: (flow) => build(flow) as undefined }), {}).plan;

/** By name; scans are read-0 (facts) and, where there is one, read-1 (side). Every order is total, so that results can be compared. */
export const plans: Readonly<Record<string, Plan>> = {
  filterAndProject: plan((flow) =>
    flow
      .read(csv('facts', { schema: facts }))
      .derive((t) => ({ q: t.y.mul(2), b2: t.b }))
      .filter((t) => t.b2.ne('k1').and(t.q.gt(4)))
      .filter((t) => t.x.isNotNull().and(t.z.div(t.y).lt(100)))
      .select('a', 'q', 'b2'),
  ),
  dropNullsThroughAll: plan((flow) => {
    const right = flow.read(csv('facts', { schema: facts })).select('b', 'x');
    return flow
      .read(csv('side', { schema: side }))
      .join(right, { on: { key: 'b' }, prefix: 'r_' })
      .rename({ r_x: 'x' })
      .dropNulls('name', 'x');
  }),
  joins: plan((flow) => {
    const t = flow.read(csv('facts', { schema: facts }));
    const s = flow.read(csv('side', { schema: side }));
    return t
      .join(s, { on: { a: 'key' }, how: 'left', prefix: 'a_' })
      .join(s, { on: { b: 'key' }, prefix: 'b_' })
      .filter((r) =>
        r.y
          .gt(1)
          .and(r.b_size.lt(8))
          .and(r.a_size.isNull().or(r.a_size.gt(2))),
      )
      .select('y', 'a_name', 'b_name');
  }),
  semiAndAnti: plan((flow) => {
    const t = flow.read(csv('facts', { schema: facts }));
    const s = flow.read(csv('side', { schema: side }));
    return t
      .join(s, { on: { b: 'key' }, how: 'semi' }, (l, r) => l.y.ne(r.size))
      .join(
        s.filter((r) => r.size.gt(6)),
        { on: { a: 'key' }, how: 'anti' },
      )
      .filter((r) => r.y.gt(1))
      .select('b', 'y');
  }),
  rightAndFull: plan((flow) => {
    const t = flow.read(csv('facts', { schema: facts })).select('a', 'b', 'x', 'y');
    const s = flow.read(csv('side', { schema: side }));
    return t
      .join(s, { on: { b: 'key' }, how: 'right' })
      .join(s, { on: { a: 'key' }, how: 'full', prefix: 'f_' }, (l, r) => l.size.lt(r.size))
      .filter((r) =>
        r.y
          .isNull()
          .or(r.y.gt(2))
          .and(r.f_size.isNull().or(r.f_size.lt(9))),
      )
      .select('a', 'b', 'name', 'f_name');
  }),
  crossed: plan((flow) => {
    const t = flow.read(csv('facts', { schema: facts }));
    const most = flow.read(csv('side', { schema: side })).aggregate((s) => ({ most: s.size.max(), n: count() }));
    return t
      .join(most, { how: 'cross' })
      .filter((r) => r.y.lt(r.most))
      .select('b', 'y', 'n');
  }),
  asOf: plan((flow) => {
    const t = flow.read(csv('facts', { schema: facts }));
    const s = flow.read(csv('side', { schema: side }));
    const whole = s.groupBy('size').aggregate((r) => ({ name: r.name.max() }));
    return t
      .join(s, { on: { a: 'key' }, asOf: { left: 'x', right: 'size' }, how: 'left', prefix: 'a_' })
      .join(whole, { asOf: { left: 'y', right: 'size' } })
      .filter((r) =>
        r.y
          .gt(1)
          .and(r.name.isNotNull())
          .and(r.a_size.isNull().or(r.a_size.gt(0))),
      )
      .select('a', 'y', 'size', 'name', 'a_size');
  }),
  setsOfRows: plan((flow) => {
    const t = flow.read(csv('facts', { schema: facts })).select('a', 'x');
    const few = t.filter((r) => r.x.gt(3).or(r.a.isNull()));
    return t.except(few.intersect(t).distinct('a', 'x'));
  }),
  unions: plan((flow) => {
    const t = flow.read(csv('facts', { schema: facts })).select('a', 'b', 'x', 'y');
    const s = flow.read(csv('side', { schema: side }));
    const all = t
      .union(t.filter((r) => r.y.gt(4)))
      .union(s.select('size', (r) => ({ a: r.key, b: r.key, x: r.size, y: r.size })).drop('size'))
      .filter((r) => r.y.lt(8).and(r.x.isNotNull()));
    all
      .groupBy('a')
      .aggregate((r) => ({ n: count(), x: r.x.sum(), bs: r.b.countDistinct() }))
      .write(parquet('groups'), 'groups');
    all.aggregate(() => ({ n: count() })).write(csv('count.csv'), 'count');
    all
      .join(s, { on: { b: 'key' }, prefix: 's_' })
      .select('y', 's_size')
      .write(csv('joined.csv'), 'joined');
    s.join(
      all
        .select('b')
        .distinct()
        .union(s.select((r) => ({ b: r.key }))),
      { on: { key: 'b' }, how: 'left' },
    ).write(parquet('left'), 'left');
    all.derive((r) => ({ n: rank().over({ partitionBy: r.b, orderBy: [r.x, desc(r.y)] }) })).write(parquet('ranked'), 'ranked');
    all.repartition('y').write(parquet('spread'), 'spread');
    return all.select('b', 'x', 'y').orderBy('x', desc('y'), 'b');
  }),
  groups: plan((flow) =>
    flow
      .read(csv('facts', { schema: facts }))
      .groupBy('b', (t) => ({ odd: t.y.mod(2) }))
      .aggregate((t) => ({
        n: count(),
        known: t.x.count(),
        s: t.x.sum(),
        m: t.z.avg(),
        low: t.x.min(),
        high: t.a.max(),
        some: t.y.sum().filter(t.y.gt(5)),
      }))
      .filter((t) => t.n.gt(1).and(t.b.ne('k2')))
      .orderBy(desc('n'), 'b', 'odd')
      .limit(4),
  ),
  inOrder: plan((flow) =>
    flow
      .read(csv('facts', { schema: facts }))
      .groupBy('b')
      .aggregate((t) => ({
        first: t.x.first(),
        last: t.a.last().filter(t.y.gt(3)),
        least: t.y.first({ orderBy: t.x }),
        texts: t.a.joinText(','),
        close: t.y.approxQuantile(0.5),
      })),
  ),
  kept: plan((flow) => {
    const t = flow.read(csv('facts', { schema: facts }));
    t.aggregate((r) => ({ n: count(), as: r.a.countDistinct() })).write(parquet('all'), 'all');
    return t
      .groupBy('b')
      .aggregate((r) => ({ as: r.a.countDistinct(), xs: r.x.countDistinct().filter(r.y.gt(2)), median: r.y.median(), s: r.x.sum() }));
  }),
  windows: plan((flow) =>
    flow
      .read(csv('facts', { schema: facts }))
      .derive((t) => ({
        share: t.y.div(t.y.sum().over({ partitionBy: t.b })),
        n: rank().over({ partitionBy: t.b, orderBy: [t.x, desc(t.y)] }),
        before: t.y.lag().over({ orderBy: [t.y, t.b, t.x, t.a, t.z] }),
        unused: t.z.avg().over({ partitionBy: t.a, orderBy: t.y, frame: { rows: [-1, 1] } }),
      }))
      .filter((t) => t.b.ne('k2').and(t.y.gt(1)))
      .select('b', 'y', 'share', 'n', 'before'),
  ),
  grouped: plan((flow) => {
    const t = flow.read(csv('facts', { schema: facts })).repartition('b', 'x');
    t.groupBy('a', 'b')
      .cube({ id: 'set' })
      .aggregate((r) => ({ n: count(), as: r.a.count(), y: r.y.sum() }))
      .write(parquet('cube'), 'cube');
    t.groupBy('a')
      .rollup()
      .pivot({ key: 'b', values: ['k1', 'k2'], aggregate: (r) => r.y.max() })
      .write(parquet('pivoted'), 'pivoted');
    return t
      .unpivot({ columns: ['x', 'y'], name: 'which', value: 'number' })
      .filter((r) => r.number.gt(1))
      .sample(0.5, { by: ['a', 'b'] })
      .select('a', 'which', 'number');
  }),
  total: plan((flow) =>
    flow
      .read(csv('facts', { schema: facts }))
      .filter((t) => t.y.gt(1000))
      .aggregate((t) => ({ n: count(), s: t.x.sum() })),
  ),
  manySinks: plan((flow) => {
    const t = flow.read(csv('facts', { schema: facts })).dropNulls('x');
    const s = flow.read(csv('side', { schema: side }));
    const routes = t
      .groupBy('a', 'b')
      .aggregate((r) => ({ n: count(), late: count().filter(r.x.gt(3)), x: r.x.sum() }))
      .join(s, { on: { b: 'key' }, prefix: 's_' });
    routes.write(parquet('routes'), 'routes');
    t.join(s.select('key', 'size'), { on: { b: 'key' } })
      .groupBy('size', (r) => ({ kind: when(r.y.gt(5), 'big').otherwise('small') }))
      .aggregate((r) => ({ n: count(), mean: r.x.avg() }))
      .orderBy('size', 'kind')
      .write(csv('sizes.csv'), 'sizes');
    routes
      .filter((r) => r.n.gte(1))
      .orderBy(desc('x'), 'a', 'b')
      .write(csv('all'), 'all');
    return routes.orderBy(desc('x'), 'a', 'b').limit(3).select('a', 'b', 'x');
  }),
  withItself: plan((flow) => {
    const t = flow.read(csv('facts', { schema: facts }));
    const means = t.groupBy('b').aggregate((r) => ({ mean: r.y.avg() }));
    return t
      .join(means, { on: 'b' })
      .filter((r) => r.mean.lte(r.y.cast(float64())))
      .select('a', 'b', 'y', 'mean');
  }),
  twoOrders: plan((flow) => {
    const t = flow
      .read(csv('facts', { schema: facts }))
      .groupBy('y')
      .aggregate(() => ({ n: count() }));
    t.orderBy('y').write(csv('up.csv'), 'up');
    t.orderBy(desc('y')).write(csv('down.csv'), 'down');
  }),
  written: plan((flow) =>
    flow
      .rows(side, [
        { key: 'k1', name: null, size: 1 },
        { key: 'k2', name: 'two', size: 2 },
      ])
      .groupBy('size')
      .aggregate((t) => ({ n: count(), name: t.name.max() }))
      .orderBy('size'),
  ),
  countOnly: plan((flow) => {
    flow.read(csv('facts', { schema: facts }));
    return flow
      .read(csv('facts'))
      .filter(() => col('y', int32()).gt(2))
      .aggregate(() => ({ n: count() }));
  }),
};

const key = fc.constantFrom('k1', 'k2', 'k3', 'k4', 'none');
const factRow = fc.record({
  a: fc.option(key),
  b: key,
  x: fc.option(fc.integer({ min: -9, max: 9 })),
  y: fc.integer({ min: 1, max: 9 }),
  z: fc.integer({ min: -99, max: 99 }),
});
const sideRow = fc.record({ key, name: fc.option(fc.constantFrom('x', 'y')), size: fc.integer({ min: 0, max: 9 }) });

/** Rows for each scan of a plan, found by its schema. */
export const sourcesOf = (of: Plan): fc.Arbitrary<Sources> =>
  fc.record(
    Object.fromEntries(
      of.nodes
        .filter((node) => node.kind === 'scan')
        .map((node) => [node.uid, fc.array<Row>(node.schema.some(({ name }) => name === 'key') ? sideRow : factRow, { maxLength: 24 })]),
    ),
  );
