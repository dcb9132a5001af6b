// A small share of the fuzzing in npm test: that nothing happens that must not, that it gets deep, and that a fault would be seen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../shuffle-manager/world.ts';
import { fuzz } from './fuzz.ts';
import { holdsPlanted, plantedPayload } from './planted.ts';
import { spoil, wayTable } from './spoil.ts';
import { Tally } from './tally.ts';
import { fuzzWorker } from './worker-fuzz.ts';

const frames = 20_000;

test('hostile frames and requests do no harm, and reach what they are meant for', async () => {
  const said: string[] = [];
  const { faults, reached, ways } = await fuzz(frames, 1, false, (text) => said.push(text));
  assert.equal(faults, 0, said.join('\n'));
  assert.deepEqual(
    Object.keys(wayTable).filter((way) => !(ways[way]! > 0)),
    [],
    'ways that were not taken',
  );
  const answers = (message: string): string[] => Object.keys(reached[message] ?? {});
  for (const code of ['UNAUTHORIZED', 'IDENTITY_MISMATCH', 'opened']) assert.ok(answers('openWrite').includes(code), code);
  for (const code of ['UNAUTHORIZED', 'MISSING', 'blocks', 'end']) assert.ok(answers('openRead').includes(code), code);
  for (const code of ['CORRUPT_BLOCK', 'CORRUPT_FRAME', 'IDENTITY_MISMATCH', 'ack']) assert.ok(answers('blocks').includes(code), code);
  for (const message of ['opened', 'ack', 'end', 'goaway']) assert.ok(answers(message).includes('CORRUPT_FRAME'), message);
  for (const message of ['read', 'write']) assert.ok(answers(message).length > 2, message);
  assert.ok(reached['the good client']!['right']! > 0);
});

test('a byte of another job in an answer is a fault', async () => {
  const said: string[] = [];
  const tally = new Tally((text) => said.push(text));
  const stolen = plantedPayload(100, 1);
  // A worker that sends other bytes than it should: in the body of whatever it says.
  await fuzzWorker(50, 1, tally, (bytes) => {
    const other = bytes.slice();
    other.set(stolen.subarray(0, Math.max(0, Math.min(20, bytes.length - 16))), 16);
    return other;
  });
  assert.ok(tally.faults > 0);
  assert.match(said.join('\n'), /is answered with data of another job/);
});

test('planted data are known by any piece of them, and nothing else is', () => {
  const payload = plantedPayload(500, 7);
  for (let at = 0; at < 40; at++) assert.ok(holdsPlanted(payload.subarray(at, at + 100)), `from ${at}`);
  assert.ok(!holdsPlanted(new TextEncoder().encode('nothing of the good job, and nothing of that length either'.repeat(3))));
});

test('a way to spoil changes the copy, never the frame', () => {
  const random = seededRandom(3);
  const frame = Uint8Array.from({ length: 48 }, (_, i) => i);
  const before = frame.slice();
  for (let i = 0; i < 2000; i++) spoil(random, frame);
  assert.deepEqual(frame, before);
});
