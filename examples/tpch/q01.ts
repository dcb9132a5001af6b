/** Q1, pricing summary report: what was shipped until 90 days before the end of 1998-12-01, by flag and status. */
import { count, job, lit } from 'sluice';
import { lineitem, money, net, params } from './tables.ts';

export default job({
  name: 'tpch-q01',
  params,
  build(flow, p) {
    return lineitem(flow, p.data)
      .filter((t) => t.l_shipdate.lte('1998-09-02'))
      .derive((t) => ({ disc_price: net(t) }))
      .groupBy('l_returnflag', 'l_linestatus')
      .aggregate((t) => ({
        sum_qty: t.l_quantity.sum(),
        sum_base_price: t.l_extendedprice.sum(),
        sum_disc_price: t.disc_price.sum(),
        sum_charge: t.disc_price.mul(lit(1, money).add(t.l_tax)).sum(),
        avg_qty: t.l_quantity.avg(),
        avg_price: t.l_extendedprice.avg(),
        avg_disc: t.l_discount.avg(),
        count_order: count(),
      }))
      .orderBy('l_returnflag', 'l_linestatus');
  },
});
