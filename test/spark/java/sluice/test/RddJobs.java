package sluice.test;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.apache.spark.HashPartitioner;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import scala.Tuple2;

/** Jobs on RDDs: one per way in which records are moved, grouped, combined or ordered. */
final class RddJobs {
  static Map<String, Job> all() {
    Map<String, Job> jobs = new TreeMap<>();
    jobs.put("groupByKey", RddJobs::groupByKey);
    jobs.put("cogroup", RddJobs::cogroup);
    jobs.put("join", RddJobs::join);
    jobs.put("sortByKey", RddJobs::sortByKey);
    jobs.put("sortWithin", RddJobs::sortWithin);
    jobs.put("repartition", RddJobs::repartition);
    jobs.put("distinct", RddJobs::distinct);
    jobs.put("reduceByKey", RddJobs::reduceByKey);
    jobs.put("combineLate", RddJobs::combineLate);
    jobs.put("zeroBlocks", RddJobs::zeroBlocks);
    jobs.put("bigRecords", RddJobs::bigRecords);
    jobs.put("hugeRecord", RddJobs::hugeRecord);
    jobs.put("orderedKeys", RddJobs::orderedKeys);
    jobs.put("nullKeys", RddJobs::nullKeys);
    jobs.put("subtract", RddJobs::subtract);
    jobs.put("sameTwice", RddJobs::sameTwice);
    jobs.put("manyMaps", RddJobs::manyMaps);
    jobs.put("chain", RddJobs::chain);
    jobs.put("takeFew", RddJobs::takeFew);
    jobs.put("empty", RddJobs::empty);
    jobs.put("tiny", RddJobs::tiny);
    return jobs;
  }

  /** Pairs made in the executors: some keys are common, some seen once. */
  static JavaPairRDD<Integer, String> pairs(JavaSparkContext sc, int slices, int perSlice, int keys) {
    return sc.parallelize(IntStream.range(0, slices).boxed().toList(), slices).flatMapToPair(slice -> pairsOf(slice, perSlice, keys));
  }

  static Iterator<Tuple2<Integer, String>> pairsOf(int slice, int count, int keys) {
    SplittableRandom random = new SplittableRandom(slice * 7919L + 1);
    return new Iterator<>() {
      private int made;

      @Override
      public boolean hasNext() {
        return made < count;
      }

      @Override
      public Tuple2<Integer, String> next() {
        double where = random.nextDouble();
        int key = (int) (where * where * keys);
        return new Tuple2<>(key, "value-" + slice + '-' + made++ + "-" + Long.toHexString(random.nextLong()));
      }
    };
  }

  static List<String> sorted(List<String> lines) {
    List<String> copy = new ArrayList<>(lines);
    copy.sort(null);
    return copy;
  }

  private static String summary(Iterable<String> values) {
    long count = 0;
    long sum = 0;
    for (String value : values) {
      count++;
      sum += Digests.of(value);
    }
    return count + ":" + Long.toHexString(sum);
  }

  private static List<String> groupByKey(Context context) {
    JavaPairRDD<Integer, String> pairs = pairs(context.sc(), 6, context.number("records", 20_000), 3000);
    return sorted(pairs.groupByKey(context.number("partitions", 7)).map(group -> group._1() + "=" + summary(group._2())).collect());
  }

  private static List<String> cogroup(Context context) {
    JavaPairRDD<Integer, String> left = pairs(context.sc(), 4, 5000, 2000);
    JavaPairRDD<Integer, String> right = pairs(context.sc(), 3, 4000, 2500).mapValues(value -> "r" + value);
    return sorted(left.cogroup(right, 5).map(group -> group._1() + "=" + summary(group._2()._1()) + "/" + summary(group._2()._2())).collect());
  }

  private static List<String> join(Context context) {
    JavaPairRDD<Integer, String> left = pairs(context.sc(), 4, 3000, 4000);
    JavaPairRDD<Integer, String> right = pairs(context.sc(), 3, 2000, 5000);
    return sorted(left.leftOuterJoin(right, 6).map(both -> both._1() + "=" + both._2()._1() + "/" + both._2()._2().orElse("-")).collect());
  }

  private static List<String> sortByKey(Context context) {
    JavaPairRDD<String, Integer> pairs = pairs(context.sc(), 5, 8000, 1 << 30).mapToPair(pair -> new Tuple2<>(pair._2(), pair._1()));
    List<String> up = pairs.sortByKey(true, 9).map(pair -> pair._1() + "=" + pair._2()).collect();
    List<String> down = pairs.sortByKey(false, 4).map(pair -> pair._1() + "=" + pair._2()).collect();
    List<String> lines = new ArrayList<>(up);
    lines.addAll(down);
    return lines;
  }

  private static List<String> sortWithin(Context context) {
    JavaPairRDD<String, Integer> pairs = pairs(context.sc(), 5, 5000, 1 << 30).mapToPair(pair -> new Tuple2<>(pair._2(), pair._1()));
    return pairs.repartitionAndSortWithinPartitions(new HashPartitioner(13))
        .mapPartitionsWithIndex((partition, records) -> {
          List<String> lines = new ArrayList<>();
          while (records.hasNext()) lines.add(partition + ":" + records.next()._1());
          return lines.iterator();
        }, false)
        .collect();
  }

  private static List<String> repartition(Context context) {
    JavaRDD<String> values = pairs(context.sc(), 4, 10_000, 100).values();
    JavaRDD<String> moved = values.repartition(17);
    // Round robin: which partition a record goes to is nobody's promise; that all are used and nothing is lost is.
    List<Integer> sizes = moved.glom().map(List::size).collect();
    context.facts().put("smallest", sizes.stream().mapToInt(Integer::intValue).min().orElse(0));
    List<String> lines = new ArrayList<>(sorted(moved.collect()));
    lines.addAll(sorted(values.coalesce(2, true).collect()));
    lines.add(String.valueOf(moved.getNumPartitions()));
    return lines;
  }

  private static List<String> distinct(Context context) {
    return sorted(pairs(context.sc(), 6, 20_000, 5000).keys().distinct(11).map(one -> String.valueOf(one)).collect());
  }

  private static List<String> reduceByKey(Context context) {
    JavaPairRDD<Integer, String> pairs = pairs(context.sc(), 6, 20_000, 1000);
    return sorted(pairs.mapValues(Digests::of).reduceByKey(Long::sum, 8).map(pair -> pair._1() + "=" + pair._2()).collect());
  }

  private static List<String> combineLate(Context context) {
    JavaPairRDD<Integer, String> pairs = pairs(context.sc(), 4, 10_000, 1000);
    JavaPairRDD<Integer, Long> combined = pairs.combineByKey(
        Digests::of, (sum, value) -> sum + Digests.of(value), Long::sum, new HashPartitioner(5), false, null);
    return sorted(combined.map(pair -> pair._1() + "=" + pair._2()).collect());
  }

  private static List<String> zeroBlocks(Context context) {
    JavaRDD<Integer> four = context.sc().parallelize(List.of(1, 2, 3, 4), 201);
    JavaPairRDD<Integer, Integer> moved = four.mapToPair(one -> new Tuple2<>(one * 31, one)).partitionBy(new HashPartitioner(201));
    return moved.mapPartitionsWithIndex((partition, records) -> {
      List<String> lines = new ArrayList<>();
      while (records.hasNext()) lines.add(partition + ":" + records.next());
      return lines.iterator();
    }, false).collect();
  }

  /** Values of so many bytes: every second one is noise, the others compress to nearly nothing. */
  private static List<String> large(Context context, int records, int bytes) {
    JavaPairRDD<Integer, byte[]> values = context.sc().parallelize(IntStream.range(0, records).boxed().toList(), 3).mapToPair(i -> {
      byte[] value = new byte[bytes + i];
      SplittableRandom random = new SplittableRandom(i);
      if (i % 2 == 0) random.nextBytes(value);
      else Arrays.fill(value, (byte) i.intValue());
      return new Tuple2<>(i, value);
    });
    return sorted(values.partitionBy(new HashPartitioner(4)).map(pair -> pair._1() + ":" + pair._2().length + ":" + Digests.of(pair._2())).collect());
  }

  private static List<String> bigRecords(Context context) {
    return large(context, context.number("records", 6), 10_000_000);
  }

  private static List<String> hugeRecord(Context context) {
    return large(context, 2, 40_000_000);
  }

  /** A key whose order is not that of its hash, its text or its fields. No record: Spark's Kryo cannot make one. */
  static final class Version implements Comparable<Version>, Serializable {
    private int major;
    private int minor;

    private Version() {}

    Version(int major, int minor) {
      this.major = major;
      this.minor = minor;
    }

    @Override
    public int compareTo(Version other) {
      return major != other.major ? Integer.compare(other.major, major) : Integer.compare(minor, other.minor);
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof Version that && compareTo(that) == 0;
    }

    @Override
    public int hashCode() {
      return 31 * major + minor;
    }

    @Override
    public String toString() {
      return major + "." + minor;
    }
  }

  private static List<String> orderedKeys(Context context) {
    JavaPairRDD<Version, Integer> pairs = pairs(context.sc(), 5, 4000, 1000)
        .mapToPair(pair -> new Tuple2<>(new Version(pair._1() % 17, pair._1() / 17), 1));
    List<String> lines = new ArrayList<>(pairs.reduceByKey(Integer::sum, 4).sortByKey(true, 6).map(one -> String.valueOf(one)).collect());
    lines.addAll(pairs.distinct().repartitionAndSortWithinPartitions(new HashPartitioner(3)).map(one -> String.valueOf(one)).collect());
    return lines;
  }

  private static List<String> nullKeys(Context context) {
    JavaPairRDD<Integer, String> pairs = pairs(context.sc(), 3, 2000, 50)
        .mapToPair(pair -> new Tuple2<>(pair._1() % 5 == 0 ? null : pair._1(), pair._1() % 7 == 0 ? null : pair._2()));
    return sorted(pairs.groupByKey(4).map(group -> {
      List<String> values = new ArrayList<>();
      for (String value : group._2()) values.add(String.valueOf(value));
      return group._1() + "=" + summary(values);
    }).collect());
  }

  private static List<String> subtract(Context context) {
    JavaPairRDD<Integer, String> left = pairs(context.sc(), 4, 4000, 3000);
    JavaPairRDD<Integer, String> right = pairs(context.sc(), 2, 500, 3000);
    return sorted(left.subtractByKey(right, new HashPartitioner(6)).map(one -> String.valueOf(one)).collect());
  }

  /** One shuffle read by two actions and twice in one stage: its maps run once. */
  private static List<String> sameTwice(Context context) {
    JavaPairRDD<Integer, String> moved = pairs(context.sc(), 5, 4000, 500).partitionBy(new HashPartitioner(6));
    List<String> lines = new ArrayList<>();
    lines.add(String.valueOf(moved.count()));
    lines.addAll(sorted(moved.join(moved.filter(pair -> pair._2().endsWith("0"))).map(one -> String.valueOf(one)).collect()));
    return lines;
  }

  private static List<String> manyMaps(Context context) {
    return sorted(pairs(context.sc(), 220, 100, 700).groupByKey(5).map(group -> group._1() + "=" + summary(group._2())).collect());
  }

  private static List<String> chain(Context context) {
    JavaPairRDD<Integer, Long> now = pairs(context.sc(), 4, 2000, 1 << 20).mapValues(Digests::of);
    for (int i = 0; i < 8; i++) {
      int step = i;
      now = now.mapToPair(pair -> new Tuple2<>((int) (Digests.mix(pair._1() + step) & 0xfffff), pair._2() + step)).reduceByKey(Long::sum, 3 + i % 3);
    }
    return sorted(now.map(one -> String.valueOf(one)).collect());
  }

  /** Readers that are not read to their end. */
  private static List<String> takeFew(Context context) {
    JavaPairRDD<Integer, String> moved = pairs(context.sc(), 4, 20_000, 1000).partitionBy(new HashPartitioner(3));
    return List.of(String.valueOf(moved.mapPartitions(records -> List.of(records.next()._1() >= 0).iterator()).collect()), String.valueOf(moved.take(3).size()));
  }

  private static List<String> empty(Context context) {
    return List.of(String.valueOf(pairs(context.sc(), 4, 0, 10).groupByKey(9).count()));
  }

  private static List<String> tiny(Context context) {
    int partitions = context.number("partitions", 16);
    return List.of(String.valueOf(pairs(context.sc(), partitions, 20, 1000).groupByKey(partitions).mapValues(RddJobs::summary).values().map(Digests::of).reduce(Long::sum)));
  }

  private RddJobs() {}
}
