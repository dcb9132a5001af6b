import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { median, orderOf, overNative, type Pair, queryFigures, summed, type Variant, variants, worst } from '../../bench/spark/figures.ts';

const pair = (native: number, sluice: number, again: number): Pair => ({
  native: { seconds: native, cpuSeconds: 2 * native },
  sluice: { seconds: sluice, cpuSeconds: sluice },
  again: { seconds: again, cpuSeconds: 4 * again },
});

test('a median is the middle, or the mean of two', () => {
  assert.deepEqual([median([9, 1, 2]), median([10, 1, 2, 4]), median([7])], [2, 3, 7]);
  assert.equal(median([]), Number.NaN);
});

test('a ratio is the median of the ratios of pairs, not the ratio of medians', () => {
  const pairs = [pair(1, 2, 1), pair(10, 10, 30), pair(100, 50, 200)];
  assert.equal(overNative(pairs, 'sluice'), 1);
  assert.equal(overNative(pairs, 'again'), 2, 'medians would give 3');
  assert.equal(overNative(pairs, 'sluice', 'cpuSeconds'), 0.5);
  assert.equal(overNative(pairs, 'again', 'cpuSeconds'), 4);
});

test('a round is the sum of its queries', () => {
  assert.deepEqual(summed([pair(1, 2, 3), pair(10, 20, 30)]), pair(11, 22, 33));
});

test('each query has medians of its own over rounds, and native against itself', () => {
  const rounds = [
    [pair(1, 2, 1), pair(10, 5, 10)],
    [pair(2, 6, 3), pair(10, 5, 20)],
    [pair(4, 4, 8), pair(40, 20, 60)],
  ];
  const [first, second, ...none] = queryFigures(rounds);
  assert.deepEqual(first, { query: 1, native: 2, sluice: 4, again: 3, ratio: 2, noise: 1.5 });
  assert.deepEqual(second, { query: 2, native: 10, sluice: 5, again: 20, ratio: 0.5, noise: 1.5 });
  assert.deepEqual(none, []);
  assert.equal(worst([first!.ratio, second!.ratio]), 2);
  assert.equal(worst([]), Number.NaN);
});

test('in six pairs each order comes once, so that nobody always follows the same one', () => {
  const orders = Array.from({ length: 6 }, (_, n) => orderOf(n));
  assert.equal(new Set(orders.map(String)).size, 6);
  for (const order of orders) assert.deepEqual([...order].sort(), [...variants].sort());
  const followers = (one: Variant): Variant[] => orders.flatMap((order) => order.slice(order.indexOf(one) + 1, order.indexOf(one) + 2));
  for (const one of variants)
    assert.deepEqual(
      followers(one).sort(),
      variants
        .filter((other) => other !== one)
        .flatMap((other) => [other, other])
        .sort(),
    );
});

test('bad usage is exit 2 before anything is installed, and the keys are there', () => {
  const main = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));
  for (const args of [
    ['--only', 'W4'],
    ['--pairs', '0'],
    ['--sf', 'x'],
    ['--partitions', '1.5'],
    ['--set', 'alone'],
  ]) {
    const { status, stdout } = spawnSync(process.execPath, [main, 'spark', ...args], { encoding: 'utf8' });
    assert.equal(status, 2, args.join(' '));
    const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
    assert.equal(result['error'], 'USAGE');
    for (const key of [
      'tpchOverNative',
      'worstQueryOverNative',
      'worstQueryNoise',
      'tinyOverNative',
      'pureOverNative',
      'workerCpuPerGB',
      'workerRssMB',
      'sparkCpuOverNative',
    ])
      assert.equal(result[key], null, key);
  }
});
