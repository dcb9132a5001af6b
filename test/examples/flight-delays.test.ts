/** The job of the walk against DuckDB: the three million flights, and a fixture for what they have none of. */
import assert from 'node:assert/strict';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { run } from '#runtime/run.ts';
import flightDelays from '../../examples/flight-delays.ts';

const data = fileURLToPath(new URL('../data/', import.meta.resolve('vega-datasets')));
const folder = mkdtempSync(join(tmpdir(), 'sluice-flights-'));
let instance: DuckDBInstance;
let duck: DuckDBConnection;
before(async () => {
  instance = await DuckDBInstance.create(':memory:', { threads: '2' });
  duck = await instance.connect();
});
after(() => {
  duck.closeSync();
  instance.closeSync();
  rmSync(folder, { recursive: true });
});

const airports = `(SELECT iata, name, city, state FROM read_csv('${data}airports.csv', all_varchar = true))`;
const routesSql = (flights: string): string => `
  WITH routes AS (
    SELECT origin, destination, count(*)::BIGINT AS flights, avg(delay) AS meanDelay,
      count(*) FILTER (WHERE delay >= 15) / count(*) AS lateShare, coalesce(sum(delay) FILTER (WHERE delay > 0), 0)::BIGINT AS minutesLost
    FROM read_parquet('${flights}') WHERE delay IS NOT NULL GROUP BY origin, destination)
  SELECT r.*, o.name AS originName, o.city AS originCity, o.state AS originState, d.name AS destinationName, d.city AS destinationCity, d.state AS destinationState
  FROM routes r JOIN ${airports} o ON o.iata = r.origin JOIN ${airports} d ON d.iata = r.destination`;
const delaysSql = (flights: string): string => `
  SELECT state, hour(date)::INTEGER AS hour, count(*)::BIGINT AS flights, avg(delay) AS meanDelay
  FROM read_parquet('${flights}') f JOIN ${airports} a ON a.iata = f.origin WHERE delay IS NOT NULL GROUP BY ALL ORDER BY state, hour`;

const routeColumns =
  'origin, destination, flights, meanDelay, lateShare, minutesLost, originName, originCity, destinationName, destinationCity, destinationState, originState';
/** Floats by 12 digits, whole numbers as digits. */
const rowsOf = async (sql: string): Promise<string[]> =>
  (await duck.runAndReadAll(sql))
    .getRows()
    .map((row) => JSON.stringify(row.map((value) => (typeof value === 'number' ? value.toPrecision(12) : String(value)))));

/** Runs the job; compares both outputs, and gives what it returned. */
async function check(name: string, flights: string): Promise<Record<string, unknown>[]> {
  const out = join(folder, name);
  await using running = await run(flightDelays, { params: { out, flights }, shuffle: 'memory' });
  const returned: Record<string, unknown>[] = [];
  for await (const row of running.rows()) returned.push(row);
  await running.done();
  const written = `read_parquet('${out}/routes/*/*.parquet', hive_partitioning = true, hive_types_autocast = false)`;
  assert.deepEqual(
    await rowsOf(`SELECT ${routeColumns} FROM ${written} ORDER BY ALL`),
    await rowsOf(`SELECT ${routeColumns} FROM (${routesSql(flights)}) ORDER BY ALL`),
  );
  assert.ok(globSync(`${out}/routes/originState=*/`).length > 0);
  const csv = `read_csv('${out}/delays.csv', columns = {'state': 'VARCHAR', 'hour': 'INTEGER', 'flights': 'BIGINT', 'meanDelay': 'DOUBLE'}, header = true, parallel = false)`;
  assert.equal(readFileSync(`${out}/delays.csv`, 'utf8').split('\n')[0], 'state,hour,flights,meanDelay');
  assert.deepEqual(await rowsOf(`SELECT * FROM ${csv}`), await rowsOf(delaysSql(flights)));
  return returned;
}

test('three million flights give what DuckDB gives: routes, delays by hour, and the fifteen worst', async () => {
  const flights = `${data}flights-3m.parquet`;
  const returned = await check('all', flights);
  assert.equal(returned.length, 15);
  const columns = 'origin, originCity, destination, destinationCity, flights, meanDelay, lateShare, minutesLost';
  const worst = await rowsOf(
    `SELECT ${columns} FROM (${routesSql(flights)}) WHERE flights >= 500 ORDER BY minutesLost DESC, origin, destination LIMIT 15`,
  );
  const mine = returned.map((row) =>
    JSON.stringify(
      columns.split(', ').map((name) => {
        const value = row[name];
        return typeof value === 'number' && !['flights', 'minutesLost'].includes(name) ? value.toPrecision(12) : String(value);
      }),
    ),
  );
  assert.deepEqual(mine, worst);
});

test('flights without delay are dropped, NA is a text, early flights cost no minutes', async () => {
  const flights = join(folder, 'fixture.parquet');
  await duck.run(`COPY (SELECT TIMESTAMP '2001-01-01 05:00:00' + INTERVAL (i) HOUR AS date, CASE WHEN i % 3 = 0 THEN NULL ELSE i - 40 END::BIGINT AS delay,
      100::BIGINT AS distance, CASE WHEN i % 2 = 0 THEN 'ABE' ELSE 'ROP' END AS origin, CASE WHEN i % 5 = 0 THEN 'LAX' ELSE 'none' END AS destination
    FROM range(90) t(i)) TO '${flights}' (FORMAT parquet)`);
  assert.deepEqual(await check('fixture', flights), [], 'no route has 500 flights');
});
