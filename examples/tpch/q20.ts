/** Q20, potential part promotion: suppliers of Canada with much more of forest parts than a year's sales ask for. */
import { decimal, job } from 'sluice';
import { lineitem, nation, params, part, partsupp, supplier } from './tables.ts';

export default job({
  name: 'tpch-q20',
  params,
  build(flow, p) {
    const forest = part(flow, p.data).filter((t) => t.p_name.startsWith('forest'));
    const sold = lineitem(flow, p.data)
      .filter((t) => t.l_shipdate.gte('1994-01-01').and(t.l_shipdate.lt('1995-01-01')))
      .groupBy('l_partkey', 'l_suppkey')
      .aggregate((t) => ({ quantity: t.l_quantity.sum() }));
    const plenty = partsupp(flow, p.data)
      .join(forest, { on: { ps_partkey: 'p_partkey' }, how: 'semi' })
      .join(sold, { on: { ps_partkey: 'l_partkey', ps_suppkey: 'l_suppkey' } })
      .filter((t) => t.ps_availqty.cast(decimal(10, 0)).gt(t.quantity.mul(0.5)));
    const canadian = nation(flow, p.data).filter((t) => t.n_name.eq('CANADA'));
    return supplier(flow, p.data)
      .join(plenty, { on: { s_suppkey: 'ps_suppkey' }, how: 'semi' })
      .join(canadian, { on: { s_nationkey: 'n_nationkey' }, how: 'semi' })
      .select('s_name', 's_address')
      .orderBy('s_name');
  },
});
