import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { batchBytes } from '#runtime/batch/column.ts';
import { batchOf, permutation, rowBytes, schema, zipf } from '../../bench/beyond-memory/data.ts';
import { rowsIn } from '../batch-runtime/batch/columns.ts';

const main = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));

test('rows are what is said of them: ids, keys, texts that begin with the id', () => {
  const batch = batchOf(65_000, 66_000, (id) => 3 * id);
  assert.equal(batch.schema, schema);
  const [id, key, text] = rowsIn(batch)[999]!;
  assert.deepEqual([Number(id), Number(key)], [65_999, 197_997]);
  assert.match(String(text), /^000101cf/);
  assert.ok(Math.abs(batchBytes(batch) / batch.length - rowBytes) < 1);
});

test('a permutation is one, and its inverse leads back', () => {
  for (const n of [1, 2, 1000, 48_271]) {
    const { of, inverse } = permutation(n, 48_271, 11 % n);
    const ids = Array.from({ length: n }, (_, id) => id);
    assert.equal(new Set(ids.map(of)).size, n);
    assert.deepEqual(
      ids.map((id) => inverse(of(id))),
      ids,
    );
  }
});

test("keys by Zipf's law: the first has more than a third, the last hardly any", () => {
  const key = zipf(1000, 1.5);
  const counts = new Int32Array(1000);
  for (let id = 0; id < 20_000; id++) counts[key(id)]!++;
  assert.ok(counts[0]! > 7000 && counts[0]! < 9000 && counts[1]! > 2000 && counts[999]! < 10);
});

for (const args of [
  ['--only', 'sort'],
  ['--zipf', '1.5'],
] as const) {
  test(`more rows than fit come out right ${args.join(' ')}`, { timeout: 120_000 }, async () => {
    const child = spawn(process.execPath, [main, 'beyond-memory', '--gigabytes', '0.03', '--budget', '8', ...args], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let out = '';
    child.stdout.on('data', (bytes: Buffer) => {
      out += bytes.toString();
    });
    await new Promise((resolve) => child.once('close', resolve));
    const result = JSON.parse(out.trim().split('\n').at(-1) ?? '') as Record<
      string,
      { readonly right: boolean; readonly executorPeakMB: readonly number[] } | null
    >;
    for (const name of args[0] === '--only' ? ['sort'] : ['group', 'join']) {
      assert.equal(result[name]?.right, true, `${name}: ${out}`);
      assert.ok(result[name]!.executorPeakMB.every((peak) => peak > 0));
    }
  });
}
