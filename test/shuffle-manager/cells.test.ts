// One run's winners as a value: what a commit fills, what a loss takes, what a restarted worker brings back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createRun,
  type Fill,
  fillCells,
  hasVacant,
  isSealed,
  isWinning,
  judgeCommit,
  layoutOf,
  mapsHeld,
  readdressCells,
  type ShuffleRun,
  vacateCells,
} from '#manager/cells.ts';
import type { CommittedCell, ShuffleSpec } from '#manager/protocol/control.ts';
import type { Location } from '#manager/protocol/ids.ts';
import { viewLayout } from '#manager/protocol/layout.ts';
import { hex, specOf } from './world.ts';

const replica = (worker: number) => ({ worker: hex(worker), incarnation: hex(100 + worker), host: 'h', port: worker, hostLabel: `h${worker}` });
const location = (id: number, maps: [number, number], partitions: [number, number], ...workers: number[]): Location => ({
  id,
  mapFrom: maps[0],
  mapTo: maps[1],
  partitionFrom: partitions[0],
  partitionTo: partitions[1],
  replicas: workers.map(replica),
});

/** Four maps in two groups, two partition ranges, a worker each. */
const grid = () => [location(0, [0, 2], [0, 3], 0), location(1, [2, 4], [0, 3], 1), location(2, [0, 2], [3, 4], 2), location(3, [2, 4], [3, 4], 3)];
const open = (locations = grid(), facts: Partial<ShuffleSpec> = {}): ShuffleRun => createRun('1', 'x', 0, specOf(facts), locations);

const cell = (run: ShuffleRun, id: number, manifestHash = '7', replicas = run.locations[id]?.replicas ?? []): CommittedCell => ({
  location: id,
  incarnations: replicas.map((one) => one.incarnation),
  manifestHash,
});
/** Judges and does it, as the manager does. */
function commit(run: ShuffleRun, map: number, attempt: number, ids: number[], hash = '7') {
  const judged = judgeCommit(
    run,
    map,
    attempt,
    ids.map((id) => cell(run, id, hash)),
  );
  if ('fills' in judged) fillCells(run, map, attempt, judged.fills);
  return judged;
}
const winners = (run: ShuffleRun) => {
  const view = viewLayout(layoutOf(run));
  return Array.from({ length: run.spec.maps }, (_, map) => run.locations.map((one) => view.winner(map, one.id)));
};

test('the first commit fills the whole row, the second one is told who won, the same one is told it again', () => {
  const run = open();
  assert.ok('fills' in commit(run, 0, 5, [0, 2]));
  assert.deepEqual(commit(run, 0, 6, [0, 2]), { won: false, winner: 5 });
  assert.deepEqual(commit(run, 0, 5, [0, 2]), { won: true, winner: 5 });
  assert.deepEqual(winners(run)[0], [5, -1, 5, -1]);
});

test('sealed is when every row is whole', () => {
  const run = open();
  for (const [map, ids] of [
    [0, [0, 2]],
    [1, [2, 0]],
    [2, [1, 3]],
  ] as const)
    commit(run, map, 1, [...ids]);
  assert.equal(isSealed(run), false);
  commit(run, 3, 1, [1, 3]);
  assert.equal(isSealed(run), true);
  vacateCells(run, run.locations[3]!, 0, [2], false);
  assert.equal(isSealed(run), false);
});

test('what does not fit is refused, and nothing is filled', () => {
  const run = open();
  const refused = (map: number, ids: number[]) =>
    assert.throws(() => commit(run, map, 1, ids), { code: 'REQUEST_INVALID' }, JSON.stringify([map, ids]));
  refused(4, [0, 2]);
  refused(0, [0]);
  refused(0, []);
  refused(0, [0, 0]);
  refused(0, [0, 3]);
  refused(0, [0, 9]);
  assert.throws(() => judgeCommit(run, 0, 1, [cell(run, 0), { ...cell(run, 2), incarnations: [] }]), { code: 'REQUEST_INVALID' });
  assert.throws(() => judgeCommit(run, 0, 1, [cell(run, 0), { ...cell(run, 2), incarnations: [hex(9)] }]), { code: 'WRONG_INCARNATION' });
  assert.throws(() => judgeCommit(run, 0, 1, [cell(run, 0), cell(run, 2, '18446744073709551616')]), { code: 'REQUEST_INVALID' });
  assert.deepEqual(winners(run)[0], [-1, -1, -1, -1]);
  assert.throws(() => createRun('1', 'x', 0, specOf({ maps: 2 ** 32 - 1 }), [location(0, [0, 2 ** 32 - 1], [0, 4], 0)]), { code: 'REQUEST_INVALID' });
});

test('a repair fills the vacant cells alone; the others keep their winner, and the loser does not get his cell back', () => {
  const run = open();
  commit(run, 0, 5, [0, 2]);
  vacateCells(run, run.locations[2]!, 0, [0], false);
  assert.deepEqual(winners(run)[0], [5, -1, -1, -1]);
  assert.deepEqual(commit(run, 0, 5, [0, 2]), { won: true, winner: 5 }, 'sent again, it says what it said');
  assert.deepEqual(winners(run)[0], [5, -1, -1, -1]);
  const repair = commit(run, 0, 6, [0, 2], '9');
  assert.deepEqual('fills' in repair && repair.fills.map((fill: Fill) => [fill.location, fill.hash]), [[2, 9n]]);
  assert.deepEqual(winners(run)[0], [5, -1, 6, -1]);
  assert.deepEqual(commit(run, 0, 6, [2]), { won: true, winner: 6 });
  assert.equal(isWinning(run, run.locations[2]!, 0, 6, 9n), true);
  assert.equal(isWinning(run, run.locations[2]!, 0, 5, 7n), false);
  assert.equal(isWinning(run, run.locations[0]!, 0, 5, 7n), true);
  assert.equal(isWinning(run, run.locations[1]!, 0, 5, 7n), false);
});

test('a loss in a run that is not deterministic invalidates it, and commits are superseded from then on', () => {
  const run = open(grid(), { deterministic: false });
  commit(run, 0, 5, [0, 2]);
  vacateCells(run, run.locations[2]!, 0, [0], true);
  assert.equal(run.invalidated, true);
  assert.equal(layoutOf(run).invalidated, true);
  assert.throws(() => commit(run, 1, 5, [0, 2]), { code: 'ATTEMPT_SUPERSEDED' });
});

test('with replicas a cell is lost with its last one', () => {
  const run = open([location(0, [0, 4], [0, 4], 0, 1)], { replicas: 2 });
  commit(run, 0, 5, [0]);
  const judged = judgeCommit(run, 1, 5, [cell(run, 0, '7', [replica(1)])]);
  assert.ok('fills' in judged && judged.fills[0]?.mask === 2);
  fillCells(run, 1, 5, judged.fills);
  const one = run.locations[0]!;
  assert.deepEqual([mapsHeld(run, one, 0, null), mapsHeld(run, one, 1, null)], [[0], [0, 1]]);
  assert.deepEqual(layoutOf(run).winners.lacking, [{ map: 1, location: 0, replica: 0 }]);
  vacateCells(run, one, 0, [0], false);
  assert.deepEqual(
    [0, 1, 2].map((map) => viewLayout(layoutOf(run)).replicas(map, 0)),
    [[replica(1)], [replica(1)], [replica(0), replica(1)]],
  );
  assert.deepEqual(winners(run).flat(), [5, 5, -1, -1]);
  vacateCells(run, one, 1, [0, 1], false);
  assert.deepEqual(winners(run).flat(), [-1, -1, -1, -1]);
});

test('maps held: those asked for, committed there, once each and in order', () => {
  const run = open();
  for (const map of [0, 1]) commit(run, map, 1, [0, 2]);
  assert.deepEqual(mapsHeld(run, run.locations[0]!, 0, [1, 3, 1, 0, 99]), [0, 1]);
  assert.deepEqual(mapsHeld(run, run.locations[1]!, 0, null), []);
});

test('a worker that comes back keeps what it announces: lost cells count again, the rest is vacant for good', () => {
  const run = open();
  for (const map of [0, 1]) commit(run, map, 1, [0, 2]);
  const back = run.locations[0]!;
  vacateCells(run, back, 0, [1], true);
  assert.deepEqual(winners(run).slice(0, 2), [
    [1, -1, 1, -1],
    [-1, -1, 1, -1],
  ]);
  readdressCells(run, back, 0, new Set([1]));
  assert.deepEqual(winners(run).slice(0, 2), [
    [-1, -1, 1, -1],
    [1, -1, 1, -1],
  ]);
  assert.equal(isWinning(run, back, 0, 1, 7n), false, 'what was not announced does not come back later');
  assert.equal(run.complete, 1);
});

test('seen to be missing is not only out of sight', () => {
  const run = open();
  commit(run, 0, 1, [0, 2]);
  vacateCells(run, run.locations[0]!, 0, [0], false);
  assert.equal(isWinning(run, run.locations[0]!, 0, 1, 7n), false);
  commit(run, 1, 1, [0, 2]);
  vacateCells(run, run.locations[0]!, 0, [1], true);
  assert.equal(isWinning(run, run.locations[0]!, 1, 1, 7n), true);
});

test('a location with a successor has nothing vacant of its own', () => {
  const run = open();
  assert.equal(hasVacant(run, run.locations[0]!), true);
  run.locations.push(location(4, [0, 1], [0, 3], 3));
  assert.equal(hasVacant(run, run.locations[0]!), true, 'map 1 has no other');
  run.locations.push(location(5, [1, 2], [0, 3], 3));
  assert.equal(hasVacant(run, run.locations[0]!), false);
  commit(run, 0, 1, [4, 2]);
  assert.deepEqual([hasVacant(run, run.locations[4]!), hasVacant(run, run.locations[5]!)], [false, true]);
  assert.deepEqual(winners(run)[0], [-1, -1, 1, -1, 1, -1]);
});

test('a layout that was given does not change after', () => {
  const run = open();
  const given = layoutOf(run);
  run.locations[0]!.replicas[0] = replica(9);
  run.locations.push(location(4, [0, 2], [0, 3], 3));
  assert.equal(given.locations.length, 4);
  assert.deepEqual(given.locations[0]!.replicas, [replica(0)]);
});

test('random commits, losses and returns equal a plain table of cells', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant('commit' as const), map: fc.nat(3), attempt: fc.nat(3) }) },
    fc.record({ do: fc.constant('lose' as const), location: fc.nat(3), maps: fc.array(fc.nat(3)), maybeBack: fc.boolean() }),
    fc.record({ do: fc.constant('return' as const), location: fc.nat(3), kept: fc.array(fc.nat(3)) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const run = open();
      /** `map location` to its attempt; `lost` remembers what may come back. */
      const table = new Map<string, number>();
      const lost = new Map<string, number>();
      const latest = new Map<string, number>();
      for (const one of steps) {
        if (one.do === 'commit') {
          const ids = one.map < 2 ? [0, 2] : [1, 3];
          const keys = ids.map((id) => `${one.map} ${id}`);
          const had = keys.some((key) => latest.get(key) === one.attempt);
          const vacant = keys.filter((key) => !table.has(key));
          const judged = commit(run, one.map, one.attempt, ids);
          assert.equal('fills' in judged, !had && vacant.length > 0);
          if (!('fills' in judged)) {
            assert.equal(judged.won, had);
            continue;
          }
          for (const key of vacant) {
            table.set(key, one.attempt);
            latest.set(key, one.attempt);
            lost.delete(key);
          }
        } else {
          const where = run.locations[one.location]!;
          const keyOf = (map: number) => `${map} ${where.id}`;
          if (one.do === 'lose') {
            const maps = mapsHeld(run, where, 0, one.maps);
            assert.deepEqual(maps, [...new Set(one.maps)].filter((map) => table.has(keyOf(map))).sort());
            vacateCells(run, where, 0, maps, one.maybeBack);
            for (const map of maps) {
              if (one.maybeBack) lost.set(keyOf(map), table.get(keyOf(map))!);
              table.delete(keyOf(map));
            }
          } else {
            const kept = one.kept.filter((map) => table.has(keyOf(map)) || lost.has(keyOf(map)));
            readdressCells(run, where, 0, new Set(kept));
            for (let map = where.mapFrom; map < where.mapTo; map++) {
              if (kept.includes(map)) table.set(keyOf(map), table.get(keyOf(map)) ?? lost.get(keyOf(map))!);
              else table.delete(keyOf(map));
              lost.delete(keyOf(map));
            }
          }
        }
        const wanted = [0, 1, 2, 3].map((map) => [0, 1, 2, 3].map((id) => table.get(`${map} ${id}`) ?? -1));
        assert.deepEqual(winners(run), wanted);
        assert.equal(run.complete, wanted.filter((row) => row.filter((attempt) => attempt >= 0).length === 2).length);
      }
    }),
    { numRuns: 200 },
  );
});
