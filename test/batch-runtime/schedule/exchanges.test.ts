import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Edge, Stage, StageOperator } from '#runtime/graph/stage.ts';
import { Exchanges } from '#runtime/schedule/exchanges.ts';
import { createMemoryShuffle } from '#runtime/shuffle/memory.ts';

const schema = [{ name: 'n', type: { kind: 'int32' as const }, nullable: false }];
const edge = (id: number, kind: 'hash' | 'forward' | 'broadcast'): Edge => ({
  id,
  from: 0,
  mode: 'blocking',
  distribution: kind === 'hash' ? { kind, keys: ['n'] } : { kind },
  schema,
  deterministic: true,
});
const fetch = (id: number): StageOperator => ({ uid: `fetch-${id}`, schema, kind: 'fetch', edge: id, ordered: false });
const reading = (...edges: readonly number[]): Stage => ({ id: 1, parallelism: { kind: 'partitions' }, operators: edges.map(fetch), after: [0] });
const noBounds = (): never => assert.fail('no range exchange');

function world() {
  const driver = createMemoryShuffle({ budgetBytes: 1 << 20 });
  const stages = { stages: [], edges: [edge(0, 'hash'), edge(1, 'forward'), edge(2, 'broadcast')], result: null };
  return { driver, exchanges: new Exchanges({ stages, splits: new Map(), driver, partitions: 10, slots: 2 }) };
}

test('tasks share the partitions of what they read, and a broadcast edge comes whole to each', async () => {
  const { exchanges } = world();
  await exchanges.open(0, 3, noBounds);
  await exchanges.open(2, 1, noBounds);
  assert.equal(exchanges.taskCount(reading(0, 2)), 4);
  const shares = [0, 1, 2, 3].map((task) => exchanges.share(reading(0, 2), task, 4));
  assert.deepEqual(
    shares.map(({ partitionFrom, partitionTo }) => [partitionFrom, partitionTo]),
    [
      [0, 2],
      [2, 5],
      [5, 7],
      [7, 10],
    ],
  );
  assert.deepEqual(shares[0]?.shuffles, { 0: exchanges.handle(0), 2: exchanges.handle(2) });
});

test('a forward edge has a partition and a reader for each map', async () => {
  const { exchanges } = world();
  await exchanges.open(1, 7, noBounds);
  assert.equal(exchanges.taskCount(reading(1)), 7);
});

test('what a task reads is weighed by what maps have written to its partitions', async () => {
  const { exchanges } = world();
  await exchanges.open(0, 2, noBounds);
  await exchanges.open(2, 1, noBounds);
  exchanges.count(0, [
    [0, 2],
    [4, 3],
    [9, 1000],
  ]);
  exchanges.count(0, [[0, 1]]);
  exchanges.count(2, [[0, 50]]);
  assert.deepEqual(exchanges.bytesOf(reading(0), 2), [6, 1000]);
  assert.deepEqual(exchanges.bytesOf(reading(0, 2), 2), [56, 1050]);
});

test('an edge that is closed and opened again has a new shuffle; the old one is released, and is of no edge', async () => {
  const { exchanges, driver } = world();
  await exchanges.open(0, 2, noBounds);
  const first = exchanges.handle(0)!;
  assert.equal(exchanges.edgeOf(first.id)?.id, 0);
  await exchanges.close(0);
  await exchanges.close(0);
  assert.equal(exchanges.handle(0), null);
  assert.equal(exchanges.edgeOf(first.id), null);
  await assert.rejects(driver.vacant(first), { code: 'SHUFFLE_RELEASED' });
  await exchanges.open(0, 2, noBounds);
  assert.notEqual(exchanges.handle(0)?.id, first.id);
  exchanges.count(0, [[3, 1]]);
  assert.deepEqual(exchanges.bytesOf(reading(0), 1), [1]);
});
