/** Q3, shipping priority: the ten open orders of a segment that are worth the most. */
import { desc, job } from 'sluice';
import { customer, lineitem, net, orders, params } from './tables.ts';

export default job({
  name: 'tpch-q03',
  params,
  build(flow, p) {
    const buyers = customer(flow, p.data).filter((t) => t.c_mktsegment.eq('BUILDING'));
    const open = orders(flow, p.data)
      .filter((t) => t.o_orderdate.lt('1995-03-15'))
      .join(buyers, { on: { o_custkey: 'c_custkey' }, how: 'semi' })
      .select('o_orderkey', 'o_orderdate', 'o_shippriority');
    return lineitem(flow, p.data)
      .filter((t) => t.l_shipdate.gt('1995-03-15'))
      .join(open, { on: { l_orderkey: 'o_orderkey' } })
      .groupBy('l_orderkey', 'o_orderdate', 'o_shippriority')
      .aggregate((t) => ({ revenue: net(t).sum() }))
      .orderBy(desc('revenue'), 'o_orderdate')
      .limit(10)
      .select('l_orderkey', 'revenue', 'o_orderdate', 'o_shippriority');
  },
});
