/** Q2, minimum cost supplier: who in Europe sells parts of size 15 made of brass the cheapest. */
import { desc, job } from 'sluice';
import { nation, params, part, partsupp, region, supplier } from './tables.ts';

export default job({
  name: 'tpch-q02',
  params,
  build(flow, p) {
    const european = supplier(flow, p.data)
      .join(nation(flow, p.data), { on: { s_nationkey: 'n_nationkey' } })
      .join(
        region(flow, p.data).filter((t) => t.r_name.eq('EUROPE')),
        { on: { n_regionkey: 'r_regionkey' } },
      );
    const brass = part(flow, p.data)
      .filter((t) => t.p_size.eq(15).and(t.p_type.like('%BRASS')))
      .select('p_partkey', 'p_mfgr');
    const offers = partsupp(flow, p.data)
      .join(brass, { on: { ps_partkey: 'p_partkey' } })
      .join(european, { on: { ps_suppkey: 's_suppkey' } });
    const cheapest = offers.groupBy('ps_partkey').aggregate((t) => ({ ps_supplycost: t.ps_supplycost.min() }));
    return offers
      .join(cheapest, { on: ['ps_partkey', 'ps_supplycost'] })
      .orderBy(desc('s_acctbal'), 'n_name', 's_name', 'ps_partkey')
      .limit(100)
      .rename({ ps_partkey: 'p_partkey' })
      .select('s_acctbal', 's_name', 'n_name', 'p_partkey', 'p_mfgr', 's_address', 's_phone', 's_comment');
  },
});
