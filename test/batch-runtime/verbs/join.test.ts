import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Field, Schema } from '#runtime/batch/batch.ts';
import type { Columns } from '#runtime/fluent/expr.ts';
import { type How, joinOf, markedColumns, pairSchema } from '#runtime/verbs/join.ts';

const int = (name: string, nullable = false): Field => ({ name, type: { kind: 'int32' }, nullable });
const left: Schema = [int('id'), int('a')];
const right: Schema = [int('key', true), int('b')];
const of = (schema: Schema) => (name: string) => schema.find((field) => field.name === name)!;
const join = (how: How, on?: object, prefix = '') =>
  joinOf('join-1', left, right, { left: of(left), right: of(right) }, { how, prefix, ...(on ? { on } : {}) } as never);

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
  assert.throws(() => joinOf('join-1', left, text, { left: of(left), right: of(text) }, { on: { id: 'key' } } as never), { code: 'EXPRESSION_TYPE' });
  const same: Schema = [int('key'), int('a')];
  assert.throws(() => joinOf('join-1', left, same, { left: of(left), right: of(same) }, { on: { id: 'key' } } as never), { code: 'COLUMN_CLASH' });
});

test('a condition names the columns of each side by their own names', () => {
  assert.deepEqual(
    pairSchema(left, left).map(({ name }) => name),
    ['id', 'a', 'right.id', 'right.a'],
  );
  assert.throws(() => pairSchema([int('right.a')], [int('a')]), { code: 'COLUMN_CLASH' });
  const columns = { a: 'left one', 'right.a': 'right one' } as unknown as Columns<unknown>;
  assert.equal((markedColumns(columns) as Record<string, unknown>)['a'], 'right one');
});
