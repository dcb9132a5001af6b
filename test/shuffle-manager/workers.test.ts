// Who counts as there: polls, silence, hanging up, restarts under a new incarnation.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MemberFacts, Members } from '#manager/workers.ts';
import { ManualClock } from './world.ts';

const facts = (id: string, incarnation = 'i1'): MemberFacts => ({ id, incarnation, host: 'h', port: 1, hostLabel: 'h', pid: 1, slots: 0 });
function open() {
  const clock = new ManualClock();
  const members = new Members(clock, 1000);
  assert.equal(members.register(facts('a')), 'new');
  return { clock, members, state: () => members.stateOf('a', 'i1') };
}

test('silence is a death after a lease, a poll that waits is not silence', async () => {
  const { clock, members, state } = open();
  members.pollStarted('a', 'i1', { load: {}, leaving: false });
  await clock.advance(5000);
  assert.equal(state(), 'live');
  members.pollEnded('a', 'i1', false);
  await clock.advance(1000);
  assert.equal(state(), 'live');
  await clock.advance(1);
  assert.equal(state(), 'lost');
  assert.deepEqual(members.live(), []);
});

test('one that is doubted has less time to begin its next poll, and doubt ends with it', async () => {
  const clock = new ManualClock();
  const members = new Members(clock, 10_000);
  members.register(facts('a'));
  const state = () => members.stateOf('a', 'i1');
  members.pollStarted('a', 'i1', { load: {}, leaving: false });
  assert.deepEqual(
    [members.doubt('a', 'i1'), members.doubt('a', 'i1'), members.doubt('a', 'i2'), members.isDoubted('a', 'i1')],
    [true, false, false, true],
  );
  members.pollEnded('a', 'i1', false);
  await clock.advance(3000);
  assert.equal(state(), 'live');
  await clock.advance(1);
  assert.equal(state(), 'lost');
  members.pollStarted('a', 'i1', { load: {}, leaving: false });
  members.pollEnded('a', 'i1', false);
  await clock.advance(9000);
  assert.deepEqual([state(), members.isDoubted('a', 'i1')], ['live', false]);
});

test('hanging up is a death at once, unless another poll waits; a new poll brings it back', () => {
  const { members, state } = open();
  members.pollStarted('a', 'i1', { load: {}, leaving: false });
  members.pollStarted('a', 'i1', { load: {}, leaving: false });
  members.pollEnded('a', 'i1', true);
  assert.equal(state(), 'live');
  members.pollEnded('a', 'i1', true);
  assert.equal(state(), 'lost');
  assert.deepEqual([members.sweep(), members.sweep()], [true, false]);
  members.pollStarted('a', 'i1', { load: { stored: 7 }, leaving: false });
  assert.equal(state(), 'live');
  assert.deepEqual([members.sweep(), members.sweep()], [true, false]);
  assert.deepEqual(members.all()[0]?.load, { stored: 7 });
});

test('leaving is draining, and stays so until another incarnation', () => {
  const { members, state } = open();
  members.pollStarted('a', 'i1', { load: {}, leaving: true });
  members.pollEnded('a', 'i1', false);
  members.pollStarted('a', 'i1', { load: {}, leaving: false });
  assert.equal(state(), 'draining');
  assert.deepEqual(members.live(), []);
  assert.equal(members.register(facts('a')), 'known');
  assert.equal(state(), 'draining');
  assert.equal(members.register(facts('a', 'i2')), 'replaced');
  assert.equal(members.stateOf('a', 'i2'), 'live');
});

test('an incarnation that was replaced never comes back, one nobody knows has to register', () => {
  const { members, state } = open();
  assert.equal(members.register(facts('a', 'i2')), 'replaced');
  assert.equal(state(), undefined);
  assert.throws(() => members.register(facts('a', 'i1')), { code: 'FENCED' });
  assert.throws(() => members.require('a', 'i1'), { code: 'FENCED' });
  assert.throws(() => members.require('a', 'i3'), { code: 'WRONG_INCARNATION' });
  assert.throws(() => members.require('b', 'i1'), { code: 'WRONG_INCARNATION' });
  assert.throws(() => members.factsOf('b'), { code: 'WRONG_INCARNATION' });
  members.require('a', 'i2');
  // A late end of an old poll says nothing about the new process.
  members.pollEnded('a', 'i1', true);
  members.pollStarted('a', 'i1', { load: { stored: 1 }, leaving: true });
  assert.equal(members.stateOf('a', 'i2'), 'live');
  assert.equal(members.factsOf('a').incarnation, 'i2');
});

test('what jobs store is summed over those who are there', async () => {
  const { clock, members } = open();
  members.register(facts('b'));
  members.pollStarted('a', 'i1', { load: {}, leaving: false, stored: [{ job: 1, bytes: 5 }] });
  members.pollStarted('b', 'i1', {
    load: {},
    leaving: true,
    stored: [
      { job: 1, bytes: 7 },
      { job: 2, bytes: 1 },
    ],
  });
  assert.deepEqual(
    [...members.storedByJob()],
    [
      [1, 12],
      [2, 1],
    ],
  );
  // What is known of an incarnation holds until it says otherwise.
  members.register(facts('a'));
  assert.equal(members.storedByJob().get(1), 12);
  members.pollStarted('b', 'i1', { load: {}, leaving: true, stored: [] });
  assert.deepEqual([...members.storedByJob()], [[1, 5]]);
  members.pollEnded('a', 'i1', false);
  await clock.advance(2000);
  assert.deepEqual([...members.storedByJob()], []);
});

test('one that is told to drain does, whoever is asked for it', async () => {
  const { clock, members, state } = open();
  assert.equal(members.drain('a'), 'draining');
  assert.equal(state(), 'draining');
  assert.equal(members.drain('b'), undefined);
  await clock.advance(2000);
  assert.equal(members.drain('a'), 'lost');
});

test('the lost are listed, by id, and forgotten long after', async () => {
  const { clock, members } = open();
  members.register(facts('0'));
  await clock.advance(2000);
  members.sweep();
  assert.deepEqual(
    members.all().map((one) => [one.facts.id, one.state]),
    [
      ['0', 'lost'],
      ['a', 'lost'],
    ],
  );
  assert.ok(members.isKnown('a'));
  await clock.advance(360_000);
  members.sweep();
  assert.ok(!members.isKnown('a'));
});
