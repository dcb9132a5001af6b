package org.apache.spark.shuffle.sluice;

import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.ShuffleDependency;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.shuffle.ShuffleHandle;
import org.apache.spark.shuffle.ShuffleReadMetricsReporter;
import org.apache.spark.shuffle.ShuffleReader;
import org.apache.spark.shuffle.ShuffleWriteMetricsReporter;
import org.apache.spark.shuffle.ShuffleWriter;
import org.apache.spark.shuffle.sort.SortShuffleManager;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import sluice.client.SluiceException;

/**
 * What spark.shuffle.manager names: Spark's shuffles kept by Sluice's workers. On the driver it opens a job when Spark starts and says
 * what it changes in Spark's settings; an executor learns everything from the handles of its tasks. Where no manager
 * answers and spark.sluice.fallback is true, every shuffle of the application is Spark's own. It is a SortShuffleManager for three reasons: then
 * Spark SQL knows that rows may be given without being copied first; its trait is sealed from 4.3 on, but its class is not; and
 * what is not ours (fallback, blocks on local disks) is its business.
 */
public final class SluiceShuffleManager extends SortShuffleManager {
  private static final Logger LOG = LoggerFactory.getLogger(SluiceShuffleManager.class);

  /** Null on executors, and where Spark's own shuffle is used. */
  private final Driver driver;
  /** By token; of one application there is one. */
  private final Map<String, ExecutorState> states = new ConcurrentHashMap<>();
  /** By shuffle id, for what executors have seen of it. */
  private final Map<Integer, SluiceHandleName> seen = new ConcurrentHashMap<>();

  private record SluiceHandleName(String token, String name) {}

  public SluiceShuffleManager(SparkConf conf, boolean isDriver) {
    super(conf);
    this.driver = isDriver ? open(conf) : null;
  }

  @Override
  public <K, V, C> ShuffleHandle registerShuffle(int shuffleId, ShuffleDependency<K, V, C> dependency) {
    if (driver == null) return super.registerShuffle(shuffleId, dependency);
    Adjustments.check(dependency);
    dependency.setShuffleMergeAllowed(false);
    return driver.register(shuffleId, dependency);
  }

  @Override
  public <K, V> ShuffleWriter<K, V> getWriter(ShuffleHandle handle, long mapId, TaskContext context, ShuffleWriteMetricsReporter metrics) {
    if (!(handle instanceof SluiceHandle)) return super.getWriter(handle, mapId, context, metrics);
    @SuppressWarnings("unchecked")
    SluiceHandle<K, V, ?> ours = (SluiceHandle<K, V, ?>) handle;
    return Writers.of(ours, mapId, context, metrics, stateOf(ours));
  }

  @Override
  public <K, C> ShuffleReader<K, C> getReader(
      ShuffleHandle handle, int startMapIndex, int endMapIndex, int startPartition, int endPartition, TaskContext context,
      ShuffleReadMetricsReporter metrics) {
    if (!(handle instanceof SluiceHandle)) {
      return super.getReader(handle, startMapIndex, endMapIndex, startPartition, endPartition, context, metrics);
    }
    @SuppressWarnings("unchecked")
    SluiceHandle<K, ?, C> ours = (SluiceHandle<K, ?, C>) handle;
    return new SluiceShuffleReader<>(ours, startMapIndex, endMapIndex, startPartition, endPartition, context, metrics, stateOf(ours));
  }

  /** Spark calls it on the driver and on every executor; the data is released by the driver's call. */
  @Override
  public boolean unregisterShuffle(int shuffleId) {
    SluiceHandleName name = seen.remove(shuffleId);
    ExecutorState state = name == null ? null : states.get(name.token);
    if (state != null) state.forget(name.name);
    if (driver != null && driver.release(shuffleId)) return true;
    return super.unregisterShuffle(shuffleId);
  }

  @Override
  public void stop() {
    for (ExecutorState state : states.values()) state.close();
    states.clear();
    if (driver != null) driver.close();
    super.stop();
  }

  private ExecutorState stateOf(SluiceHandle<?, ?, ?> handle) {
    seen.putIfAbsent(handle.shuffleId(), new SluiceHandleName(handle.token, handle.name));
    return states.computeIfAbsent(
        handle.token,
        token -> {
          try {
            return ExecutorState.open(handle, "spark-" + SparkEnv.get().executorId());
          } catch (SluiceException e) {
            throw Thrown.unchecked(e);
          }
        });
  }

  /** @throws IllegalStateException, IllegalArgumentException with what is to be done */
  private static Driver open(SparkConf conf) {
    Settings settings = Settings.of(conf, System.getenv());
    try {
      Driver opened = Driver.open(settings, UUID.randomUUID().toString(), conf.get("spark.app.name", "spark"));
      Adjustments.make(conf);
      return opened;
    } catch (SluiceException e) {
      if (settings.fallback() && e.code().equals("CLUSTER_UNREACHABLE")) {
        LOG.warn("SLUICE IS NOT USED: {} Every shuffle of this application is Spark's own, since spark.sluice.fallback is true.", e.getMessage());
        return null;
      }
      throw new IllegalStateException(
          "Sluice cannot be used: " + e.getMessage() + " (spark.sluice.manager.url is " + String.join(",", settings.urls())
              + (e.code().equals("CLUSTER_UNREACHABLE") ? "; with spark.sluice.fallback=true Spark's own shuffle would be used instead)" : ")"),
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while the manager was asked", e);
    }
  }
}
