/** Q19, discounted revenue: parts of three brands in some containers and quantities, sent by air and handed over in person. */
import { job } from 'sluice';
import { lineitem, net, params, part } from './tables.ts';

export default job({
  name: 'tpch-q19',
  params,
  build(flow, p) {
    const air = lineitem(flow, p.data).filter((t) => t.l_shipmode.in(['AIR', 'AIR REG']).and(t.l_shipinstruct.eq('DELIVER IN PERSON')));
    return air
      .join(part(flow, p.data), { on: { l_partkey: 'p_partkey' } })
      .filter((t) => {
        const of = (brand: string, size: 'SM' | 'MED' | 'LG', containers: readonly string[], least: number, largest: number) =>
          t.p_brand
            .eq(brand)
            .and(t.p_container.in(containers.map((container) => `${size} ${container}`)))
            .and(t.l_quantity.between(least, least + 10))
            .and(t.p_size.between(1, largest));
        return of('Brand#12', 'SM', ['CASE', 'BOX', 'PACK', 'PKG'], 1, 5)
          .or(of('Brand#23', 'MED', ['BAG', 'BOX', 'PKG', 'PACK'], 10, 10))
          .or(of('Brand#34', 'LG', ['CASE', 'BOX', 'PACK', 'PKG'], 20, 15));
      })
      .aggregate((t) => ({ revenue: net(t).sum() }));
  },
});
