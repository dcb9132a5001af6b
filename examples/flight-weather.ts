/**
 * Do flights leave late where it rains? Three million flights of 2001 joined with the weather of Seattle and New York by place
 * and day of the year. The weather was measured from 2012 to 2015, so what is joined is how often it rained on that day of the
 * year, not whether it did. `sluice run examples/flight-weather.ts --param out=DIR` runs it.
 */
import { fileURLToPath } from 'node:url';
import { count, csv, date, float64, integer, job, parquet, schema, Type, timestamp, utf8 } from 'sluice';

// The package hides its data folder, but not where it is.
const data = fileURLToPath(new URL('../data/', import.meta.resolve('vega-datasets')));

const flights = schema({ date: timestamp(), delay: integer().nullable(), origin: utf8() });
const measured = schema({ location: utf8(), date: date(), precipitation: float64(), temp_max: float64(), wind: float64() });
const airports = schema({ airport: utf8(), location: utf8() });

export default job({
  name: 'flight-weather',
  params: {
    flights: Type.String({ default: `${data}flights-3m.parquet` }),
    out: Type.String({ default: 'out/flight-weather' }),
    overwrite: Type.Boolean({ default: false }),
  },
  build(flow, p) {
    const usual = flow
      .read(csv(`${data}weather.csv`, { schema: measured }), 'weather')
      .groupBy('location', (t) => ({ month: t.date.month(), day: t.date.day() }))
      .aggregate((t) => ({ years: count(), wet: count().filter(t.precipitation.gt(0)), meanWind: t.wind.avg(), meanTempMax: t.temp_max.avg() }))
      .derive((t) => ({ rainy: t.wet.mul(2).gte(t.years) }));

    const places = flow.rows(airports, [
      { airport: 'SEA', location: 'Seattle' },
      { airport: 'JFK', location: 'New York' },
      { airport: 'LGA', location: 'New York' },
    ]);

    const flown = flow
      .read(parquet(p.flights, { schema: flights }), 'flights')
      .dropNulls('delay')
      .join(places, { on: { origin: 'airport' } })
      .derive((t) => ({ month: t.date.date().month(), day: t.date.date().day() }))
      .join(usual, { on: ['location', 'month', 'day'] });

    flown
      .groupBy('location', 'month')
      .aggregate((t) => ({ flights: count(), meanDelay: t.delay.avg(), meanWind: t.meanWind.avg(), meanTempMax: t.meanTempMax.avg() }))
      .orderBy('location', 'month')
      .write(csv(`${p.out}/months.csv`, { overwrite: p.overwrite }), 'months');

    return flown
      .groupBy('location', 'rainy')
      .aggregate((t) => ({ flights: count(), late: count().filter(t.delay.gte(15)), meanDelay: t.delay.avg() }))
      .select('location', 'rainy', 'flights', 'meanDelay', (t) => ({ lateShare: t.late.div(t.flights) }))
      .orderBy('location', 'rainy');
  },
});
