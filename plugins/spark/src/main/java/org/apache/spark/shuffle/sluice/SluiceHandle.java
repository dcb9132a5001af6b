package org.apache.spark.shuffle.sluice;

import org.apache.spark.ShuffleDependency;
import org.apache.spark.rdd.DeterministicLevel;
import org.apache.spark.shuffle.BaseShuffleHandle;
import sluice.client.ShuffleSpec;

/**
 * What a task has to know of a shuffle: its name at the manager, where the manager is, and the token of this job, which is
 * good for this application's shuffles and nothing else. It travels with the task by Java serialisation. The cluster's secret
 * is never in it; the token is never in a text.
 */
public final class SluiceHandle<K, V, C> extends BaseShuffleHandle<K, V, C> {
  private static final long serialVersionUID = 1;

  final String name;
  final String[] urls;
  final int job;
  final String token;
  final int maps;
  final int partitions;
  /** A map that runs again makes the same records. Else all of them run again when one does. */
  final boolean deterministic;
  private final String level;
  private final int replicas;

  SluiceHandle(int shuffleId, ShuffleDependency<K, V, C> dependency, String name, String[] urls, int job, String token, Settings settings) {
    super(shuffleId, dependency);
    this.name = name;
    this.urls = urls;
    this.job = job;
    this.token = token;
    this.maps = dependency.rdd().getNumPartitions();
    this.partitions = dependency.partitioner().numPartitions();
    this.deterministic = !dependency.rdd().outputDeterministicLevel().equals(DeterministicLevel.INDETERMINATE());
    this.level = settings.level();
    this.replicas = settings.replicas();
  }

  ShuffleSpec spec() {
    return new ShuffleSpec(maps, partitions, 0, level, deterministic, replicas, 0, "");
  }

  @Override
  public String toString() {
    return "SluiceHandle(" + name + ", " + maps + " maps, " + partitions + " partitions)";
  }
}
