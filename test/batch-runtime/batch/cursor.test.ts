import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { Temporal } from 'temporal-polyfill';
import type { Batch } from '#runtime/batch/batch.ts';
import { cursorOf } from '#runtime/batch/cursor.ts';
import { fromRows } from '#runtime/batch/rows.ts';

const proto = '__proto__';
const schema = [
  { name: 'a', type: { kind: 'utf8' }, nullable: true },
  { name: 'at', type: { kind: 'timestamp' }, nullable: false },
  { name: proto, type: { kind: 'int32' }, nullable: false },
] as const;
const at = Temporal.Instant.from('2024-05-01T00:00:00Z');
const rows = [JSON.parse('{"a":"x","__proto__":1}'), JSON.parse('{"a":null,"__proto__":2}')].map((row) => Object.assign(row, { at }));
const batch = fromRows(schema, rows);

test('a row has a property per column, whatever its name, and is right after the cursor has gone on', () => {
  const rowAt = cursorOf(schema)(batch);
  const all = [0, 1].map((i) => rowAt(i) as Record<string, unknown>);
  assert.deepEqual(
    all.map((row) => [row['a'], String(row['at']), Reflect.get(row, proto)]),
    [
      ['x', '2024-05-01T00:00:00Z', 1],
      [null, '2024-05-01T00:00:00Z', 2],
    ],
  );
});

test('only what is touched is made of the batch', () => {
  const touched: string[] = [];
  const watched = (column: object, as: string) =>
    new Proxy(column, {
      get(of, name) {
        touched.push(as);
        return Reflect.get(of, name);
      },
    });
  const columns = batch.columns.map((column, c) => watched(column, schema[c]!.name));
  const row = cursorOf(schema)({ ...batch, columns } as Batch)(0) as { a: string };
  assert.deepEqual(touched, []);
  assert.equal(row.a, 'x');
  assert.deepEqual([...new Set(touched)], ['a']);
});

test('it shows itself whole to people and to JSON, and spreads to nothing', () => {
  const plain = [{ name: 'n', type: { kind: 'int32' }, nullable: false }] as const;
  const row = cursorOf(plain)(fromRows(plain, [{ n: 7 }]))(0);
  assert.equal(inspect(row), '{ n: 7 }');
  assert.equal(JSON.stringify(row), '{"n":7}');
  assert.deepEqual({ ...row }, {});
  const named = [{ name: 'toJSON', type: { kind: 'int32' }, nullable: false }] as const;
  assert.equal((cursorOf(named)(fromRows(named, [{ toJSON: 3 }]))(0) as { toJSON: number }).toJSON, 3);
});
