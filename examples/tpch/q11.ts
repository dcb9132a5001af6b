/** Q11, important stock identification: parts that make up more than a fraction of what Germany has in stock. */
import { decimal, desc, job, Type } from 'sluice';
import { nation, params, partsupp, supplier } from './tables.ts';

export default job({
  name: 'tpch-q11',
  params: { ...params, fraction: Type.Number({ default: 0.0001, description: '0.0001 / scale factor' }) },
  build(flow, p) {
    const german = supplier(flow, p.data).join(
      nation(flow, p.data).filter((t) => t.n_name.eq('GERMANY')),
      { on: { s_nationkey: 'n_nationkey' }, how: 'semi' },
    );
    const stock = partsupp(flow, p.data)
      .join(german, { on: { ps_suppkey: 's_suppkey' }, how: 'semi' })
      .derive((t) => ({ worth: t.ps_supplycost.mul(t.ps_availqty.cast(decimal(10, 0))) }));
    const total = stock.aggregate((t) => ({ total: t.worth.sum() }));
    return stock
      .groupBy('ps_partkey')
      .aggregate((t) => ({ stock_value: t.worth.sum() }))
      .join(total, { how: 'cross' })
      .filter((t) => t.stock_value.gt(t.total.mul(p.fraction)))
      .select('ps_partkey', 'stock_value')
      .orderBy(desc('stock_value'));
  },
});
