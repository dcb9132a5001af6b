/** Q17, small-quantity-order revenue: what would be lost a year without small orders of some parts. */
import { float64, job } from 'sluice';
import { lineitem, params, part } from './tables.ts';

export default job({
  name: 'tpch-q17',
  params,
  build(flow, p) {
    const boxes = part(flow, p.data).filter((t) => t.p_brand.eq('Brand#23').and(t.p_container.eq('MED BOX')));
    const lines = lineitem(flow, p.data).join(boxes, { on: { l_partkey: 'p_partkey' }, how: 'semi' });
    const usual = lines.groupBy('l_partkey').aggregate((t) => ({ mean: t.l_quantity.avg() }));
    return lines
      .join(usual, { on: 'l_partkey' })
      .filter((t) => t.l_quantity.cast(float64()).lt(t.mean.mul(0.2)))
      .aggregate((t) => ({ total: t.l_extendedprice.sum() }))
      .select((t) => ({ avg_yearly: t.total.div(7) }));
  },
});
