import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Field, Schema } from '#runtime/batch/batch.ts';
import type { Columns } from '#runtime/fluent/expr.ts';
import { rightMark } from '#runtime/graph/plan.ts';
import { type How, joinOf, markedColumns, pairSchema } from '#runtime/verbs/join.ts';
import { ours, planOf, theirs } from './plans.ts';

const int = (name: string, nullable = false): Field => ({ name, type: { kind: 'int32' }, nullable });
const left: Schema = [int('id'), int('a')];
const right: Schema = [int('key', true), int('b')];
const find = (schema: Schema) => (name: string) => {
  const field = schema.find((each) => each.name === name);
  assert.ok(field, `no column ${name}`);
  return field;
};
const join = (how: How, on?: object, prefix = '') =>
  joinOf('join-1', left, right, { left: find(left), right: find(right) }, { how, prefix, ...(on ? { on } : {}) } as never);

test('each kind gives its columns, null where a side may be missing', () => {
  const nullables = (how: How, on?: object) => join(how, on).schema.map(({ name, nullable }) => `${name}${nullable ? '?' : ''}`);
  const on = { id: 'key' };
  assert.deepEqual(nullables('inner', on), ['id', 'a', 'b']);
  assert.deepEqual(nullables('left', on), ['id', 'a', 'b?']);
  assert.deepEqual(nullables('right', on), ['id?', 'a?', 'b']);
  assert.deepEqual(nullables('full', on), ['id?', 'a?', 'b?']);
  for (const how of ['semi', 'anti'] as const) assert.deepEqual(nullables(how, on), ['id', 'a']);
  assert.deepEqual(nullables('cross'), ['id', 'a', 'key?', 'b']);
  assert.deepEqual([join('cross').how, join('cross').leftKeys], ['inner', []]);
});

test('what it refuses says what to write', () => {
  assert.throws(() => join('inner'), /no keys.*cross/s);
  assert.throws(() => join('cross', { id: 'key' }), /cross join has no keys/);
  assert.throws(() => join('outer' as How, { id: 'key' }), /full.*outer/s);
  const text: Schema = [{ name: 'key', type: { kind: 'utf8' }, nullable: false }];
  assert.throws(() => joinOf('join-1', left, text, { left: find(left), right: find(text) }, { on: { id: 'key' } } as never), {
    code: 'EXPRESSION_TYPE',
  });
  const same: Schema = [int('key'), int('a')];
  assert.throws(() => joinOf('join-1', left, same, { left: find(left), right: find(same) }, { on: { id: 'key' } } as never), {
    code: 'COLUMN_CLASH',
  });
});

test('as of keeps the column it goes by, and wants an inner or left join of columns of one type', async () => {
  const of = (how: How, asOf: object, on?: object) =>
    joinOf('join-1', left, right, { left: find(left), right: find(right) }, { how, asOf, ...(on ? { on } : {}) } as never);
  const asOf = { left: 'a', right: 'b' };
  assert.deepEqual(
    of('left', asOf, { id: 'key' }).schema.map(({ name, nullable }) => `${name}${nullable ? '?' : ''}`),
    ['id', 'a', 'b?'],
  );
  assert.deepEqual(of('inner', asOf).asOf, asOf);
  for (const how of ['right', 'full', 'semi', 'anti', 'cross'] as const) assert.throws(() => of(how, asOf), /as-of join is inner or left/);
  assert.throws(() => of('inner', { left: 'a', right: 'none' }), /none/);
  const text: Schema = [{ name: 'b', type: { kind: 'utf8' }, nullable: false }];
  assert.throws(() => joinOf('join-1', left, text, { left: find(left), right: find(text) }, { asOf } as never), { code: 'EXPRESSION_TYPE' });
  assert.throws(
    () => planOf((t) => t.join(t, { on: 'a', asOf: { left: 'v', right: 'v' }, prefix: 'r_' }, (l, r) => l.w.gt(r.w))),
    /no condition besides/,
  );
  for (const how of ['inner', 'left'] as const) {
    const rows = ours((t) =>
      t.join(
        t.groupBy('b', 'v').aggregate((c) => ({ top: c.w.max() })),
        { on: 'b', asOf: { left: 'w', right: 'v' }, how, prefix: 'r_' },
      ),
    );
    const columns = 'l.*, r.v r_v, r.top r_top';
    const grouped = '(select b, v, max(w) top from t group by all)';
    assert.deepEqual(rows, await theirs(`select ${columns} from t l asof ${how} join ${grouped} r on l.b = r.b and l.w >= r.v`));
  }
});

test('a condition names the columns of each side by their own names', () => {
  assert.deepEqual(
    pairSchema(left, left).map(({ name }) => name),
    ['id', 'a', `${rightMark}id`, `${rightMark}a`],
  );
  const columns = { a: 'left one', [`${rightMark}a`]: 'right one' } as unknown as Columns<unknown>;
  assert.equal((markedColumns(columns) as Record<string, unknown>)['a'], 'right one');
});

test('without keys the condition alone says which pairs match, in every kind', async () => {
  for (const how of ['inner', 'left', 'right', 'full', 'semi', 'anti'] as const) {
    const rows = ours((t) =>
      t.join(
        t.filter((r) => r.v.gt(2)),
        { how, prefix: 'r_' } as never,
        (l, r) => l.w.gt(r.w),
      ),
    );
    const matches = 'l.w > r.w';
    const right = '(select * from t where v > 2) r';
    const columns = 'l.*, r.a r_a, r.b r_b, r.v r_v, r.w r_w';
    const sql =
      how === 'semi' || how === 'anti'
        ? `select * from t l where ${how === 'anti' ? 'not ' : ''}exists (select 1 from ${right} where ${matches})`
        : `select ${columns} from t l ${how} join ${right} on ${matches}`;
    assert.deepEqual(rows, await theirs(sql), how);
  }
  assert.throws(() => planOf((t) => t.join(t, { prefix: 'r_' } as never)), /has no keys: name them with on, give a condition/);
});
