"""One engine that `npm run bench -- etl` compares with: it lives as long as its stdin is open and does what each line of it asks for.

The first argument is JSON: the engine (duckdb, polars or spark), its threads, the folders of data and of the workloads' SQL. A line of
stdin is {"workload", "out"}, a line of file descriptor 3 says how long it took. The result lies at `out` afterwards: rows as one text file of
canonical fields (written outside of the time), tables as a folder of Parquet. CPU and memory are measured from outside.
"""
import decimal
import json
import os
import shutil
import sys
import time

TABLES = "region nation supplier customer part partsupp orders lineitem".split()
CSV_COLUMNS = ("l_orderkey bigint, l_partkey bigint, l_suppkey bigint, l_linenumber int, l_quantity decimal(15,2), "
               "l_extendedprice decimal(15,2), l_discount decimal(15,2), l_tax decimal(15,2), l_returnflag varchar, "
               "l_linestatus varchar, l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct varchar, "
               "l_shipmode varchar, l_comment varchar")
PLACES = decimal.Decimal("0.0001")
CONTEXT = decimal.Context(prec=60)


def field(value):
    """A value as digest.ts has it: numbers with a fraction by 4 places, half up, without trailing zeros."""
    if value is None:
        return "\\N"
    if isinstance(value, (float, decimal.Decimal)):
        text = format(decimal.Decimal(value).quantize(PLACES, rounding=decimal.ROUND_HALF_UP, context=CONTEXT), "f").rstrip("0").rstrip(".")
        return "0" if text in ("-0", "") else text
    return str(value)


def duckdb_engine(told, path):
    import duckdb
    db = duckdb.connect()
    db.execute(f"set threads = {told['threads']}")
    for table in TABLES + ["flights"]:
        db.execute(f"create view {table} as select * from read_parquet('{path(table)}')")
    if path("lineitem_csv"):
        names = ", ".join(f"'{c.split()[0]}': '{' '.join(c.split()[1:])}'" for c in CSV_COLUMNS.split(", "))
        db.execute(f"create view lineitem_csv as select * from read_csv('{path('lineitem_csv')}', header = true, columns = {{{names}}})")

    def once(name, sql, out, to_parquet):
        if not to_parquet:
            return db.execute(sql).fetchall()
        os.makedirs(out)
        db.execute(f"copy ({sql}) to '{out}/part-0.parquet' (format parquet, compression snappy)")
    return once


def polars_engine(told, path):
    os.environ["POLARS_MAX_THREADS"] = str(told["threads"])
    import polars as pl
    c = pl.col

    def scan(table):
        if table == "lineitem_csv":
            kinds = {"bigint": pl.Int64, "int": pl.Int32, "varchar": pl.String, "date": pl.Date, "decimal(15,2)": pl.Decimal(15, 2)}
            return pl.scan_csv(path(table), schema={x.split()[0]: kinds[x.split()[1]] for x in CSV_COLUMNS.split(", ")})
        return pl.scan_parquet(path(table))

    def flights(*keys):
        return (scan("flights").filter(c("delay").is_not_null()).group_by(*keys)
                .agg(pl.len().alias("n"), c("delay").mean().alias("mean_delay"), c("distance").max().alias("max_distance")))

    def wide(name):
        """Polars keeps the wider scale of two decimals when it multiplies them, so 2 x 2 places stay 2."""
        return c(name).cast(pl.Decimal(38, 6))
    net = wide("l_extendedprice") * (1 - wide("l_discount"))
    plans = {
        "e1a": lambda: flights("origin"),
        "e1b": lambda: flights("origin", "destination"),
        "e2": lambda: scan("lineitem").group_by("l_orderkey").agg(c("l_quantity").sum().alias("quantity"), pl.len().alias("n")),
        "e3": lambda: (scan("lineitem").join(scan("orders"), left_on="l_orderkey", right_on="o_orderkey")
                       .group_by("o_orderpriority", "l_shipmode").agg(pl.len().alias("n"), net.sum().alias("revenue"))),
        "e4": lambda: scan("lineitem").sort("l_shipdate", "l_orderkey", "l_linenumber"),
        "e5": lambda: (scan("lineitem_csv")
                       .filter((c("l_shipdate") >= pl.date(1995, 1, 1)) & (c("l_returnflag") != "R") & (c("l_quantity") > 10))
                       .select("l_orderkey", "l_linenumber", "l_shipmode", "l_shipdate",
                               (c("l_shipdate").dt.year() * 100 + c("l_shipdate").dt.month()).alias("ship_month"),
                               net.alias("net"), (net * (1 + wide("l_tax"))).alias("gross"), c("l_comment").str.to_uppercase().alias("remark"))),
    }
    tables = {table: scan(table) for table in TABLES}

    def once(name, sql, out, to_parquet):
        plan = plans[name]() if name in plans else pl.SQLContext(frames=tables).execute(sql)
        if not to_parquet:
            return plan.collect(engine="streaming").rows()
        os.makedirs(out)
        plan.sink_parquet(f"{out}/part-0.parquet", compression="snappy")
    return once


def spark_engine(told, path):
    from pyspark.sql import SparkSession
    builder = SparkSession.builder.master(f"local[{told['threads']}]")
    for key, value in told["conf"].items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    for table in TABLES + ["flights"]:
        spark.read.parquet(path(table)).createOrReplaceTempView(table)
    if path("lineitem_csv"):
        spark.read.csv(path("lineitem_csv"), header=True, schema=CSV_COLUMNS.replace("varchar", "string")).createOrReplaceTempView("lineitem_csv")

    def once(name, sql, out, to_parquet):
        frame = spark.sql(sql)
        if not to_parquet:
            return [tuple(row) for row in frame.collect()]
        frame.write.mode("overwrite").option("compression", "snappy").parquet(out)
    return once


ENGINES = {"duckdb": duckdb_engine, "polars": polars_engine, "spark": spark_engine}


def main():
    told = json.loads(sys.argv[1])
    once = ENGINES[told["engine"]](told, lambda table: told["data"].get(table, ""))
    with os.fdopen(3, "w") as answers:
        def say(answer):
            answers.write(json.dumps(answer) + "\n")
            answers.flush()

        say({"ready": True})
        for line in sys.stdin:
            ask = json.loads(line)
            name, out, sql = ask["workload"], ask["out"], told["sql"][ask["workload"]]
            to_parquet = "result: parquet" in sql
            shutil.rmtree(out, ignore_errors=True)
            begin = time.perf_counter()
            try:
                rows = once(name, sql, out, to_parquet)
            except Exception as error:
                say({"failed": f"{type(error).__name__}: {str(error)[:300]}"})
                continue
            seconds = time.perf_counter() - begin
            if rows is not None:
                os.makedirs(out)
                with open(f"{out}/rows.tsv", "w", encoding="utf-8", newline="\n") as file:
                    for row in rows:
                        file.write("\t".join(field(value) for value in row) + "\n")
            say({"seconds": seconds})


main()
