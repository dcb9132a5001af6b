import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count } from '#runtime/index.ts';
import { cubeSets, rollupSets } from '#runtime/verbs/grouping.ts';
import { ours, planOf, theirs } from './plans.ts';

test('sets of a rollup and of a cube', () => {
  assert.deepEqual(rollupSets(['a', 'b']), [['a', 'b'], ['a'], []]);
  assert.deepEqual(cubeSets(['a', 'b']), [['a', 'b'], ['a'], ['b'], []]);
});

test('subtotals are those of DuckDB; a null that was there is another group', async () => {
  const sums = 'count(*) n, count(a) as_, sum(v)::BIGINT v';
  assert.deepEqual(
    ours((t) =>
      t
        .groupBy('a', 'b')
        .rollup()
        .aggregate((r) => ({ n: count(), as_: r.a.count(), v: r.v.sum() })),
    ),
    await theirs(`select a, b, ${sums} from t group by rollup(a, b)`),
  );
  assert.deepEqual(
    ours((t) =>
      t
        .groupBy('a', 'b')
        .cube({ id: 'id' })
        .aggregate((r) => ({ n: count(), as_: r.a.count(), v: r.v.sum() })),
    ),
    await theirs(`select a, b, grouping(a, b) id, ${sums} from t group by cube(a, b)`),
  );
  assert.deepEqual(
    ours((t) =>
      t
        .groupBy('a', 'b')
        .groupingSets([['b'], [], ['b']], { id: 'id' })
        .aggregate((r) => ({ n: count(), as_: r.a.count(), v: r.v.sum() })),
    ),
    await theirs(`select a, b, grouping(a, b) id, ${sums} from t group by grouping sets ((b), (), (b), (a, b)) having grouping(a, b) <> 0`),
  );
  assert.deepEqual(
    ours((t) =>
      t
        .groupBy('b', (r) => ({ odd: r.v.mod(2) }))
        .rollup()
        .aggregate(() => ({ n: count() })),
    ),
    await theirs('select b, v % 2 odd, count(*) n from t group by rollup(b, odd)'),
  );
});

test('a pivot has a column for each value, a count of nothing is 0', async () => {
  assert.deepEqual(
    ours((t) => t.groupBy('a').pivot({ key: 'b', values: ['x', 'y'], aggregate: (r) => r.v.sum() })),
    await theirs("select a, sum(v) filter (b = 'x')::BIGINT x, sum(v) filter (b = 'y')::BIGINT y from t group by a"),
  );
  assert.deepEqual(
    ours((t) => t.groupBy('b').pivot({ key: 'v', values: [1, 2, 9], aggregate: () => count() })),
    await theirs('from (pivot (select b, v from t) on v in (1, 2, 9) using count(*) group by b)'),
  );
});

test('what makes no sense is refused', () => {
  const refused = (build: Parameters<typeof planOf>[0], message: RegExp) => assert.throws(() => planOf(build), { code: 'PLAN_UNSUPPORTED', message });
  refused(
    (t) =>
      t
        .groupBy('a')
        .groupingSets([])
        .aggregate(() => ({ n: count() })),
    /no sets/,
  );
  refused(
    (t) =>
      t
        .groupBy('a')
        .groupingSets([['b' as 'a']])
        .aggregate(() => ({ n: count() })),
    /not a key/,
  );
  refused(
    (t) =>
      t
        .groupBy('a')
        .rollup({ id: 'a' as string })
        .aggregate(() => ({ n: count() })),
    /two columns/,
  );
  refused((t) => t.groupBy('a').pivot({ key: 'b', values: [], aggregate: () => count() }), /values/);
  refused((t) => t.groupBy('a').pivot({ key: 'b', values: ['x'], aggregate: (r) => r.v as never }), /count/);
  refused((t) => t.groupBy('a').pivot({ key: 'b', values: ['a'], aggregate: () => count() }), /two columns/);
});
