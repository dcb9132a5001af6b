import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Frame } from '#runtime/expression/expression.ts';
import { type Built, Unused, type WindowNode, windowOf } from '#runtime/fluent/built.ts';
import { columnsOf } from '#runtime/fluent/columns.ts';
import type { Columns } from '#runtime/fluent/expr.ts';
import { cumeDist, denseRank, type Framed, ntile, percentRank, rank, rowNumber, type WindowDefinition } from '#runtime/fluent/window.ts';
import { desc } from '#runtime/index.ts';

interface Row {
  readonly i: number;
  readonly s: string;
}
const fields = [
  { name: 'i', type: { kind: 'int32' }, nullable: false },
  { name: 's', type: { kind: 'utf8' }, nullable: true },
] as const;
const t = columnsOf(fields, 'test', new Unused()) as unknown as Columns<Row>;
const built = (given: unknown): Built => given as Built;
const definition = (given: unknown): WindowDefinition => (built(given).node as WindowNode)[windowOf]!;
const frame = (given: unknown): Frame => definition(given).frame;

test('what a window gives is an expression with a type, its definition beside the JSON', () => {
  const number = built(rowNumber().over({ partitionBy: [t.s], orderBy: [desc(t.i), t.s] }));
  assert.deepEqual([number.node.type.kind, number.node.nullable], ['integer', false]);
  assert.doesNotMatch(JSON.stringify(number.node), /partitionBy/);
  const { fn, orderBy } = definition(number);
  assert.deepEqual([fn, orderBy.map(({ descending }) => descending)], ['rowNumber', [true, false]]);
  for (const each of [rank(), denseRank(), percentRank(), cumeDist(), ntile(2)]) assert.ok(built(each.over({ orderBy: t.i })).node.type.kind);
  assert.deepEqual(built(t.s.lag().over({ orderBy: t.i })).node.nullable, true);
});

test('without a frame a function sees the rows up to its own, or all without an order', () => {
  assert.deepEqual(frame(t.i.sum().over({ orderBy: t.i })), { unit: 'range', start: null, end: 0 });
  assert.deepEqual(frame(t.i.sum().over({})), { unit: 'range', start: null, end: null });
  assert.deepEqual(frame(t.i.sum().over({ orderBy: t.i, frame: { rows: [-2, 0] } })), { unit: 'rows', start: -2, end: 0 });
});

test('frames that make no sense are refused', () => {
  const refused = (window: Framed, message: RegExp) => assert.throws(() => t.i.sum().over(window), { code: 'EXPRESSION_TYPE', message });
  refused({ orderBy: t.i, frame: { rows: [0.5, 1] } }, /whole number/);
  refused({ orderBy: t.i, frame: { range: [Number.NaN, 1] } }, /number/);
  refused({ orderBy: t.s, frame: { range: [-1, 1] } }, /one key/);
  refused({ frame: { range: [-1, 1] } }, /one key/);
  refused({ orderBy: t.i, frame: {} as never }, /a frame is/);
});
