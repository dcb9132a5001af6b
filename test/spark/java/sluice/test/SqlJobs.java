package sluice.test;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.expr;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** Jobs in SQL: TPC-H, and plans that adaptive execution changes while they run. Facts carry the plan that was carried out. */
final class SqlJobs {
  static Map<String, Job> all() {
    Map<String, Job> jobs = new TreeMap<>();
    jobs.put("query", SqlJobs::query);
    jobs.put("skewJoin", SqlJobs::skewJoin);
    jobs.put("coalesced", SqlJobs::coalesced);
    jobs.put("localReader", SqlJobs::localReader);
    jobs.put("rebalance", SqlJobs::rebalance);
    jobs.put("types", SqlJobs::types);
    jobs.put("windows", SqlJobs::windows);
    jobs.put("globalSort", SqlJobs::globalSort);
    jobs.put("roundRobin", SqlJobs::roundRobin);
    jobs.put("bigStrings", SqlJobs::bigStrings);
    jobs.put("scalar", SqlJobs::scalar);
    return jobs;
  }

  /** Runs with settings of the session that hold for this job only. */
  private static List<String> with(Context context, Map<String, String> settings, Job job) throws Exception {
    SparkSession spark = context.spark();
    Map<String, String> before = new HashMap<>();
    for (String key : settings.keySet()) before.put(key, spark.conf().getOption(key).isDefined() ? spark.conf().get(key) : "");
    settings.forEach((key, value) -> spark.conf().set(key, value));
    try {
      List<String> lines = new ArrayList<>();
      for (Object line : job.run(context)) lines.add(String.valueOf(line));
      return lines;
    } finally {
      before.forEach((key, value) -> {
        if (value.isEmpty()) spark.conf().unset(key);
        else spark.conf().set(key, value);
      });
    }
  }

  private static List<String> collect(Context context, Dataset<Row> rows, boolean ordered) {
    List<String> lines = new ArrayList<>();
    for (Row row : rows.collectAsList()) lines.add(row.mkString("|"));
    context.facts().put("plan", rows.queryExecution().executedPlan().toString());
    return ordered ? lines : RddJobs.sorted(lines);
  }

  /** One statement of a file in which each follows a line `-- N name`, over the Parquet tables of a folder. */
  private static List<String> query(Context context) throws Exception {
    String data = context.text("data", "");
    String wanted = context.text("query", "1");
    SparkSession spark = context.spark();
    for (String table : new String[] {"region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"})
      if (!spark.catalog().tableExists(table)) spark.read().parquet(data + "/" + table + ".parquet").createOrReplaceTempView(table);
    StringBuilder statement = new StringBuilder();
    boolean inside = false;
    for (String line : Files.readAllLines(Path.of(context.text("file", "")))) {
      if (line.startsWith("-- ")) inside = line.startsWith("-- " + wanted + " ");
      else if (inside) statement.append(line).append('\n');
    }
    Map<String, String> settings = new HashMap<>();
    context.with().forEach((key, value) -> {
      if (key.startsWith("spark.")) settings.put(key, value);
    });
    // All of the 22 with more than one row say their order, and it is a total one on this data.
    return with(context, settings, inner -> collect(inner, spark.sql(statement.toString()), true));
  }

  private static Dataset<Row> skewed(Context context) {
    // One key has nearly half of the rows.
    return context.spark().range(0, context.number("rows", 240_000), 1, 6)
        .select(expr("if(id % 2 = 0, 7, cast(xxhash64(id) % 1000 as int)) as k"), expr("id as v"), expr("md5(cast(id as string)) as pad"));
  }

  private static List<String> skewJoin(Context context) throws Exception {
    Map<String, String> settings = Map.of(
        "spark.sql.adaptive.enabled", "true",
        "spark.sql.shuffle.partitions", context.text("partitions", "16"),
        "spark.sql.autoBroadcastJoinThreshold", "-1",
        "spark.sql.adaptive.autoBroadcastJoinThreshold", "-1",
        "spark.sql.adaptive.skewJoin.skewedPartitionThresholdInBytes", "256k",
        "spark.sql.adaptive.skewJoin.skewedPartitionFactor", "2",
        "spark.sql.adaptive.advisoryPartitionSizeInBytes", "512k");
    return with(context, settings, inner -> {
      Dataset<Row> right = context.spark().range(0, 1000, 1, 3).select(expr("cast(id as int) as k"), expr("id * 3 as w"));
      Dataset<Row> joined = skewed(context).join(right, "k");
      // By another key: a split that made one more shuffle necessary is none that Spark makes.
      Dataset<Row> rows = joined.groupBy(expr("v % 50 g")).agg(expr("count(*) n"), expr("sum(v) s"), expr("sum(w) w"), expr("bit_xor(xxhash64(k, v, pad, w)) x"));
      return collect(inner, rows, false);
    });
  }

  private static List<String> coalesced(Context context) throws Exception {
    Map<String, String> settings = Map.of("spark.sql.adaptive.enabled", "true", "spark.sql.shuffle.partitions", "64");
    return with(context, settings, inner -> collect(inner, skewed(context).groupBy("k").agg(expr("count(*) n"), expr("bit_xor(xxhash64(v, pad)) x")), false));
  }

  /** Spark's local reader asks for ranges of maps; switched on by hand here, since the plug-in switches it off. */
  private static List<String> localReader(Context context) throws Exception {
    Map<String, String> settings = Map.of(
        "spark.sql.adaptive.enabled", "true",
        "spark.sql.shuffle.partitions", "8",
        "spark.sql.adaptive.localShuffleReader.enabled", context.text("enabled", "true"),
        "spark.sql.autoBroadcastJoinThreshold", "-1",
        "spark.sql.adaptive.autoBroadcastJoinThreshold", "10m");
    return with(context, settings, inner -> {
      Dataset<Row> few = context.spark().range(0, 4000, 1, 3).select(expr("cast(id as int) as k"), expr("id * 3 as w")).where("w % 2 = 0");
      return collect(inner, skewed(context).join(few, "k").selectExpr("k", "v", "w").where("v % 97 = 0"), false);
    });
  }

  private static List<String> rebalance(Context context) throws Exception {
    Map<String, String> settings = Map.of(
        "spark.sql.adaptive.enabled", "true", "spark.sql.shuffle.partitions", "12", "spark.sql.adaptive.advisoryPartitionSizeInBytes", "256k");
    return with(context, settings, inner -> {
      Dataset<Row> rows = skewed(context).hint("rebalance", col("k"));
      long[] sums = {0, 0};
      Dataset<Row> sum = rows.selectExpr("xxhash64(k, v, pad) h");
      List<String> lines = new ArrayList<>();
      for (Row row : sum.collectAsList()) {
        sums[0]++;
        sums[1] += Digests.mix(row.getLong(0));
      }
      inner.facts().put("plan", sum.queryExecution().executedPlan().toString());
      lines.add(sums[0] + ":" + sums[1]);
      return lines;
    });
  }

  private static List<String> types(Context context) {
    Dataset<Row> rows = context.spark().range(0, 20_000, 1, 5).selectExpr(
        "id", "if(id % 11 = 0, null, id) as n", "cast(id / 7 as decimal(38, 10)) as d", "cast(id as string) as s",
        "array(id, null, id * 2) as a", "map(cast(id as string), array(id)) as m", "named_struct('x', id, 'y', named_struct('z', 'deep')) as t",
        "unhex(md5(cast(id as string))) as b", "date_add(date '2000-01-01', cast(id % 1000 as int)) as day", "timestamp_seconds(id) as ts",
        "id % 2 = 0 as even", "cast(id as float) as f", "sqrt(id) as q", "repeat('x', cast(id % 300 as int)) as r");
    return collect(context, rows.repartition(9, col("s")).selectExpr(
        "id", "n", "d", "s", "a", "to_json(m)", "t", "hex(b)", "day", "date_format(ts, 'yyyy-MM-dd HH:mm:ss')", "even", "f", "q", "length(r)"), false);
  }

  private static List<String> windows(Context context) {
    skewed(context).createOrReplaceTempView("skewed");
    return collect(context, context.spark().sql(
        "select k, n, r, s from (select k, count(*) n, rank() over (order by count(*) desc, k) r, sum(count(distinct v)) over (partition by k % 7) s "
            + "from skewed where v < 100000 group by rollup(k)) where r < 500"), false);
  }

  private static List<String> globalSort(Context context) {
    return collect(context, skewed(context).orderBy(col("pad").desc()).selectExpr("pad", "k").limit(120_000), true);
  }

  private static List<String> roundRobin(Context context) {
    return collect(context, skewed(context).repartition(context.number("partitions", 201)).selectExpr("count(*)", "sum(xxhash64(k, v, pad) % 1000000007)"), true);
  }

  private static List<String> bigStrings(Context context) {
    Dataset<Row> rows = context.spark().range(0, 10, 1, 2).selectExpr("id", "repeat(sha2(cast(id as string), 512), 80000) as text");
    return collect(context, rows.repartition(3, col("id")).selectExpr("id", "length(text)", "md5(text)"), false);
  }

  private static List<String> scalar(Context context) {
    return collect(context, context.spark().sql("select count(distinct id % 1000) a, sum(id) b from range(100000)"), true);
  }

  private SqlJobs() {}
}
