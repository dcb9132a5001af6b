import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aggregateRow, aggregates, partialSchema } from '#runtime/aggregate/table.ts';
import type { Schema, SimpleKind } from '#runtime/batch/batch.ts';
import type { Aggregate } from '#runtime/expression/expression.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import { cases, formCases } from './cases.ts';
import { agree } from './duckdb.ts';

test('every aggregate has a case, and gives what DuckDB gives on edge values, in one phase and in two', async () => {
  assert.deepEqual(
    Object.keys(aggregates).filter((fn) => !cases.some((one) => one.fn === fn)),
    [],
    'add it to cases.ts',
  );
  // Lists are compared in list.test.ts.
  const groups = await agree(cases.filter(({ fn }) => fn !== 'toList'));
  assert(groups > 200, `${groups} groups`);
});

test('aggregates of forms give what DuckDB gives', async () => {
  const groups = await agree(formCases);
  assert(groups > 2000, `${groups} groups`);
});

test('a name that is not there is refused, and so is one of an object', () => {
  assert.equal(aggregateRow('sum'), aggregates['sum']);
  for (const fn of ['total', 'constructor', '']) assert.throws(() => aggregateRow(fn), { code: 'EXPRESSION_TYPE' });
});

const aggregate = (name: string, fn: string, kind: SimpleKind | null): Aggregate => ({
  name,
  fn,
  argument: kind === null ? null : columnRef({ name: 'x', type: { kind }, nullable: true }),
  filter: null,
  type: { kind: kind ?? 'integer' },
  nullable: true,
});
const shown = (fields: Schema): string[] => fields.map(({ name, type, nullable }) => `${name} ${type.kind}${nullable ? '?' : ''}`);

test('keys first, then what each aggregate needs to be merged', () => {
  const key = { name: 'k', type: { kind: 'utf8' }, nullable: false } as const;
  const aggregates = [
    aggregate('n', 'count', null),
    aggregate('small', 'sum', 'int32'),
    aggregate('large', 'sum', 'integer'),
    aggregate('mean', 'avg', 'float64'),
    aggregate('exact', 'avg', 'int64'),
    aggregate('last', 'max', 'timestamp'),
  ];
  assert.deepEqual(shown(partialSchema([key], aggregates)), [
    'k utf8',
    'n integer',
    'small int64?',
    'large int64?',
    'large.carry integer',
    'mean.sum float64?',
    'mean.count integer',
    'exact.sum int64?',
    'exact.carry integer',
    'exact.count integer',
    'last timestamp?',
  ]);
});
