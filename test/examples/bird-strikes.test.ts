/** Reports of bird strikes: clean ones as DuckDB cleans them, the others in the rejects with their lines. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import birdStrikes from '../../examples/bird-strikes.ts';
import { data, folder, returned, rowsOf } from './duck.ts';

const clean = `(SELECT "Airport Name" AS airport, "Aircraft Make Model" AS aircraft, "Flight Date" AS day, trim(regexp_replace("Aircraft Airline Operator", '\\*$', '')) AS operator,
    "Phase of flight" AS phase, "Wildlife Species" AS species, "Cost Total $"::INTEGER AS dollars, "Speed IAS in knots"::INTEGER AS knots,
    CASE WHEN "Effect Amount of damage" IN ('Minor', 'Medium', 'Substantial') THEN lower("Effect Amount of damage") END AS damage
  FROM read_csv('${data}birdstrikes.csv') WHERE "Speed IAS in knots" IS NOT NULL)`;

test('the clean reports and their statistics are those of DuckDB; what lacks the speed is in the rejects', async () => {
  const out = join(folder, 'birds');
  const rows = await returned(birdStrikes, { out });
  assert.deepEqual(
    rows,
    await rowsOf(
      `SELECT phase, count(*)::DOUBLE, count(damage)::DOUBLE, sum(dollars)::DOUBLE, avg(knots) FROM ${clean} GROUP BY phase ORDER BY 2 DESC, 1`,
    ),
  );
  const columns = 'airport, aircraft, day, operator, phase, species, dollars, knots, damage';
  const written = await rowsOf(`SELECT ${columns} FROM read_parquet('${out}/strikes/*.parquet') ORDER BY ALL`);
  assert.equal(written.length, 7164);
  assert.deepEqual(written, await rowsOf(`SELECT ${columns} FROM ${clean} ORDER BY ALL`));
  const rejects = readFileSync(join(out, 'rejects.csv'), 'utf8').trim().split('\n');
  assert.equal(rejects.length, 1 + 2836);
  const lines = readFileSync(`${data}birdstrikes.csv`, 'utf8').split('\n');
  for (const reject of rejects.slice(1)) {
    const [, line] = /birdstrikes\.csv,(\d+),\d+,"?column Speed IAS in knots: it is empty/.exec(reject) ?? [];
    assert.ok(line !== undefined, reject);
    assert.match(lines[Number(line) - 1]!, /,\r$/);
  }
});
