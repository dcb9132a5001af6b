import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createAccumulator, partialSchema } from '#runtime/aggregate/table.ts';
import type { Column, SimpleKind } from '#runtime/batch/batch.ts';
import type { Aggregate } from '#runtime/expression/expression.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import type { Value } from '#runtime/expression/values.ts';
import { columnOf, edges, order, valuesOf } from '../batch/columns.ts';

const aggregate = (fn: Aggregate['fn'], kind: SimpleKind): Aggregate => ({
  name: 'a',
  fn,
  argument: columnRef({ name: 'x', type: { kind }, nullable: true }),
  filter: null,
  type: { kind: fn === 'count' ? 'integer' : fn === 'avg' ? 'float64' : fn === 'sum' && kind === 'int32' ? 'integer' : kind },
  nullable: fn !== 'count',
});

/** Values of the groups, and groups for them; -1 is a row that is left out. */
const rowsArb = (kind: SimpleKind) => fc.array(fc.tuple(fc.integer({ min: -1, max: 4 }), fc.constantFrom(...edges[kind])), { maxLength: 30 });
const groups = 5;

const cases: readonly (readonly [Aggregate['fn'], SimpleKind])[] = [
  ['count', 'utf8'],
  ...(['int32', 'date', 'integer', 'int64', 'timestamp', 'float64', 'utf8', 'bool'] as const).flatMap((kind) => [
    ['min', kind] as const,
    ['max', kind] as const,
  ]),
];

test('counts and extremes of groups, and what two phases make of them', () => {
  const caseArb = fc.constantFrom(...cases).chain(([fn, kind]) => fc.tuple(fc.constant(fn), fc.constant(kind), rowsArb(kind), fc.nat(30)));
  fc.assert(
    fc.property(caseArb, fc.boolean(), ([fn, kind, rows, cut], dictionary) => {
      const sign = fn === 'max' ? -1 : 1;
      const expected = Array.from({ length: groups }, (_, g) => {
        const values = rows.flatMap(([group, value]) => (group === g ? [value] : []));
        if (fn === 'count') return values.length;
        return values.length === 0 ? null : values.reduce((a, b) => (order(a, b) * sign <= 0 ? a : b));
      }).map((value) => (value === 0 ? 0 : value));
      const parts = [rows.slice(0, cut), rows.slice(cut)];
      const whole = createAccumulator(aggregate(fn, kind));
      const merged = createAccumulator(aggregate(fn, kind));
      merged.grow(groups);
      for (const part of parts) {
        const column = columnOf(
          kind,
          part.map(([, value]) => value),
          { dictionary },
        );
        const of = Int32Array.from(part, ([group]) => group);
        // Room is made step by step, as groups are found.
        whole.grow(groups);
        whole.update(of, part.length, column, []);
        const one = createAccumulator(aggregate(fn, kind));
        one.grow(groups);
        one.update(of, part.length, column, []);
        const columns = one.partial(groups);
        assert.deepEqual(
          columns.map(({ type }) => type),
          partialSchema([], [aggregate(fn, kind)]).map(({ type }) => type),
        );
        merged.merge(
          Int32Array.from({ length: groups }, (_, g) => g),
          groups,
          columns,
        );
      }
      assert.deepEqual(valuesOf(whole.final(groups)), expected);
      assert.deepEqual(valuesOf(merged.final(groups)), expected);
    }),
    { numRuns: 400 },
  );
});

test('sums and averages keep their groups when they grow', () => {
  for (const kind of ['int32', 'integer', 'int64', 'float64'] as const) {
    const wide = (value: number): Value => (kind === 'int64' ? BigInt(value) : value);
    for (const fn of ['sum', 'avg'] as const) {
      const accumulator = createAccumulator(aggregate(fn, kind));
      for (let g = 0; g < 200; g++) {
        accumulator.grow(g + 1);
        accumulator.update(Int32Array.of(g, g, 0), 3, columnOf(kind, [wide(g), wide(2), wide(0)]), []);
      }
      const values = valuesOf(accumulator.final(200));
      assert.deepEqual(values[7], fn === 'sum' ? wide(9) : 4.5);
      assert.deepEqual(values[199], fn === 'sum' ? wide(201) : 100.5);
    }
  }
});

test('int32 values may leave 2^53 together, and come back', () => {
  const n = 65_536;
  const column = (value: number): Column => ({ ...columnOf('int32', []), length: n, data: new Int32Array(n).fill(value) });
  for (const sign of [1, -1]) {
    const accumulator = createAccumulator(aggregate('sum', 'int32'));
    accumulator.grow(1);
    const group = new Int32Array(n);
    const add = (value: number, times: number): void => {
      for (let k = 0; k < times; k++) accumulator.update(group, n, column(value), []);
    };
    add(sign * 2_147_483_647, 70);
    assert.throws(() => accumulator.final(1), { code: 'VALUE_OUT_OF_RANGE' });
    add(sign * -2_147_483_647, 69);
    assert.deepEqual(valuesOf(accumulator.final(1)), [sign * 2_147_483_647 * n]);
  }
});
