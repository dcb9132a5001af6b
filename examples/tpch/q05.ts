/** Q5, local supplier volume: what suppliers of Asia sold to customers of their own country in 1994. */
import { desc, job } from 'sluice';
import { customer, lineitem, nation, net, orders, params, region, supplier } from './tables.ts';

export default job({
  name: 'tpch-q05',
  params,
  build(flow, p) {
    const asian = nation(flow, p.data).join(
      region(flow, p.data).filter((t) => t.r_name.eq('ASIA')),
      { on: { n_regionkey: 'r_regionkey' }, how: 'semi' },
    );
    const suppliers = supplier(flow, p.data)
      .join(asian, { on: { s_nationkey: 'n_nationkey' } })
      .select('s_suppkey', 's_nationkey', 'n_name');
    const sales = orders(flow, p.data)
      .filter((t) => t.o_orderdate.gte('1994-01-01').and(t.o_orderdate.lt('1995-01-01')))
      .join(customer(flow, p.data), { on: { o_custkey: 'c_custkey' } })
      .select('o_orderkey', 'c_nationkey');
    return lineitem(flow, p.data)
      .join(sales, { on: { l_orderkey: 'o_orderkey' } })
      .join(suppliers, { on: { l_suppkey: 's_suppkey', c_nationkey: 's_nationkey' } })
      .groupBy('n_name')
      .aggregate((t) => ({ revenue: net(t).sum() }))
      .orderBy(desc('revenue'));
  },
});
