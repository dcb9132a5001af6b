/** The job that whole runs play: no file, and five exchanges, so that most stages have several tasks. Its module is loaded as any other. */
import { count, int32, int64, job, schema, Type, utf8 } from 'sluice';

const sales = schema({ item: int32(), shop: int32(), amount: int64() });
const shops = schema({ shop: int32(), town: utf8() });

export default job({
  name: 'chained',
  params: { rows: Type.Integer({ default: 500 }), shops: Type.Integer({ default: 20 }) },
  build(flow, p) {
    const sold = flow.rows(
      sales,
      Array.from({ length: p.rows }, (_, i) => ({ item: (i * 7919) % 97, shop: (i * 31) % (p.shops + 2), amount: BigInt(i % 1000) })),
    );
    const known = flow.rows(
      shops,
      Array.from({ length: p.shops }, (_, i) => ({ shop: i, town: `town ${i % 7}` })),
    );
    return sold
      .groupBy('item', 'shop')
      .aggregate((t) => ({ times: count(), amount: t.amount.sum() }))
      .join(known, { on: 'shop', how: 'left' })
      .groupBy('town', 'item')
      .aggregate((t) => ({ times: t.times.sum(), amount: t.amount.sum() }))
      .orderBy('town', 'item');
  },
});
