package org.apache.spark.shuffle.sluice;

import org.apache.spark.TaskContext;
import org.apache.spark.shuffle.ShuffleWriteMetricsReporter;
import org.apache.spark.shuffle.ShuffleWriter;

/** Chooses the writer of a map task. */
final class Writers {
  private Writers() {}

  static <K, V> ShuffleWriter<K, V> of(
      SluiceHandle<K, V, ?> handle, long mapId, TaskContext context, ShuffleWriteMetricsReporter metrics, ExecutorState state) {
    throw new UnsupportedOperationException();
  }
}
