package org.apache.spark.shuffle.sluice;

import java.io.Serializable;
import org.apache.spark.Aggregator;
import org.apache.spark.InterruptibleIterator;
import org.apache.spark.ShuffleDependency;
import org.apache.spark.TaskContext;
import org.apache.spark.serializer.Serializer;
import org.apache.spark.shuffle.ShuffleReadMetricsReporter;
import org.apache.spark.shuffle.ShuffleReader;
import org.apache.spark.util.TaskCompletionListener;
import scala.Option;
import scala.Product2;
import scala.collection.Iterator;
import scala.runtime.AbstractFunction1;

/**
 * Reads a rectangle of a shuffle, maps [mapFrom, mapTo) by partitions [partitionFrom, partitionTo), and combines and sorts by key
 * as the dependency wishes, with Spark's own aggregator and sorter, which spill when the memory manager says so.
 */
final class SluiceShuffleReader<K, C> implements ShuffleReader<K, C> {
  private final SluiceHandle<K, ?, C> handle;
  private final int mapFrom;
  private final int mapTo;
  private final int partitionFrom;
  private final int partitionTo;
  private final TaskContext task;
  private final ShuffleReadMetricsReporter metrics;
  private final ExecutorState state;

  SluiceShuffleReader(
      SluiceHandle<K, ?, C> handle, int mapFrom, int mapTo, int partitionFrom, int partitionTo, TaskContext task,
      ShuffleReadMetricsReporter metrics, ExecutorState state) {
    this.handle = handle;
    this.mapFrom = mapFrom;
    // Spark says Int.MaxValue for all.
    this.mapTo = Math.min(mapTo, handle.maps);
    this.partitionFrom = partitionFrom;
    this.partitionTo = partitionTo;
    this.task = task;
    this.metrics = metrics;
    this.state = state;
  }

  @Override
  @SuppressWarnings("unchecked")
  public Iterator<Product2<K, C>> read() {
    if (mapFrom >= mapTo || partitionFrom >= partitionTo) return (Iterator<Product2<K, C>>) (Iterator<?>) scala.collection.Iterator$.MODULE$.empty();
    ShuffleDependency<K, ?, C> dependency = handle.dependency();
    Serializer serializer = dependency.serializer();
    boolean isPlain = dependency.aggregator().isEmpty() && dependency.keyOrdering().isEmpty();
    Reading reading = Reading.open(handle, mapFrom, mapTo, partitionFrom, partitionTo, task, metrics, state);
    if (isPlain && RowIterator.reads(serializer)) {
      RowIterator rows = RowIterator.of(reading, serializer);
      // A reader may stop early.
      task.addTaskCompletionListener((TaskCompletionListener) context -> rows.count());
      return (Iterator<Product2<K, C>>) (Iterator<?>) rows;
    }
    RecordIterator<K, Object> records = new RecordIterator<>(reading, serializer.newInstance());
    if (isPlain) return (Iterator<Product2<K, C>>) (Iterator<?>) records;
    // What combines or sorts has taken all records before it gives any, and is no longer asked whether the task was killed.
    return new InterruptibleIterator<>(task, combine(dependency, records));
  }

  @SuppressWarnings("unchecked")
  private Iterator<Product2<K, C>> combine(ShuffleDependency<K, ?, C> dependency, Iterator<Product2<K, Object>> records) {
    Option<Aggregator<K, Object, C>> aggregator = (Option<Aggregator<K, Object, C>>) (Option<?>) dependency.aggregator();
    if (dependency.keyOrdering().isDefined()) {
      Option<Aggregator<K, Object, C>> combines = aggregator;
      if (aggregator.isDefined() && dependency.mapSideCombine()) {
        Aggregator<K, Object, C> merges = aggregator.get();
        combines = Option.apply((Aggregator<K, Object, C>) (Aggregator<?, ?, ?>) new Aggregator<K, C, C>(new Same<>(), merges.mergeCombiners(), merges.mergeCombiners()));
      }
      return Sorters.of(task, combines, Option.empty(), dependency.keyOrdering(), dependency.serializer()).insertAllAndUpdateMetrics(records);
    }
    Iterator<?> combined =
        dependency.mapSideCombine()
            ? aggregator.get().combineCombinersByKey((Iterator<Product2<K, C>>) (Iterator<?>) records, task)
            : aggregator.get().combineValuesByKey(records, task);
    return (Iterator<Product2<K, C>>) combined;
  }

  /** What comes combined stays as it is. */
  private static final class Same<C> extends AbstractFunction1<C, C> implements Serializable {
    private static final long serialVersionUID = 1;

    @Override
    public C apply(C combined) {
      return combined;
    }
  }
}
