"""One Spark application that lives as long as the bench: bench/spark.ts starts one for each shuffle it compares.

The first argument is JSON: settings of Spark, the folder of TPC-H data. Each line of stdin asks for one piece of work, each line
of file descriptor 3 answers it; the end of stdin ends the application. Only the work itself is timed, and an answer is hashed
without regard to the order of its rows. It measures nothing but wall time: CPU and memory are read from outside.
"""
import hashlib
import json
import os
import random
import sys
import time
import urllib.request

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

TABLES = "region nation supplier customer part partsupp orders lineitem".split()
SOURCE_BYTES = 1 << 20
PAYLOAD_BYTES = 100


def payload_source():
    """1 MiB of words; a row's payload is a window of it, so it is cheap to make and compresses about as well as text."""
    rnd = random.Random(42)
    words = ["".join(rnd.choices("etaoinshrdlucmfwyp", k=rnd.randint(2, 9))) for _ in range(4000)]
    text, size = [], 0
    while size < SOURCE_BYTES:
        word = words[int(len(words) * rnd.random() ** 2)]
        text.append(word)
        size += len(word) + 1
    return " ".join(text).encode()[:SOURCE_BYTES]


def pure(spark, ask):
    """Rows of 100 bytes and their number, repartitioned by it; counted and summed up on the other side."""
    start = (F.pmod(F.xxhash64("id"), F.lit(SOURCE_BYTES - PAYLOAD_BYTES)) + 1).cast("int")
    payload = F.substring(F.lit(bytearray(payload_source())), start, F.lit(PAYLOAD_BYTES)).alias("payload")
    rows = spark.range(0, ask["rows"], 1, ask["maps"]).select("id", payload)
    moved = rows.repartition(ask["partitions"], "id")
    return moved.agg(F.count("*"), F.bit_xor(F.xxhash64("id", "payload")))


def query(spark, ask):
    return spark.sql(ask["sql"])


def tiny(spark, ask):
    """As many maps as partitions, a few rows for each."""
    return spark.range(0, ask["rows"], 1, ask["partitions"]).repartition(ask["partitions"], "id").agg(F.count("*"), F.sum("id"))


WORK = {"pure": pure, "query": query, "tiny": tiny}


def timed(spark, ask):
    begin = time.perf_counter()
    rows = WORK[ask["do"]](spark, ask).collect()
    seconds = time.perf_counter() - begin
    answer = "\n".join(sorted(str(row) for row in rows))
    return {"seconds": seconds, "rows": len(rows), "answer": hashlib.sha256(answer.encode()).hexdigest()[:16]}


def settle(spark):
    """Lets Spark remove the shuffles that nobody can reach any more, so that it does not do so in somebody's time."""
    spark.sparkContext._jvm.System.gc()
    time.sleep(1)


def written(spark):
    """Bytes of shuffle data that the application's stages have written so far, as Spark counts them."""
    context = spark.sparkContext
    url = f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}/stages"
    return sum(stage["shuffleWriteBytes"] for stage in json.load(urllib.request.urlopen(url)))


def main():
    told = json.loads(sys.argv[1])
    builder = SparkSession.builder
    for key, value in told["conf"].items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    for table in TABLES:
        spark.read.parquet(f"{told['data']}/{table}.parquet").createOrReplaceTempView(table)
    with os.fdopen(3, "w") as answers:
        def say(answer):
            answers.write(json.dumps(answer) + "\n")
            answers.flush()

        say({"version": spark.version})
        for line in sys.stdin:
            ask = json.loads(line)
            if ask["do"] == "settle":
                settle(spark)
                say({})
            elif ask["do"] == "written":
                say({"bytes": written(spark)})
            else:
                say(timed(spark, ask))
        spark.stop()


main()
