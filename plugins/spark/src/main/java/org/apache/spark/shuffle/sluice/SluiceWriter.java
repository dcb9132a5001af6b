package org.apache.spark.shuffle.sluice;

import org.apache.spark.TaskContext;
import org.apache.spark.scheduler.MapStatus;
import org.apache.spark.shuffle.ShuffleWriteMetricsReporter;
import org.apache.spark.shuffle.ShuffleWriter;
import scala.Option;
import scala.Product2;
import scala.collection.Iterator;
import sluice.client.Layout;
import sluice.client.MapWriter;
import sluice.client.Remedy;
import sluice.client.SluiceException;

/**
 * One attempt of a map task, from its first record to its commit. How records become blocks is its RecordOutput's affair. An attempt that
 * another one has overtaken is a success with the lengths of its own: Spark may have chosen another winner than the manager has.
 */
final class SluiceWriter<K, V> extends ShuffleWriter<K, V> {
  private final SluiceHandle<K, V, ?> handle;
  private final long mapId;
  private final TaskContext task;
  private final ShuffleWriteMetricsReporter metrics;
  private final ExecutorState state;
  private BlockSink sink;

  SluiceWriter(SluiceHandle<K, V, ?> handle, long mapId, TaskContext task, ShuffleWriteMetricsReporter metrics, ExecutorState state) {
    this.handle = handle;
    this.mapId = mapId;
    this.task = task;
    this.metrics = metrics;
    this.state = state;
  }

  @Override
  public void write(Iterator<Product2<K, V>> records) {
    RecordOutput<K, V> output = null;
    try {
      sink = new BlockSink(open(), BlockCoding.of(org.apache.spark.SparkEnv.get()), handle.partitions, task, metrics);
      output = Writers.outputOf(handle.dependency(), task, sink);
      output.writeAll(records);
      sink.commit();
    } catch (Throwable thrown) {
      if (sink != null) sink.abort();
      throw Thrown.unchecked(Thrown.judge(thrown, task));
    } finally {
      if (output != null) output.free(task.taskMetrics());
    }
  }

  @Override
  public Option<MapStatus> stop(boolean success) {
    if (success) return Option.apply(MapStatuses.of(getPartitionLengths(), mapId));
    if (sink != null) sink.abort();
    return Option.empty();
  }

  @Override
  public long[] getPartitionLengths() {
    return sink == null ? new long[handle.partitions] : sink.lengths();
  }

  /** Null when another attempt has won already. */
  private MapWriter open() throws SluiceException, InterruptedException {
    Layout run = state.runFor(handle, task);
    try {
      return state.client().openWriter(run, task.partitionId(), (int) task.taskAttemptId());
    } catch (SluiceException thrown) {
      if (thrown.remedy() != Remedy.SUPERSEDED) throw thrown;
      return null;
    }
  }
}
