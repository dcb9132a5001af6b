/** Q4, order priority checking: orders of a quarter with a line that came later than promised. */
import { count, job } from 'sluice';
import { lineitem, orders, params } from './tables.ts';

export default job({
  name: 'tpch-q04',
  params,
  build(flow, p) {
    const late = lineitem(flow, p.data).filter((t) => t.l_commitdate.lt(t.l_receiptdate));
    return orders(flow, p.data)
      .filter((t) => t.o_orderdate.gte('1993-07-01').and(t.o_orderdate.lt('1993-10-01')))
      .join(late, { on: { o_orderkey: 'l_orderkey' }, how: 'semi' })
      .groupBy('o_orderpriority')
      .aggregate(() => ({ order_count: count() }))
      .orderBy('o_orderpriority');
  },
});
