import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '#runtime/schedule/messages.ts';
import { Outcomes } from '#runtime/schedule/outcomes.ts';

const outcome = (rowsRead: number, more: Partial<Outcome> = {}): Outcome => ({
  rowsRead,
  rowsWritten: rowsRead,
  bytesShuffled: rowsRead * 10,
  written: {},
  digests: {},
  partitionBytes: {},
  samples: {},
  ...more,
});
const file = (name: string) => ({ rows: 1, bytes: 1, files: [name] });

test('what sinks wrote comes in the order of the tasks, and totals add up', () => {
  const outcomes = new Outcomes();
  outcomes.accept(3, 1, outcome(2, { written: { 4: file('b') } }));
  outcomes.accept(3, 0, outcome(1, { written: { 4: file('a') }, digests: { 4: { rows: 1, sum: '1', xor: '1' } } }));
  outcomes.accept(9, 0, outcome(100, { written: { 4: file('other') } }));
  assert.deepEqual(
    outcomes.written(3, 4).map(({ files }) => files[0]),
    ['a', 'b'],
  );
  assert.deepEqual(outcomes.totals(3), { rows: 3, bytes: 30 });
  assert.equal(outcomes.digest(3, 4).rows, 1);
  assert.deepEqual(outcomes.written(3, 5), []);
});

test('a repair adds to what was moved, and leaves what the first attempt wrote', () => {
  const outcomes = new Outcomes();
  outcomes.accept(0, 0, outcome(5, { written: { 1: file('first') }, samples: { 2: ['old'] } }));
  outcomes.accept(0, 0, outcome(5, { samples: { 2: ['new'] } }));
  assert.deepEqual(outcomes.written(0, 1), [file('first')]);
  assert.deepEqual(outcomes.samples(0, 2), [['new']]);
  assert.equal(outcomes.rows, 10);
  assert.deepEqual(outcomes.totals(0), { rows: 5, bytes: 50 });
});

test('a stage that starts over has brought nothing home', () => {
  const outcomes = new Outcomes();
  outcomes.accept(0, 0, outcome(5, { written: { 1: file('old') } }));
  outcomes.forget(0);
  outcomes.accept(0, 1, outcome(7, { written: { 1: file('new') } }));
  assert.deepEqual(outcomes.written(0, 1), [file('new')]);
  assert.deepEqual(outcomes.totals(0), { rows: 7, bytes: 70 });
});
