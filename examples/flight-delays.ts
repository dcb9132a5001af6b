/**
 * Which routes lose the most time, over three million real flights: filter, aggregate, join one table twice, two outputs from one
 * scan. `npm start` runs it; `sluice run examples/flight-delays.ts --param out=DIR` does too.
 */
import { fileURLToPath } from 'node:url';
import { count, csv, desc, float64, integer, job, parquet, schema, Type, timestamp, utf8 } from 'sluice';

// The package hides its data folder, but not where it is.
const data = fileURLToPath(new URL('../data/', import.meta.resolve('vega-datasets')));

const flights = schema({ date: timestamp(), delay: integer().nullable(), distance: integer(), origin: utf8(), destination: utf8() });
const airports = schema({ iata: utf8(), name: utf8(), city: utf8(), state: utf8(), country: utf8(), latitude: float64(), longitude: float64() });

export default job({
  name: 'flight-delays',
  params: {
    flights: Type.String({ default: `${data}flights-3m.parquet` }),
    out: Type.String({ default: 'out/flight-delays' }),
    overwrite: Type.Boolean({ default: false }),
  },
  build(flow, p) {
    const places = flow.read(csv(`${data}airports.csv`, { schema: airports }), 'airports').select('iata', 'name', 'city', 'state');
    const flown = flow.read(parquet(p.flights, { schema: flights }), 'flights').dropNulls('delay');

    const routes = flown
      .groupBy('origin', 'destination')
      .aggregate((t) => ({
        flights: count(),
        late: count().filter(t.delay.gte(15)),
        meanDelay: t.delay.avg(),
        minutesLost: t.delay.sum().filter(t.delay.gt(0)),
      }))
      .select('origin', 'destination', 'flights', 'meanDelay', (t) => ({
        lateShare: t.late.div(t.flights),
        minutesLost: t.minutesLost.coalesce(0),
      }))
      .join(places.rename({ name: 'originName', city: 'originCity', state: 'originState' }), { on: { origin: 'iata' } })
      .join(places.rename({ name: 'destinationName', city: 'destinationCity', state: 'destinationState' }), { on: { destination: 'iata' } });
    routes.write(parquet(`${p.out}/routes`, { partitionBy: ['originState'], overwrite: p.overwrite }), 'routes');

    flown
      .join(places.select('iata', 'state'), { on: { origin: 'iata' } })
      .groupBy('state', (t) => ({ hour: t.date.hour() }))
      .aggregate((t) => ({ flights: count(), meanDelay: t.delay.avg() }))
      .orderBy('state', 'hour')
      .write(csv(`${p.out}/delays.csv`, { overwrite: p.overwrite }), 'delays');

    return routes
      .filter((t) => t.flights.gte(500))
      .orderBy(desc('minutesLost'), 'origin', 'destination')
      .limit(15)
      .select('origin', 'originCity', 'destination', 'destinationCity', 'flights', 'meanDelay', 'lateShare', 'minutesLost');
  },
});
