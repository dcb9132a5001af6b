/** Q14, promotion effect: the part of a month's revenue that came from promoted parts, in percent. */
import { job, when } from 'sluice';
import { lineitem, net, params, part } from './tables.ts';

export default job({
  name: 'tpch-q14',
  params,
  build(flow, p) {
    return lineitem(flow, p.data)
      .filter((t) => t.l_shipdate.gte('1995-09-01').and(t.l_shipdate.lt('1995-10-01')))
      .join(part(flow, p.data), { on: { l_partkey: 'p_partkey' } })
      .derive((t) => ({ revenue: net(t) }))
      .aggregate((t) => ({ promoted: when(t.p_type.startsWith('PROMO'), t.revenue).otherwise(0).sum(), total: t.revenue.sum() }))
      .select((t) => ({ promo_revenue: t.promoted.mul(100).div(t.total) }));
  },
});
