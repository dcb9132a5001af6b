import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columnRef } from '#runtime/expression/functions.ts';
import { sampleCondition } from '#runtime/verbs/sample.ts';
import { evaluate } from '../graph/reference.ts';
import { ours, planOf } from './plans.ts';

const fields = [
  { name: 'k', type: { kind: 'int32' }, nullable: false },
  { name: 'x', type: { kind: 'int32' }, nullable: false },
] as const;
const n = 20_000;
const stays = (fraction: number, seed: number, of: readonly (typeof fields)[number][] = fields): number[] => {
  const condition = sampleCondition('sample', fraction, seed, of);
  return Array.from({ length: n }, (_, i) => i).filter((i) => evaluate(condition, { k: i % 100, x: i }) === true);
};

test('about the share that was asked stays, the same rows each time, others with another seed', () => {
  for (const fraction of [0.01, 0.3, 0.9]) assert(Math.abs(stays(fraction, 0).length / n - fraction) < 0.015);
  assert.deepEqual([stays(0, 3).length, stays(1, 3).length], [0, n]);
  assert.deepEqual(stays(0.1, 5), stays(0.1, 5));
  const others = new Set(stays(0.1, 6));
  const both = stays(0.1, 5).filter((i) => others.has(i)).length;
  assert(Math.abs(both / n - 0.01) < 0.005);
  assert(columnRef(fields[0]).op === 'column');
});

test('by a key, all of its rows stay or go', () => {
  const kept = stays(0.5, 1, [fields[0]]);
  const keys = new Set(kept.map((i) => i % 100));
  assert.equal(kept.length, (keys.size * n) / 100);
  assert(keys.size > 30 && keys.size < 70);
});

test('the verb keeps rows as they are', () => {
  assert.equal(ours((t) => t.sample(1)).length, 6);
  assert.deepEqual(
    ours((t) => t.sample(0.5, { seed: 2, by: ['a'] })),
    ours((t) => t.sample(0.5, { seed: 2, by: ['a'] })),
  );
  assert.throws(() => planOf((t) => t.sample(1.5)), { code: 'PLAN_UNSUPPORTED' });
  assert.throws(() => planOf((t) => t.sample(0.5, { seed: 0.5 })), { code: 'PLAN_UNSUPPORTED' });
});
