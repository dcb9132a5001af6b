/** Q16, parts and suppliers: how many suppliers without complaints offer parts of some sizes, by brand, type and size. */
import { desc, job } from 'sluice';
import { params, part, partsupp, supplier } from './tables.ts';

export default job({
  name: 'tpch-q16',
  params,
  build(flow, p) {
    const wanted = part(flow, p.data)
      .filter((t) => t.p_brand.ne('Brand#45').and(t.p_type.startsWith('MEDIUM POLISHED').not()))
      .filter((t) => t.p_size.in([49, 14, 23, 45, 19, 3, 36, 9]));
    const complained = supplier(flow, p.data).filter((t) => t.s_comment.like('%Customer%Complaints%'));
    return partsupp(flow, p.data)
      .join(complained, { on: { ps_suppkey: 's_suppkey' }, how: 'anti' })
      .join(wanted, { on: { ps_partkey: 'p_partkey' } })
      .groupBy('p_brand', 'p_type', 'p_size')
      .aggregate((t) => ({ supplier_cnt: t.ps_suppkey.countDistinct() }))
      .orderBy(desc('supplier_cnt'), 'p_brand', 'p_type', 'p_size');
  },
});
