/**
 * The eight tables of TPC-H as `tpchgen-cli parquet` writes them, and what several queries say: the price after the discount. Each query beside this
 * file is a job of its own that reads them: `sluice run examples/tpch/q01.ts --param data=DIR`.
 */
import { type Decimal, date, decimal, type Flow, int32, int64, lit, type NumericExpr, parquet, schema, Type, utf8 } from 'sluice';

export const money = decimal(15, 2);

const declared = {
  region: schema({ r_regionkey: int64(), r_name: utf8() }),
  nation: schema({ n_nationkey: int64(), n_name: utf8(), n_regionkey: int64() }),
  supplier: schema({
    s_suppkey: int64(),
    s_name: utf8(),
    s_address: utf8(),
    s_nationkey: int64(),
    s_phone: utf8(),
    s_acctbal: money,
    s_comment: utf8(),
  }),
  customer: schema({
    c_custkey: int64(),
    c_name: utf8(),
    c_address: utf8(),
    c_nationkey: int64(),
    c_phone: utf8(),
    c_acctbal: money,
    c_mktsegment: utf8(),
    c_comment: utf8(),
  }),
  part: schema({
    p_partkey: int64(),
    p_name: utf8(),
    p_mfgr: utf8(),
    p_brand: utf8(),
    p_type: utf8(),
    p_size: int32(),
    p_container: utf8(),
    p_retailprice: money,
  }),
  partsupp: schema({ ps_partkey: int64(), ps_suppkey: int64(), ps_availqty: int32(), ps_supplycost: money }),
  orders: schema({
    o_orderkey: int64(),
    o_custkey: int64(),
    o_orderstatus: utf8(),
    o_totalprice: money,
    o_orderdate: date(),
    o_orderpriority: utf8(),
    o_shippriority: int32(),
    o_comment: utf8(),
  }),
  lineitem: schema({
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
  }),
};

/** The folder with a file per table. */
export const params = { data: Type.String({ default: 'tpch' }) };

export const region = (flow: Flow, data: string) => flow.read(parquet(`${data}/region.parquet`, { schema: declared.region }), 'region');
export const nation = (flow: Flow, data: string) => flow.read(parquet(`${data}/nation.parquet`, { schema: declared.nation }), 'nation');
export const supplier = (flow: Flow, data: string) => flow.read(parquet(`${data}/supplier.parquet`, { schema: declared.supplier }), 'supplier');
export const customer = (flow: Flow, data: string) => flow.read(parquet(`${data}/customer.parquet`, { schema: declared.customer }), 'customer');
export const part = (flow: Flow, data: string) => flow.read(parquet(`${data}/part.parquet`, { schema: declared.part }), 'part');
export const partsupp = (flow: Flow, data: string) => flow.read(parquet(`${data}/partsupp.parquet`, { schema: declared.partsupp }), 'partsupp');
export const orders = (flow: Flow, data: string) => flow.read(parquet(`${data}/orders.parquet`, { schema: declared.orders }), 'orders');
export const lineitem = (flow: Flow, data: string) => flow.read(parquet(`${data}/lineitem.parquet`, { schema: declared.lineitem }), 'lineitem');

/** What a line brings in: its price less the discount, exact to the last digit. */
export const net = (t: { readonly l_extendedprice: NumericExpr<Decimal>; readonly l_discount: NumericExpr<Decimal> }) =>
  t.l_extendedprice.mul(lit(1, money).sub(t.l_discount));
