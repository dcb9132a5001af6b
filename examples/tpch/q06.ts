/** Q6, forecasting revenue change: what small discounts of 1994 have cost. */
import { job } from 'sluice';
import { lineitem, params } from './tables.ts';

export default job({
  name: 'tpch-q06',
  params,
  build(flow, p) {
    return lineitem(flow, p.data)
      .filter((t) => t.l_shipdate.gte('1994-01-01').and(t.l_shipdate.lt('1995-01-01')))
      .filter((t) => t.l_discount.between(0.05, 0.07).and(t.l_quantity.lt(24)))
      .aggregate((t) => ({ revenue: t.l_extendedprice.mul(t.l_discount).sum() }));
  },
});
