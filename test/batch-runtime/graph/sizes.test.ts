import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Schema } from '#runtime/batch/batch.ts';
import type { Plan } from '#runtime/graph/plan.ts';
import { sizesOf } from '#runtime/graph/sizes.ts';
import { plans } from './jobs.ts';

const of = (name: string, rows: number, bytes: number) => {
  const plan = plans[name]!;
  const scans = new Map(plan.nodes.flatMap((node, id) => (node.kind === 'scan' ? [[id, { rows, bytes }] as const] : [])));
  const sizes = sizesOf(plan, scans);
  return (kind: string) => sizes[plan.nodes.findIndex((node) => node.kind === kind)];
};

test('rows count as wide as the columns that are left; a filter may keep all', () => {
  const size = of('filterAndProject', 1000, 1);
  assert.deepEqual(size('scan'), { rows: 1000, bytes: 56_000 });
  assert.deepEqual(size('filter'), { rows: 1000, bytes: (56 + 4 + 20) * 1000 });
});

test('bytes stand where rows are not known, and nothing where nothing is', () => {
  assert.deepEqual(of('filterAndProject', 0, 500)('filter'), { rows: 0, bytes: 500 });
  assert.equal(of('filterAndProject', 0, 0)('filter'), null);
  assert.deepEqual(of('joins', 0, 500)('join'), { rows: 0, bytes: 1000 });
  assert.equal(of('joins', 0, 0)('join'), null);
});

test('limits, totals and rows written down are bounds of their own', () => {
  assert.equal(of('groups', 0, 0)('limit')!.rows, 4);
  assert.equal(of('total', 0, 0)('aggregate')!.rows, 1);
  assert.equal(of('written', 0, 0)('values')!.rows, 2);
});

test('a union has the rows of all its inputs, or their bytes, and is not known where one is not', () => {
  const of = (sides: readonly (readonly [rows: number, bytes: number] | null)[]) => {
    const schema = [{ name: 'a', type: { kind: 'int32' }, nullable: false }] as const;
    const scan = (uid: string) => ({ kind: 'scan', uid, name: uid, source: { connector: 'none' }, columns: ['a'], predicate: null, schema }) as const;
    const nodes = [...sides.map((_, i) => scan(`s${i}`)), { kind: 'union', uid: 'u', inputs: sides.map((_, i) => i), schema } as const];
    const scans = new Map(sides.flatMap((side, i) => (side === null ? [] : [[i, { rows: side[0], bytes: side[1] }] as const])));
    return sizesOf({ name: 'test', nodes, result: sides.length }, scans).at(-1);
  };
  assert.deepEqual(
    of([
      [10, 1],
      [5, 1],
    ]),
    { rows: 15, bytes: 60 },
  );
  assert.deepEqual(
    of([
      [10, 1],
      [0, 7],
    ]),
    { rows: 0, bytes: 47 },
  );
  assert.equal(of([[10, 1], null]), null);
});

test('a cross join has the rows of both sides multiplied', () => {
  const schema = [{ name: 'a', type: { kind: 'int32' }, nullable: false }] as const;
  const other = [{ name: 'b', type: { kind: 'int32' }, nullable: false }] as const;
  const scan = (uid: string, schema: Schema) =>
    ({ kind: 'scan', uid, name: uid, source: { connector: 'none' }, columns: [], predicate: null, schema }) as const;
  const join = {
    kind: 'join',
    uid: 'j',
    left: 0,
    right: 1,
    how: 'inner',
    leftKeys: [],
    rightKeys: [],
    prefix: '',
    where: null,
    schema: [...schema, ...other],
  };
  const plan = { name: 'test', nodes: [scan('l', schema), scan('r', other), join], result: 2 } as Plan;
  const of = (rows: number) => sizesOf(plan, new Map([0, 1].map((id) => [id, { rows, bytes: 4 * rows }])))[2];
  assert.deepEqual(of(1000), { rows: 1_000_000, bytes: 8_000_000 });
  assert.equal(of(0), null);
});
