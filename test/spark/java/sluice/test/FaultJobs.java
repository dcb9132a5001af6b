package sluice.test;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import org.apache.spark.HashPartitioner;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import scala.Tuple2;

/** Jobs that stand still at gates, so that a fault comes at a known moment. `gates` is the folder of the gates. */
final class FaultJobs {
  /** Shuffles that one order made and a later one reads again. */
  private static final Map<String, JavaPairRDD<Integer, String>> KEPT = new ConcurrentHashMap<>();

  static Map<String, Job> all() {
    Map<String, Job> jobs = new TreeMap<>();
    jobs.put("gated", FaultJobs::gated);
    jobs.put("readKept", FaultJobs::readKept);
    jobs.put("indeterminate", FaultJobs::indeterminate);
    jobs.put("speculative", FaultJobs::speculative);
    jobs.put("forget", FaultJobs::forget);
    return jobs;
  }

  /** Passes records on and stands still after `at` of them. */
  private static <T> Iterator<T> gatedAt(Iterator<T> records, String gates, String name, int at) {
    return new Iterator<>() {
      private int seen;

      @Override
      public boolean hasNext() {
        if (seen == at) {
          seen++;
          Gate.pass(gates, name);
        }
        return records.hasNext();
      }

      @Override
      public T next() {
        seen++;
        return records.next();
      }
    };
  }

  /** Map `map` (none by default) stands still at the gate `map` after half of its records. */
  private static JavaPairRDD<Integer, String> shuffled(Context context) {
    String gates = context.text("gates", "");
    int maps = context.number("maps", 8);
    int records = context.number("records", 20_000);
    int gatedMap = context.number("map", -1);
    int at = context.number("mapAt", records / 2);
    return context.sc().parallelize(IntStream.range(0, maps).boxed().toList(), maps)
        .mapPartitionsToPair(slices -> {
          int slice = slices.next();
          Iterator<Tuple2<Integer, String>> pairs = RddJobs.pairsOf(slice, records, 1 << 20);
          return slice == gatedMap ? gatedAt(pairs, gates, "map", at) : pairs;
        })
        .partitionBy(new HashPartitioner(context.number("partitions", 6)));
  }

  /** The first `reduces` partitions (none by default) stand still at gates `reduce-N`: as many as there are slots keep the others unread. */
  private static List<String> read(Context context, JavaPairRDD<Integer, String> moved) {
    String gates = context.text("gates", "");
    int gated = context.number("reduces", 0);
    int at = context.number("reduceAt", 1000);
    JavaRDD<String> lines = moved.mapPartitionsWithIndex((partition, pairs) -> {
      Iterator<Tuple2<Integer, String>> records = partition < gated ? gatedAt(pairs, gates, "reduce-" + partition, at) : pairs;
      long count = 0;
      long sum = 0;
      while (records.hasNext()) {
        Tuple2<Integer, String> record = records.next();
        count++;
        sum += Digests.of(record._1() + "=" + record._2());
      }
      return List.of(partition + ":" + count + ":" + sum).iterator();
    }, false);
    return lines.collect();
  }

  private static List<String> gated(Context context) {
    JavaPairRDD<Integer, String> moved = shuffled(context);
    if (context.with().containsKey("keep")) KEPT.put(context.text("keep", ""), moved);
    return read(context, moved);
  }

  /** Reads what `gated` with keep made: Spark skips the maps when it holds their output for good. */
  private static List<String> readKept(Context context) {
    return read(context, KEPT.get(context.text("keep", "")));
  }

  private static List<String> forget(Context context) {
    KEPT.remove(context.text("keep", ""));
    return List.of();
  }

  /**
   * A round robin over what comes in any order: what a second run of its maps sends where is not what the first one did.
   * The stage that stands still is a map stage, which Spark can roll back.
   */
  private static List<String> indeterminate(Context context) {
    String gates = context.text("gates", "");
    JavaRDD<Tuple2<Integer, String>> dealt = shuffled(context).map(pair -> new Tuple2<>(pair._1(), pair._2())).repartition(5);
    JavaPairRDD<Integer, Long> counted = dealt.mapPartitionsToPair(pairs -> {
      boolean gated = TaskContext.getPartitionId() == 2;
      Iterator<Tuple2<Integer, String>> records = gated ? gatedAt(pairs, gates, "dealt", 1000) : pairs;
      Map<Integer, Long> sums = new HashMap<>();
      while (records.hasNext()) {
        Tuple2<Integer, String> record = records.next();
        sums.merge(record._1() % 100, Digests.of(record._1() + "=" + record._2()), Long::sum);
      }
      List<Tuple2<Integer, Long>> all = new ArrayList<>();
      sums.forEach((key, sum) -> all.add(new Tuple2<>(key, sum)));
      return all.iterator();
    });
    return RddJobs.sorted(counted.reduceByKey(Long::sum, 3).map(one -> String.valueOf(one)).collect());
  }

  /**
   * Map 0's first attempt stands still at its last record until its second attempt has come as far; then both write their end at
   * about the same time.
   */
  private static List<String> speculative(Context context) {
    String gates = context.text("gates", "");
    int records = 20_000;
    JavaPairRDD<Integer, String> moved = context.sc().parallelize(IntStream.range(0, 6).boxed().toList(), 6)
        .mapPartitionsToPair(slices -> {
          int slice = slices.next();
          Iterator<Tuple2<Integer, String>> pairs = RddJobs.pairsOf(slice, records, 1 << 20);
          if (slice != 0) return pairs;
          int attempt = TaskContext.get().attemptNumber();
          return gatedAt(pairs, gates, "attempt-" + attempt, records);
        })
        .partitionBy(new HashPartitioner(6));
    return read(context, moved);
  }

  private FaultJobs() {}
}
