package org.apache.spark.shuffle.sluice;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.ShuffleDependency;
import org.apache.spark.SparkConf;
import org.apache.spark.rdd.DeterministicLevel;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The settings of Spark's own that do not suit data kept elsewhere, changed on the driver before anything reads them. What the user has
 * chosen stays where it merely costs time, and is told otherwise.
 */
final class Adjustments {
  private static final Logger LOG = LoggerFactory.getLogger(Adjustments.class);
  private static final String CHECKSUM = "spark.sql.shuffle.orderIndependentChecksum.";
  /** From 4.1 on: a dependency may ask that, instead of a whole indeterminate stage, only what was lost is run again. */
  private static final MethodHandle PARTIAL_RETRY = find();

  private Adjustments() {}

  static void make(SparkConf conf) {
    List<String> changes = new ArrayList<>();
    // Data outlives executors.
    set(conf, "spark.shuffle.sort.io.plugin.class", SluiceDataIO.class.getName(), changes);
    if (conf.getBoolean("spark.shuffle.service.enabled", false)) set(conf, "spark.shuffle.service.enabled", "false", changes);
    if (conf.getBoolean("spark.dynamicAllocation.enabled", false)) setIfAbsent(conf, "spark.dynamicAllocation.shuffleTracking.enabled", "false", changes);
    // No executor is nearer to the data than another.
    setIfAbsent(conf, "spark.sql.adaptive.localShuffleReader.enabled", "false", changes);
    if (PARTIAL_RETRY != null) {
      // A run of an indeterminate stage is whole or not there: it is not repaired.
      set(conf, CHECKSUM + "enabled", "false", changes);
      set(conf, CHECKSUM + "enableFullRetryOnMismatch", "false", changes);
    }
    if (!changes.isEmpty()) LOG.info("For Sluice these settings of Spark's are changed: {}", String.join(", ", changes));
  }

  /** @throws IllegalStateException when a session has set back what make() has set, where that would make wrong results */
  static void check(ShuffleDependency<?, ?, ?> dependency) {
    if (PARTIAL_RETRY == null) return;
    try {
      if (!(boolean) PARTIAL_RETRY.invoke(dependency)) return;
    } catch (Throwable e) {
      throw Thrown.unchecked(e);
    }
    if (dependency.rdd().outputDeterministicLevel().equals(DeterministicLevel.INDETERMINATE())) {
      throw new IllegalStateException(CHECKSUM + "enableFullRetryOnMismatch must be false for a stage whose output is not the same each time: set it so, or do not set it");
    }
  }

  private static void set(SparkConf conf, String key, String value, List<String> changes) {
    if (conf.get(key, "").equals(value)) return;
    conf.set(key, value);
    changes.add(key + "=" + value);
  }

  private static void setIfAbsent(SparkConf conf, String key, String value, List<String> changes) {
    if (!conf.contains(key)) set(conf, key, value, changes);
    else if (!conf.get(key).equals(value)) LOG.info("{}={} would suit Sluice better than {}", key, value, conf.get(key));
  }

  private static MethodHandle find() {
    try {
      return MethodHandles.lookup().findVirtual(ShuffleDependency.class, "checksumMismatchFullRetryEnabled", MethodType.methodType(boolean.class));
    } catch (NoSuchMethodException e) {
      return null;
    } catch (IllegalAccessException e) {
      throw new IllegalStateException(e);
    }
  }
}
