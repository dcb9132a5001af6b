/** Q8, national market share: Brazil's part of what America bought of one type of steel, by year. */
import { job, when } from 'sluice';
import { customer, lineitem, nation, net, orders, params, part, region, supplier } from './tables.ts';

export default job({
  name: 'tpch-q08',
  params,
  build(flow, p) {
    const countries = nation(flow, p.data);
    const american = countries
      .join(
        region(flow, p.data).filter((t) => t.r_name.eq('AMERICA')),
        { on: { n_regionkey: 'r_regionkey' }, how: 'semi' },
      )
      .select('n_nationkey');
    const buyers = customer(flow, p.data).join(american, { on: { c_nationkey: 'n_nationkey' }, how: 'semi' });
    const sales = orders(flow, p.data)
      .filter((t) => t.o_orderdate.between('1995-01-01', '1996-12-31'))
      .join(buyers, { on: { o_custkey: 'c_custkey' }, how: 'semi' })
      .select('o_orderkey', 'o_orderdate');
    const sellers = supplier(flow, p.data)
      .join(countries, { on: { s_nationkey: 'n_nationkey' } })
      .select('s_suppkey', 'n_name');
    const steel = part(flow, p.data).filter((t) => t.p_type.eq('ECONOMY ANODIZED STEEL'));
    return lineitem(flow, p.data)
      .join(steel, { on: { l_partkey: 'p_partkey' }, how: 'semi' })
      .join(sales, { on: { l_orderkey: 'o_orderkey' } })
      .join(sellers, { on: { l_suppkey: 's_suppkey' } })
      .derive((t) => ({ volume: net(t) }))
      .groupBy((t) => ({ o_year: t.o_orderdate.year() }))
      .aggregate((t) => ({ brazil: when(t.n_name.eq('BRAZIL'), t.volume).otherwise(0).sum(), total: t.volume.sum() }))
      .select('o_year', (t) => ({ mkt_share: t.brazil.div(t.total) }))
      .orderBy('o_year');
  },
});
