import assert from 'node:assert/strict';
import { test } from 'node:test';
import { retry, sleep } from '#manager/process/retry.ts';
import { type ErrorCode, SluiceError } from '#manager/protocol/errors.ts';
import { ManualClock, seededRandom, settle } from '../world.ts';

function tries(codes: (ErrorCode | null)[], facts = {}) {
  const clock = new ManualClock();
  const at: number[] = [];
  const abort = new AbortController();
  const run = retry({ clock, random: seededRandom(1), patienceMs: 1000, pauseMs: 100, signal: abort.signal }, async (attempt) => {
    at.push(clock.now());
    const code = codes[Math.min(attempt, codes.length - 1)];
    if (code) throw new SluiceError(code, { what: 'x', ...facts });
    return `try ${attempt}`;
  });
  run.catch(() => {});
  return { clock, at, abort, run };
}

test('an error whose remedy is retry is tried again after growing pauses', async () => {
  const { clock, at, run } = tries(['CONNECTION_LOST', 'CONNECTION_LOST', null]);
  await clock.advance(500);
  assert.equal(await run, 'try 2');
  const [first, second, third] = at as [number, number, number];
  assert.ok(second - first >= 50 && second - first <= 100, String(second - first));
  assert.ok(third - second >= 100 && third - second <= 200, String(third - second));
});

test('other remedies, and the end of patience, throw the last error', async () => {
  await assert.rejects(tries(['FENCED']).run, { code: 'FENCED' });
  const patient = tries(['CONNECTION_LOST']);
  await patient.clock.advance(2000);
  await assert.rejects(patient.run, { code: 'CONNECTION_LOST' });
  assert.ok(patient.at.length >= 4 && (patient.at.at(-1) as number) <= 1000);
});

test('retryAfterMs lengthens the pause', async () => {
  const { clock, at, run } = tries(['CONNECTION_LOST', null], { retryAfterMs: 700 });
  await clock.advance(1000);
  await run;
  assert.deepEqual(at, [0, 700]);
});

test('an abort ends the waiting at once', async () => {
  const { abort, run, at } = tries(['CONNECTION_LOST']);
  await settle();
  abort.abort(new Error('enough'));
  await assert.rejects(run, /enough/);
  assert.equal(at.length, 1);
  await assert.rejects(sleep(new ManualClock(), 5, abort.signal), /enough/);
});
