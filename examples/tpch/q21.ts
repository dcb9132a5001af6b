/** Q21, suppliers who kept orders waiting: the only ones who were late with an order of several suppliers. */
import { count, desc, job } from 'sluice';
import { lineitem, nation, orders, params, supplier } from './tables.ts';

export default job({
  name: 'tpch-q21',
  params,
  build(flow, p) {
    const lines = lineitem(flow, p.data).select('l_orderkey', 'l_suppkey', (t) => ({ late: t.l_receiptdate.gt(t.l_commitdate) }));
    // An order has another supplier, and no other late one: several in all, one of them late.
    const kept = lines
      .groupBy('l_orderkey')
      .aggregate((t) => ({ suppliers: t.l_suppkey.countDistinct(), late: t.l_suppkey.countDistinct().filter(t.late) }))
      .filter((t) => t.suppliers.gt(1).and(t.late.eq(1)));
    const failed = orders(flow, p.data).filter((t) => t.o_orderstatus.eq('F'));
    const saudi = supplier(flow, p.data)
      .join(
        nation(flow, p.data).filter((t) => t.n_name.eq('SAUDI ARABIA')),
        { on: { s_nationkey: 'n_nationkey' }, how: 'semi' },
      )
      .select('s_suppkey', 's_name');
    return lines
      .filter((t) => t.late)
      .join(saudi, { on: { l_suppkey: 's_suppkey' } })
      .join(kept, { on: 'l_orderkey', how: 'semi' })
      .join(failed, { on: { l_orderkey: 'o_orderkey' }, how: 'semi' })
      .groupBy('s_name')
      .aggregate(() => ({ numwait: count() }))
      .orderBy(desc('numwait'), 's_name')
      .limit(100);
  },
});
