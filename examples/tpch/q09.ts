/** Q9, product type profit measure: what green parts have brought in, by country and year. */
import { desc, job } from 'sluice';
import { lineitem, nation, net, orders, params, part, partsupp, supplier } from './tables.ts';

export default job({
  name: 'tpch-q09',
  params,
  build(flow, p) {
    const green = part(flow, p.data).filter((t) => t.p_name.includes('green'));
    const sellers = supplier(flow, p.data)
      .join(nation(flow, p.data), { on: { s_nationkey: 'n_nationkey' } })
      .select('s_suppkey', 'n_name');
    return lineitem(flow, p.data)
      .join(green, { on: { l_partkey: 'p_partkey' }, how: 'semi' })
      .join(partsupp(flow, p.data), { on: { l_partkey: 'ps_partkey', l_suppkey: 'ps_suppkey' } })
      .join(sellers, { on: { l_suppkey: 's_suppkey' } })
      .join(orders(flow, p.data), { on: { l_orderkey: 'o_orderkey' } })
      .derive((t) => ({ amount: net(t).sub(t.ps_supplycost.mul(t.l_quantity)) }))
      .groupBy((t) => ({ nation: t.n_name, o_year: t.o_orderdate.year() }))
      .aggregate((t) => ({ sum_profit: t.amount.sum() }))
      .orderBy('nation', desc('o_year'));
  },
});
