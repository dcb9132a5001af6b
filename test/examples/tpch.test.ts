// The 22 queries of examples/tpch at a small scale, against what DuckDB answered over the same files. At scale 1 and in all the ways a job can run:
// npm run test:tpch.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { installTpch, tpchgen } from '../spark/install.ts';
import { digestOf, duckdbAnswers, queries, sluiceAnswer } from '../tpch/answers.ts';

const scale = 0.01;
const digests = JSON.parse(readFileSync(new URL('../tpch/digests.json', import.meta.url), 'utf8')) as Record<string, Record<string, string>>;
// The generator comes from PyPI.
const pip = spawnSync('python3', ['-m', 'pip', '--version'], { stdio: 'ignore' }).status === 0;
const skip = !pip && 'there is no pip for tpchgen-cli';

test('the answers of TPC-H are those that DuckDB gave, at every number of partitions', { skip }, async () => {
  const data = await installTpch(scale);
  for (const [i, name] of queries.entries()) {
    const partitions = [1, 7, 64][i % 3]!;
    const answer = await sluiceAnswer(name, data, scale, { shuffle: 'memory', partitions });
    assert.equal(digestOf(answer), digests[`sf${scale}`]![name], `${name}, ${partitions} partitions`);
  }
});

test('the digests are of the generator that is installed, and of the DuckDB that is here', { skip }, async () => {
  assert.equal(digests['tpchgen'] as unknown, tpchgen);
  const answers = await duckdbAnswers(await installTpch(scale), scale);
  for (const name of queries) assert.equal(digestOf(answers.get(name)!), digests[`sf${scale}`]![name], name);
});
