import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firsts } from '#runtime/aggregate/first.ts';
import { createAccumulator } from '#runtime/aggregate/table.ts';
import type { Aggregate } from '#runtime/expression/expression.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import { columnOf, valuesOf } from '../batch/columns.ts';
import { randomOf } from '../spill/tight.ts';

const x = columnRef({ name: 'x', type: { kind: 'utf8' }, nullable: true });
const k = columnRef({ name: 'k', type: { kind: 'int32' }, nullable: true });
const aggregate = (fn: string, keyed: boolean): Aggregate => ({
  name: 'a',
  fn,
  argument: x,
  more: keyed ? [k] : [],
  filter: null,
  type: x.type,
  nullable: true,
});

test('through many batches and more groups each time: what a loop over all rows keeps', () => {
  assert.deepEqual(Object.keys(firsts), ['first', 'last']);
  const random = randomOf(7);
  for (const fn of ['first', 'last'] as const) {
    for (const keyed of [false, true]) {
      const one = createAccumulator(aggregate(fn, keyed));
      const expected: { value: string | null; key: number }[] = [];
      for (let batch = 0, groups = 0; batch < 60; batch++) {
        groups += Math.floor(random() * 20);
        const rows = Array.from({ length: 50 }, (_, i) => ({
          group: groups === 0 || random() < 0.1 ? -1 : Math.floor(random() * groups),
          value: random() < 0.2 ? null : `v${batch}-${i}`,
          key: random() < 0.1 ? null : Math.floor(random() * 9),
        }));
        for (const { group, value, key } of rows) {
          if (group < 0) continue;
          const now = expected[group];
          const at = !keyed ? 0 : key === null ? Infinity : key;
          if (now === undefined || (fn === 'first' ? at < now.key : at >= now.key)) expected[group] = { value, key: at };
        }
        one.grow(groups);
        const values = columnOf(
          'utf8',
          rows.map(({ value }) => value),
          { dictionary: batch % 2 === 0 },
        );
        const keys = columnOf(
          'int32',
          rows.map(({ key }) => key),
        );
        one.update(
          Int32Array.from(rows, ({ group }) => group),
          rows.length,
          values,
          keyed ? [keys] : [],
        );
        assert.deepEqual(
          valuesOf(one.final(groups)),
          Array.from({ length: groups }, (_, g) => expected[g]?.value ?? null),
        );
      }
      assert(one.bytes < 200_000, `${one.bytes} bytes for ${expected.length} groups`);
    }
  }
});
