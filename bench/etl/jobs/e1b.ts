/** E1b: as E1a, by pair of airports: a few thousand groups, two keys of text. */
import { count, integer, job, parquet, schema, Type, utf8 } from 'sluice';

const flights = schema({ delay: integer().nullable(), distance: integer(), origin: utf8(), destination: utf8() });

export default job({
  name: 'e1b',
  params: { flights: Type.String(), out: Type.String() },
  build(flow, p) {
    flow
      .read(parquet(p.flights, { schema: flights }), 'flights')
      .dropNulls('delay')
      .groupBy('origin', 'destination')
      .aggregate((t) => ({ n: count(), mean_delay: t.delay.avg(), max_distance: t.distance.max() }))
      .write(parquet(p.out, { overwrite: true }), 'delays');
  },
});
