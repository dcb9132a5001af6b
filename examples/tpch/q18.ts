/** Q18, large volume customer: the hundred most expensive orders of more than 300 pieces. */
import { desc, job } from 'sluice';
import { customer, lineitem, orders, params } from './tables.ts';

export default job({
  name: 'tpch-q18',
  params,
  build(flow, p) {
    const lines = lineitem(flow, p.data);
    const large = lines
      .groupBy('l_orderkey')
      .aggregate((t) => ({ quantity: t.l_quantity.sum() }))
      .filter((t) => t.quantity.gt(300));
    return orders(flow, p.data)
      .join(large, { on: { o_orderkey: 'l_orderkey' } })
      .join(customer(flow, p.data), { on: { o_custkey: 'c_custkey' } })
      .orderBy(desc('o_totalprice'), 'o_orderdate')
      .limit(100)
      .rename({ o_custkey: 'c_custkey' })
      .select('c_name', 'c_custkey', 'o_orderkey', 'o_orderdate', 'o_totalprice', 'quantity');
  },
});
