"""A PySpark program that needs nothing but the jar: RDDs of Python objects, data frames, SQL. It checks its own answers and says so."""
from operator import add

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.builder.getOrCreate()
sc = spark.sparkContext
sc.setLogLevel("WARN")

numbers = range(20_000)
pairs = sc.parallelize(numbers, 6).map(lambda n: (n % 101, {"n": n, "text": "x" * (n % 7)}))
grouped = {key: sum(one["n"] for one in values) for key, values in pairs.groupByKey(5).collect()}
assert grouped == {key: sum(range(key, 20_000, 101)) for key in range(101)}, "groupByKey"

summed = dict(pairs.mapValues(lambda one: len(one["text"])).reduceByKey(add, 4).collect())
assert sum(summed.values()) == sum(n % 7 for n in numbers), "reduceByKey"

ordered = sc.parallelize(numbers, 4).map(lambda n: ((n * 7919) % 20_011, n)).sortByKey(numPartitions=5).keys().collect()
assert ordered == sorted((n * 7919) % 20_011 for n in numbers), "sortByKey"

assert sorted(sc.parallelize(numbers, 3).repartition(7).collect()) == list(numbers), "repartition"

frame = spark.range(0, 50_000, 1, 4).select("id", (F.col("id") % 13).alias("k"))
totals = {row.k: row.total for row in frame.groupBy("k").agg(F.sum("id").alias("total")).collect()}
assert totals == {k: sum(range(k, 50_000, 13)) for k in range(13)}, "groupBy"

joined = frame.repartition(9, "k").join(frame.groupBy("k").count(), "k").count()
assert joined == 50_000, "join"
print("ANSWERS RIGHT", sc.getConf().get("spark.shuffle.manager", "its own"))
spark.stop()
