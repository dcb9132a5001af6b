/** E4: all lines in the order of a unique key, over all files. */
import { date, decimal, int32, int64, job, parquet, schema, Type, utf8 } from 'sluice';

const money = decimal(15, 2);
const lineitem = schema({
  l_orderkey: int64(),
  l_partkey: int64(),
  l_suppkey: int64(),
  l_linenumber: int32(),
  l_quantity: money,
  l_extendedprice: money,
  l_discount: money,
  l_tax: money,
  l_returnflag: utf8(),
  l_linestatus: utf8(),
  l_shipdate: date(),
  l_commitdate: date(),
  l_receiptdate: date(),
  l_shipinstruct: utf8(),
  l_shipmode: utf8(),
  l_comment: utf8(),
});

export default job({
  name: 'e4',
  params: { lineitem: Type.String(), out: Type.String() },
  build(flow, p) {
    flow
      .read(parquet(p.lineitem, { schema: lineitem }), 'lineitem')
      .orderBy('l_shipdate', 'l_orderkey', 'l_linenumber')
      .write(parquet(p.out, { overwrite: true }), 'sorted');
  },
});
