import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Layout, ManagerCalls } from '#manager/protocol/control.ts';
import { type ErrorCode, SluiceError } from '#manager/protocol/errors.ts';
import { shuffleId } from '#manager/protocol/ids.ts';
import { Layouts } from '#worker/layouts.ts';
import { noAttempt } from '#worker/protocol/block.ts';
import { specOf } from '../shuffle-manager/world.ts';

const shuffle = shuffleId(1, 1);
const isCode = (code: ErrorCode) => (thrown: unknown) => thrown instanceof SluiceError && thrown.code === code;
const layoutAt = (version: number): Layout => ({
  shuffle: shuffle.toString(),
  spec: specOf(),
  version,
  stageAttempt: 0,
  sealed: false,
  invalidated: false,
  locations: [
    { id: 0, mapFrom: 0, mapTo: 4, partitionFrom: 0, partitionTo: 4, replicas: [] },
    { id: 1, mapFrom: 2, mapTo: 4, partitionFrom: 0, partitionTo: 4, replicas: [] },
  ],
  winners: {
    mapFrom: 0,
    attempts: [7, -1, 8, 9],
    exceptions: [
      { map: 3, location: 0, attempt: -1 },
      { map: 2, location: 1, attempt: -1 },
    ],
  },
});

function managerOf(answers: (number | ErrorCode)[]) {
  const asked = { calls: 0 };
  const manager = {
    async layout() {
      asked.calls++;
      const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
      if (typeof answer === 'string') throw new SluiceError(answer, { shuffle: '1', what: 'no' });
      return layoutAt(answer);
    },
  } as unknown as ManagerCalls;
  return { layouts: new Layouts(manager), asked };
}

test('a layout that is new enough is kept; an older one is asked for again, once for all who ask', async () => {
  const { layouts, asked } = managerOf([3, 5]);
  const views = await Promise.all([layouts.at(shuffle, 2), layouts.at(shuffle, 0), layouts.at(shuffle, 3)]);
  assert.deepEqual([new Set(views).size, asked.calls], [1, 1]);
  assert.equal((await layouts.at(shuffle, 3)).layout.version, 3);
  assert.equal(asked.calls, 1);
  assert.equal((await layouts.at(shuffle, 4)).layout.version, 5);
  assert.equal(asked.calls, 2);
});

test('a manager that is behind, or does not answer, is LEDGER_UNAVAILABLE: nothing is guessed', async () => {
  const { layouts } = managerOf([3]);
  await assert.rejects(layouts.at(shuffle, 4), isCode('LEDGER_UNAVAILABLE'));
  await assert.rejects(managerOf(['CLUSTER_UNREACHABLE']).layouts.at(shuffle, 0), isCode('LEDGER_UNAVAILABLE'));
  for (const code of ['SHUFFLE_UNKNOWN', 'SHUFFLE_RELEASED'] as const) await assert.rejects(managerOf([code]).layouts.at(shuffle, 0), isCode(code));
});

test('an answer that was overtaken does not bring an old layout back', async () => {
  const { layouts } = managerOf([5, 4, 4]);
  await layouts.at(shuffle, 5);
  await assert.rejects(layouts.at(shuffle, 6), isCode('LEDGER_UNAVAILABLE'));
  assert.equal((await layouts.at(shuffle, 0)).layout.version, 5);
});

test('winners are those of the location, by its own maps', async () => {
  const { layouts } = managerOf([1]);
  const view = await layouts.at(shuffle, 0);
  assert.deepEqual([...layouts.winnersOf(view, 0)!], [7, noAttempt, 8, noAttempt]);
  assert.deepEqual([...layouts.winnersOf(view, 1)!], [noAttempt, 9]);
  assert.equal(layouts.winnersOf(view, 1), layouts.winnersOf(view, 1));
  assert.equal(layouts.winnersOf(view, 2), null);
});

test('what is forgotten is asked for again', async () => {
  const { layouts, asked } = managerOf([1]);
  const view = await layouts.at(shuffle, 0);
  layouts.forget((one) => one !== shuffle);
  await layouts.at(shuffle, 0);
  layouts.forget((one) => one === shuffle);
  // Who still has the view can read it.
  assert.equal(layouts.winnersOf(view, 0)!.length, 4);
  await layouts.at(shuffle, 0);
  assert.equal(asked.calls, 2);
});
