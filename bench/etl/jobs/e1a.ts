/** E1a: every flight with a known delay, by airport of departure. */
import { count, integer, job, parquet, schema, Type, utf8 } from 'sluice';

const flights = schema({ delay: integer().nullable(), distance: integer(), origin: utf8() });

export default job({
  name: 'e1a',
  params: { flights: Type.String(), out: Type.String() },
  build(flow, p) {
    flow
      .read(parquet(p.flights, { schema: flights }), 'flights')
      .dropNulls('delay')
      .groupBy('origin')
      .aggregate((t) => ({ n: count(), mean_delay: t.delay.avg(), max_distance: t.distance.max() }))
      .write(parquet(p.out, { overwrite: true }), 'delays');
  },
});
