package org.apache.spark.shuffle.sluice;

import org.apache.spark.ShuffleDependency;
import org.apache.spark.TaskContext;
import org.apache.spark.serializer.Serializer;
import org.apache.spark.shuffle.ShuffleWriteMetricsReporter;
import org.apache.spark.shuffle.ShuffleWriter;

/** Chooses how a map task writes. */
final class Writers {
  /** Kept per partition before it is sent, so that blocks get large; within bounds, since memory is Spark's. */
  private static final long BYTES_PER_PARTITION = 64 << 10;
  private static final long LEAST_BYTES = 32 << 20;
  private static final long MOST_BYTES = 512 << 20;

  /** By name: a Spark without its SQL has no such class. */
  private static final String ROWS = "org.apache.spark.sql.execution.UnsafeRowSerializer";

  private Writers() {}

  static <K, V> ShuffleWriter<K, V> of(
      SluiceHandle<K, V, ?> handle, long mapId, TaskContext context, ShuffleWriteMetricsReporter metrics, ExecutorState state) {
    return new SluiceWriter<>(handle, mapId, context, metrics, state);
  }

  static <K, V> RecordOutput<K, V> outputOf(ShuffleDependency<K, V, ?> dependency, TaskContext task, BlockSink sink) {
    Serializer serializer = dependency.serializer();
    int partitions = dependency.partitioner().numPartitions();
    boolean relocates = serializer.supportsRelocationOfSerializedObjects();
    if (dependency.mapSideCombine() || !relocates) return new GroupedOutput<>(dependency, task, sink);
    long limit = Math.min(MOST_BYTES, Math.max(LEAST_BYTES, BYTES_PER_PARTITION * partitions));
    RecordPages pages = new RecordPages(task.taskMemoryManager(), partitions, limit, sink);
    boolean rows = serializer.getClass().getName().equals(ROWS) && RowOutput.isKnown();
    if (rows) return RowOutput.of(serializer, dependency.partitioner(), pages);
    return new StreamOutput<>(serializer, dependency.partitioner(), pages);
  }
}
