/** Q22, global sales opportunity: customers of seven countries with money and no order. */
import { count, float64, job } from 'sluice';
import { customer, orders, params } from './tables.ts';

export default job({
  name: 'tpch-q22',
  params,
  build(flow, p) {
    const callers = customer(flow, p.data)
      .derive((t) => ({ cntrycode: t.c_phone.slice(0, 2) }))
      .filter((t) => t.cntrycode.in(['13', '31', '23', '29', '30', '18', '17']));
    const mean = callers.filter((t) => t.c_acctbal.gt(0)).aggregate((t) => ({ mean: t.c_acctbal.avg() }));
    return callers
      .join(mean, { how: 'cross' })
      .filter((t) => t.c_acctbal.cast(float64()).gt(t.mean))
      .join(orders(flow, p.data), { on: { c_custkey: 'o_custkey' }, how: 'anti' })
      .groupBy('cntrycode')
      .aggregate((t) => ({ numcust: count(), totacctbal: t.c_acctbal.sum() }))
      .orderBy('cntrycode');
  },
});
