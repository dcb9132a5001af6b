import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sluice } from './captured.ts';

const data = fileURLToPath(new URL('../data/', import.meta.resolve('vega-datasets')));

test('peek shows columns, rows, statistics and the first rows', async () => {
  const { code, stdout, stderr } = await sluice('peek', `${data}seattle-weather.csv`, '--rows', '2');
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  assert.match(stdout, /seattle-weather\.csv: 1,461 rows, 6 columns; types are guessed from 1,461 rows/);
  assert.match(stdout, /temp_max +float64 +0 +-1\.6 +35\.6 +\d+/);
  assert.match(stdout, /weather +utf8 +0 +drizzle +sun +5\n/);
  assert.equal(stdout.match(/^2012-01-0/gm)?.length, 2);
  assert.match((await sluice('peek', `${data}flights-3m.parquet`, '--rows', '0')).stdout, /3,000,000 rows, 5 columns\n/);
});

test('peek shows Arrow files', async () => {
  const { code, stdout } = await sluice('peek', fileURLToPath(new URL('../../fixtures/arrow/zstd.arrow', import.meta.url)), '--rows', '0');
  assert.equal(code, 0);
  assert.match(stdout, /zstd\.arrow: 150 rows, \d+ columns\n/);
  assert.match(stdout, /dec +decimal\(9,2\) +50 +-1\.50 +9999999\.99 +2/);
});

test('peek goes on past what cannot be read, and says where it stands', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-peek-'));
  try {
    const path = join(folder, 'bad.csv');
    writeFileSync(path, `n,s\n1,a\n2\n3,c\n${'4,d,e\n'.repeat(7)}`);
    const { code, stdout, stderr } = await sluice('peek', path);
    assert.equal(code, 0);
    assert.match(stdout, /bad\.csv: 2 rows, 2 columns/);
    assert.match(stderr, /^8 records cannot be read and are left out; .*rejects/);
    assert.match(stderr, /bad\.csv:3:\d+: .*\n.*bad\.csv:5:/);
    assert.match(stderr, /and 3 more/);
    const types = await sluice('types', path);
    assert.equal(types.code, 0);
    assert.match(types.stdout, /n: int32\(\)/);
    assert.match(types.stderr, /8 records cannot be read/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('peek says what is wrong with its arguments and files', async () => {
  assert.equal((await sluice('peek')).code, 2);
  assert.equal((await sluice('peek', 'a.csv', 'b.csv')).code, 2);
  assert.match((await sluice('peek', 'nowhere.csv')).stderr, /FILE_MISSING/);
  assert.match((await sluice('peek', '--help')).stdout, /Usage: sluice peek FILE/);
});
