/** The log of the example: the same seed, the same bytes; lines as loggers write them, and some that are cut off. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { writeAccessLog } from '../../examples/write-access-log.ts';
import { folder } from './duck.ts';

test('a seed gives the same log again, another seed another', () => {
  const bytes = (name: string, seed: number) =>
    writeAccessLog(join(folder, name), seed, 500).map((path) => gunzipSync(readFileSync(path)).toString());
  assert.deepEqual(bytes('a', 7), bytes('b', 7));
  assert.notDeepEqual(bytes('a', 7), bytes('b', 8));
});

test('it has what logs have: crawlers, an hour that fails, cut lines, times in order', () => {
  const lines = writeAccessLog(join(folder, 'c'), 1, 5000).flatMap((path) => gunzipSync(readFileSync(path)).toString().trim().split('\n'));
  const whole = lines.filter((line) => line.endsWith('}')).map((line) => JSON.parse(line) as { time: string; status: number; agent: string });
  assert.ok(whole.length < lines.length && lines.length === 15_000);
  assert.deepEqual(
    whole.map(({ time }) => time),
    whole.map(({ time }) => time).sort(),
  );
  assert.ok(whole.some(({ agent }) => agent.includes('Bot')));
  const failed = whole.filter(({ status }) => status === 503);
  assert.ok(failed.length > 50 && failed.every(({ time }) => time.startsWith('2024-05-02T14')));
});
