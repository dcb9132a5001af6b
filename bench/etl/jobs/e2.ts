/** E2: lines of an order summed up: as many groups as there are orders. */
import { count, decimal, int64, job, parquet, schema, Type } from 'sluice';

const lineitem = schema({ l_orderkey: int64(), l_quantity: decimal(15, 2) });

export default job({
  name: 'e2',
  params: { lineitem: Type.String(), out: Type.String() },
  build(flow, p) {
    flow
      .read(parquet(p.lineitem, { schema: lineitem }), 'lineitem')
      .groupBy('l_orderkey')
      .aggregate((t) => ({ quantity: t.l_quantity.sum(), n: count() }))
      .write(parquet(p.out, { overwrite: true }), 'orders');
  },
});
