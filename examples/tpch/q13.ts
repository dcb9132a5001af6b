/** Q13, customer distribution: how many customers have how many orders, special requests left out. */
import { count, desc, job } from 'sluice';
import { customer, orders, params } from './tables.ts';

export default job({
  name: 'tpch-q13',
  params,
  build(flow, p) {
    const usual = orders(flow, p.data).filter((t) => t.o_comment.like('%special%requests%').not());
    const perCustomer = usual.groupBy('o_custkey').aggregate(() => ({ c_count: count() }));
    return customer(flow, p.data)
      .join(perCustomer, { on: { c_custkey: 'o_custkey' }, how: 'left' })
      .groupBy((t) => ({ c_count: t.c_count.coalesce(0) }))
      .aggregate(() => ({ custdist: count() }))
      .orderBy(desc('custdist'), desc('c_count'));
  },
});
