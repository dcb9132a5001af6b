package org.apache.spark.shuffle;

/**
 * The interface of this name that Spark 4.3 asks its shuffle managers to have; older ones know it not and need this one. On 4.3
 * Spark's own is found first, unless the jar is on an extraClassPath; then this one takes its place, being the same.
 */
public interface BlockingShuffleManager extends ShuffleManager {
  ShuffleBlockResolver shuffleBlockResolver();
}
