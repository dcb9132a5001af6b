/** Q15, top supplier: who brought in the most in a quarter. */
import { job } from 'sluice';
import { lineitem, net, params, supplier } from './tables.ts';

export default job({
  name: 'tpch-q15',
  params,
  build(flow, p) {
    const revenue = lineitem(flow, p.data)
      .filter((t) => t.l_shipdate.gte('1996-01-01').and(t.l_shipdate.lt('1996-04-01')))
      .groupBy('l_suppkey')
      .aggregate((t) => ({ total_revenue: net(t).sum() }));
    const most = revenue.aggregate((t) => ({ most: t.total_revenue.max() }));
    return supplier(flow, p.data)
      .join(revenue, { on: { s_suppkey: 'l_suppkey' } })
      .join(most, { how: 'cross' })
      .filter((t) => t.total_revenue.eq(t.most))
      .select('s_suppkey', 's_name', 's_address', 's_phone', 'total_revenue')
      .orderBy('s_suppkey');
  },
});
