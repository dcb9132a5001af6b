/** E3: the two largest tables joined, then 35 groups. */
import { count, decimal, int64, job, lit, parquet, schema, Type, utf8 } from 'sluice';

const money = decimal(15, 2);
const lineitem = schema({ l_orderkey: int64(), l_extendedprice: money, l_discount: money, l_shipmode: utf8() });
const orders = schema({ o_orderkey: int64(), o_orderpriority: utf8() });

export default job({
  name: 'e3',
  params: { lineitem: Type.String(), orders: Type.String(), out: Type.String() },
  build(flow, p) {
    flow
      .read(parquet(p.lineitem, { schema: lineitem }), 'lineitem')
      .join(flow.read(parquet(p.orders, { schema: orders }), 'orders'), { on: { l_orderkey: 'o_orderkey' } })
      .groupBy('o_orderpriority', 'l_shipmode')
      .aggregate((t) => ({ n: count(), revenue: t.l_extendedprice.mul(lit(1, money).sub(t.l_discount)).sum() }))
      .write(parquet(p.out, { overwrite: true }), 'revenue');
  },
});
