import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count, settleAggregate } from '#runtime/fluent/aggregate.ts';
import { js, refused, scope, t } from './table.ts';

test('aggregates: type and null follow from function, argument, filter and keys', () => {
  const c = t();
  const of = (given: unknown, global = false): string => {
    const { fn, type, nullable, filter } = settleAggregate('a', given, global, scope);
    return `${fn} ${type.kind}${nullable ? '?' : ''}${filter === null ? '' : ' filtered'}`;
  };
  assert.deepEqual(
    [
      count(),
      count().filter(c.ok),
      c.j.count(),
      c.i.sum(),
      c.j.sum(),
      c.l.sum(),
      c.i.avg(),
      c.s.max(),
      c.i.min().filter(c.ok).filter(c.ok.not()),
      c.s.countDistinct(),
      c.ok.first(),
      c.j.last({ orderBy: c.s }),
      c.s.approxCountDistinct(),
      c.i.variance(),
      c.i.stddevPop(),
      c.j.median(),
      c.i.approxQuantile(0.9),
      c.s.joinText(','),
    ].map((each) => of(each)),
    [
      'count integer',
      'count integer filtered',
      'count integer',
      'sum integer',
      'sum integer?',
      'sum int64',
      'avg float64',
      'max utf8',
      'min int32? filtered',
      'countDistinct integer',
      'first bool',
      'last int32?',
      'approxCountDistinct integer',
      'variance float64?',
      'stddevPop float64',
      'quantile float64?',
      'approxQuantile float64',
      'joinText utf8',
    ],
  );
  assert.deepEqual([of(count(), true), of(c.i.sum(), true)], ['count integer', 'sum integer?']);
  refused(() => of(js(c.s).sum!()), 'sum of a utf8');
  refused(() => of(js(c.ok).min!()), 'min of a bool');
  refused(() => of(c.i.quantile(2)), 'a share between 0 and 1');
  refused(() => of(js(c.s).stddev!()), 'stddev of a utf8');
  refused(() => of(c.i), 'not an aggregate');
});
