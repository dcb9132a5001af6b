/** Q12, shipping modes and order priority: whether cheap ways of shipping make urgent orders late. */
import { count, job } from 'sluice';
import { lineitem, orders, params } from './tables.ts';

export default job({
  name: 'tpch-q12',
  params,
  build(flow, p) {
    const late = lineitem(flow, p.data)
      .filter((t) => t.l_shipmode.in(['MAIL', 'SHIP']))
      .filter((t) => t.l_commitdate.lt(t.l_receiptdate).and(t.l_shipdate.lt(t.l_commitdate)))
      .filter((t) => t.l_receiptdate.gte('1994-01-01').and(t.l_receiptdate.lt('1995-01-01')));
    return late
      .join(orders(flow, p.data), { on: { l_orderkey: 'o_orderkey' } })
      .derive((t) => ({ urgent: t.o_orderpriority.in(['1-URGENT', '2-HIGH']) }))
      .groupBy('l_shipmode')
      .aggregate((t) => ({ high_line_count: count().filter(t.urgent), low_line_count: count().filter(t.urgent.not()) }))
      .orderBy('l_shipmode');
  },
});
