/** E5: CSV to Parquet with a filter and computed columns; nothing is exchanged. */
import { csv, date, decimal, int32, int64, job, lit, parquet, schema, Type, utf8 } from 'sluice';

const money = decimal(15, 2);
const lineitem = schema({
  l_orderkey: int64(),
  l_linenumber: int32(),
  l_quantity: money,
  l_extendedprice: money,
  l_discount: money,
  l_tax: money,
  l_returnflag: utf8(),
  l_shipdate: date(),
  l_shipmode: utf8(),
  l_comment: utf8(),
});

export default job({
  name: 'e5',
  params: { lineitem: Type.String(), out: Type.String() },
  build(flow, p) {
    flow
      .read(csv(p.lineitem, { schema: lineitem }), 'lineitem')
      .filter((t) => t.l_shipdate.gte('1995-01-01').and(t.l_returnflag.ne('R')).and(t.l_quantity.gt(10)))
      .derive((t) => ({ net: t.l_extendedprice.mul(lit(1, money).sub(t.l_discount)) }))
      .select('l_orderkey', 'l_linenumber', 'l_shipmode', 'l_shipdate', (t) => ({
        ship_month: t.l_shipdate.year().mul(100).add(t.l_shipdate.month()),
        net: t.net,
        gross: t.net.mul(lit(1, money).add(t.l_tax)),
        remark: t.l_comment.upper(),
      }))
      .write(parquet(p.out, { overwrite: true }), 'lines');
  },
});
