/** Q10, returned item reporting: customers who sent back the most in a quarter. */
import { desc, job } from 'sluice';
import { customer, lineitem, nation, net, orders, params } from './tables.ts';

export default job({
  name: 'tpch-q10',
  params,
  build(flow, p) {
    const recent = orders(flow, p.data)
      .filter((t) => t.o_orderdate.gte('1993-10-01').and(t.o_orderdate.lt('1994-01-01')))
      .select('o_orderkey', 'o_custkey');
    const buyers = customer(flow, p.data).join(nation(flow, p.data), { on: { c_nationkey: 'n_nationkey' } });
    return lineitem(flow, p.data)
      .filter((t) => t.l_returnflag.eq('R'))
      .join(recent, { on: { l_orderkey: 'o_orderkey' } })
      .join(buyers, { on: { o_custkey: 'c_custkey' } })
      .rename({ o_custkey: 'c_custkey' })
      .groupBy('c_custkey', 'c_name', 'c_acctbal', 'c_phone', 'n_name', 'c_address', 'c_comment')
      .aggregate((t) => ({ revenue: net(t).sum() }))
      .orderBy(desc('revenue'))
      .limit(20)
      .select('c_custkey', 'c_name', 'revenue', 'c_acctbal', 'n_name', 'c_address', 'c_phone', 'c_comment');
  },
});
