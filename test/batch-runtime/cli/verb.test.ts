import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aborted, count, interruption, isTermination, readArgs, signalledAgain } from '#runtime/cli/verb.ts';

test('arguments that are not known, or lack a value, are bad usage', () => {
  const options = { json: { type: 'boolean' as const }, out: { type: 'string' as const } };
  assert.deepEqual({ ...readArgs(['--out', 'x', '--json', 'job.ts'], options).values }, { out: 'x', json: true });
  assert.deepEqual(readArgs(['job.ts'], options).positionals, ['job.ts']);
  for (const bad of [['--nope'], ['--out'], ['--json=3']]) assert.throws(() => readArgs(bad, options), { code: 'USAGE' });
});

test('a count is a whole number from its least', () => {
  assert.equal(count('workers', undefined, 0), undefined);
  assert.equal(count('workers', '0', 0), 0);
  for (const bad of ['-1', '1.5', 'x', '', '1e3', '99999999999999999999']) {
    assert.throws(() => count('workers', bad, 0), { code: 'USAGE', message: /--workers takes a whole number from 0/ });
  }
  assert.throws(() => count('executors', '0', 1), { code: 'USAGE' });
});

test('there is one interruption per process, and whoever waits for it hears of it', async () => {
  const before = process.listenerCount('SIGTERM');
  const signal = interruption();
  assert.equal(interruption(), signal);
  assert.equal(process.listenerCount('SIGTERM'), before + 1);
  const heard = aborted(signal);
  assert.equal(isTermination(), false);
  process.emit('SIGTERM');
  await heard;
  assert.equal(signal.aborted, true);
  await aborted(signal);
  assert.equal(isTermination(), true);
  const again = signalledAgain();
  process.emit('SIGTERM');
  await again;
});
