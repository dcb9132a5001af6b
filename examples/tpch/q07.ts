/** Q7, volume shipping: what France and Germany sold to each other, by year. */
import { job } from 'sluice';
import { customer, lineitem, nation, net, orders, params, supplier } from './tables.ts';

export default job({
  name: 'tpch-q07',
  params,
  build(flow, p) {
    const countries = nation(flow, p.data)
      .filter((t) => t.n_name.in(['FRANCE', 'GERMANY']))
      .select('n_nationkey', 'n_name');
    const sellers = supplier(flow, p.data)
      .join(countries, { on: { s_nationkey: 'n_nationkey' } })
      .rename({ n_name: 'supp_nation' })
      .select('s_suppkey', 'supp_nation');
    const buyers = customer(flow, p.data)
      .join(countries, { on: { c_nationkey: 'n_nationkey' } })
      .rename({ n_name: 'cust_nation' })
      .select('c_custkey', 'cust_nation');
    const sales = orders(flow, p.data)
      .join(buyers, { on: { o_custkey: 'c_custkey' } })
      .select('o_orderkey', 'cust_nation');
    return lineitem(flow, p.data)
      .filter((t) => t.l_shipdate.between('1995-01-01', '1996-12-31'))
      .join(sellers, { on: { l_suppkey: 's_suppkey' } })
      .join(sales, { on: { l_orderkey: 'o_orderkey' } })
      .filter((t) => t.supp_nation.ne(t.cust_nation))
      .groupBy('supp_nation', 'cust_nation', (t) => ({ l_year: t.l_shipdate.year() }))
      .aggregate((t) => ({ revenue: net(t).sum() }))
      .orderBy('supp_nation', 'cust_nation', 'l_year');
  },
});
