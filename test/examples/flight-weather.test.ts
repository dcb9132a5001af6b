/** Flights and the weather of their day of the year, as DuckDB joins them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import flightWeather from '../../examples/flight-weather.ts';
import { data, folder, returned, rowsOf } from './duck.ts';

const flown = `(SELECT f.delay, w.* FROM read_parquet('${data}flights-3m.parquet') f
  JOIN (VALUES ('SEA', 'Seattle'), ('JFK', 'New York'), ('LGA', 'New York')) p(airport, location) ON f.origin = p.airport
  JOIN (SELECT location, month(date) AS month, day(date) AS day, count(*) AS years, (count(*) FILTER (WHERE precipitation > 0)) * 2 >= count(*) AS rainy,
      avg(wind) AS meanWind, avg(temp_max) AS meanTempMax FROM read_csv('${data}weather.csv') GROUP BY ALL) w
    ON w.location = p.location AND w.month = month(f.date) AND w.day = day(f.date)
  WHERE f.delay IS NOT NULL)`;

test('flights by weather and by month are those of DuckDB', async () => {
  const out = join(folder, 'weather');
  assert.deepEqual(
    await returned(flightWeather, { out }),
    await rowsOf(
      `SELECT location, rainy, count(*)::DOUBLE, avg(delay), (count(*) FILTER (WHERE delay >= 15)) / count(*) FROM ${flown} GROUP BY ALL ORDER BY ALL`,
    ),
  );
  const csv = `read_csv('${out}/months.csv', parallel = false)`;
  assert.ok(readFileSync(`${out}/months.csv`, 'utf8').startsWith('location,month,flights,'));
  assert.deepEqual(
    await rowsOf(`SELECT location, month::DOUBLE, flights::DOUBLE, meanDelay, meanWind, meanTempMax FROM ${csv}`),
    await rowsOf(
      `SELECT location, month::DOUBLE, count(*)::DOUBLE, avg(delay), avg(meanWind), avg(meanTempMax) FROM ${flown} GROUP BY location, month ORDER BY location, month`,
    ),
  );
});
