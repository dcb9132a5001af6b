/**
 * The job of examples/flight-delays.ts as DuckDB does it, with two threads: `node bench/flights-duckdb.ts OUT`. Writes the same two outputs
 * and prints the fifteen rows as CSV. A process of its own, so that flights.ts times both from start to end.
 */
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';

const out = process.argv[2] ?? '';
const data = fileURLToPath(new URL('../data/', import.meta.resolve('vega-datasets')));
const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
const duck = await instance.connect();
await duck.run(`
  CREATE TABLE airports AS SELECT iata, name, city, state FROM read_csv('${data}airports.csv', all_varchar = true);
  CREATE VIEW flown AS SELECT * FROM read_parquet('${data}flights-3m.parquet') WHERE delay IS NOT NULL;
  CREATE TABLE routes AS
    WITH sums AS (
      SELECT origin, destination, count(*) AS flights, avg(delay) AS meanDelay, count(*) FILTER (WHERE delay >= 15) / count(*) AS lateShare,
        coalesce(sum(delay) FILTER (WHERE delay > 0), 0)::BIGINT AS minutesLost
      FROM flown GROUP BY origin, destination)
    SELECT s.*, o.name AS originName, o.city AS originCity, o.state AS originState, d.name AS destinationName, d.city AS destinationCity, d.state AS destinationState
    FROM sums s JOIN airports o ON o.iata = s.origin JOIN airports d ON d.iata = s.destination;
  COPY routes TO '${out}/routes' (FORMAT parquet, PARTITION_BY (originState), OVERWRITE_OR_IGNORE);
  COPY (SELECT state, hour(date) AS hour, count(*) AS flights, avg(delay) AS meanDelay FROM flown JOIN airports ON iata = origin
    GROUP BY ALL ORDER BY state, hour) TO '${out}/delays.csv' (FORMAT csv, HEADER);
`);
const columns = 'origin, originCity, destination, destinationCity, flights, meanDelay, lateShare, minutesLost';
const worst = await duck.runAndReadAll(`SELECT ${columns} FROM routes WHERE flights >= 500 ORDER BY minutesLost DESC, origin, destination LIMIT 15`);
console.log([columns.split(', '), ...worst.getRows()].map((row) => row.join(',')).join('\n'));
duck.closeSync();
instance.closeSync();
