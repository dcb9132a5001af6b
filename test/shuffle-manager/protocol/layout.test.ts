import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Layout } from '#manager/protocol/control.ts';
import { viewLayout } from '#manager/protocol/layout.ts';
import { hex, specOf } from '../world.ts';

const location = (id: number, mapFrom: number, mapTo: number, partitionFrom: number, partitionTo: number) => ({
  id,
  mapFrom,
  mapTo,
  partitionFrom,
  partitionTo,
  replicas: [{ worker: hex(id), incarnation: hex(id), host: 'h', port: 1, hostLabel: 'h' }],
});

/** Four maps over two partition ranges; location 2 succeeded location 1 for maps 2 and 3. */
const layout: Layout = {
  shuffle: '1',
  spec: specOf(),
  version: 5,
  stageAttempt: 0,
  sealed: false,
  invalidated: false,
  locations: [location(0, 0, 4, 0, 2), location(1, 0, 4, 2, 4), location(2, 2, 4, 2, 4)],
  winners: {
    mapFrom: 0,
    attempts: [7, 8, 9, -1],
    exceptions: [
      { map: 1, location: 1, attempt: -1 },
      { map: 2, location: 1, attempt: -1 },
      { map: 2, location: 2, attempt: 11 },
    ],
  },
};

test('a winner is per map and location', () => {
  const view = viewLayout(layout);
  const winners = [0, 1, 2].map((id) => [0, 1, 2, 3].map((map) => view.winner(map, id)));
  assert.deepEqual(winners, [
    [7, 8, 9, -1],
    [7, -1, -1, -1],
    [-1, -1, 11, -1],
  ]);
  assert.equal(view.winner(0, 9), -1);
});

test('vacant maps, where to write and where to read', () => {
  const view = viewLayout(layout);
  const ids = (map: number) => view.targets(map).map((one) => one.id);
  assert.deepEqual(view.vacant(), [1, 3]);
  assert.deepEqual([0, 1, 2, 3].map(ids), [[], [1], [], [0, 2]]);
  assert.deepEqual(
    view.holders(2)?.map(({ location: { id }, attempt }) => [id, attempt]),
    [
      [0, 9],
      [2, 11],
    ],
  );
  assert.equal(view.holders(1), null);
  assert.equal(view.holders(3), null);
});
