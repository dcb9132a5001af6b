package org.apache.spark.shuffle.sluice;

import java.util.Map;
import org.apache.spark.SparkConf;
import org.apache.spark.shuffle.api.ShuffleDataIO;
import org.apache.spark.shuffle.api.ShuffleDriverComponents;
import org.apache.spark.shuffle.api.ShuffleExecutorComponents;
import org.apache.spark.shuffle.sort.io.LocalDiskShuffleDataIO;

/**
 * Tells Spark that shuffle data outlives executors, so that it neither runs maps again when one is lost nor keeps idle ones for
 * their data. Everything else is Spark's own local disk one's. The manager sets it; users do not.
 */
public final class SluiceDataIO implements ShuffleDataIO {
  private final LocalDiskShuffleDataIO local;

  public SluiceDataIO(SparkConf conf) {
    local = new LocalDiskShuffleDataIO(conf);
  }

  @Override
  public ShuffleExecutorComponents executor() {
    return local.executor();
  }

  @Override
  public ShuffleDriverComponents driver() {
    ShuffleDriverComponents components = local.driver();
    return new ShuffleDriverComponents() {
      @Override
      public Map<String, String> initializeApplication() {
        return components.initializeApplication();
      }

      @Override
      public void cleanupApplication() {
        components.cleanupApplication();
      }

      @Override
      public void registerShuffle(int shuffleId) {
        components.registerShuffle(shuffleId);
      }

      @Override
      public void removeShuffle(int shuffleId, boolean blocking) {
        components.removeShuffle(shuffleId, blocking);
      }

      @Override
      public boolean supportsReliableStorage() {
        return true;
      }
    };
  }
}
