package org.apache.spark.shuffle.sluice;

import java.io.IOException;
import org.apache.spark.Aggregator;
import org.apache.spark.ShuffleDependency;
import org.apache.spark.TaskContext;
import org.apache.spark.executor.TaskMetrics;
import org.apache.spark.serializer.SerializationStream;
import org.apache.spark.serializer.SerializerInstance;
import org.apache.spark.util.collection.ExternalSorter;
import scala.Option;
import scala.Product2;
import scala.Tuple2;
import scala.collection.Iterator;
import scala.math.Ordering;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;

/**
 * Objects that cannot be serialised as they come: those that are combined on the map side, and those of a serialiser whose
 * records cannot be moved (Java's). Spark's own external sorter groups them by partition within the task's memory; then
 * each block is a stream of the serialiser of its own.
 */
final class GroupedOutput<K, V, C> implements RecordOutput<K, V> {
  private static final ClassTag<Object> ANY = ClassTag$.MODULE$.Object();

  private final ExternalSorter<K, V, C> sorter;
  private final SerializerInstance serializer;
  private final BlockSink sink;
  private boolean freed;

  GroupedOutput(ShuffleDependency<K, V, C> dependency, TaskContext task, BlockSink sink) {
    Option<Aggregator<K, V, C>> aggregator = dependency.mapSideCombine() ? dependency.aggregator() : Option.empty();
    // What a partition's order is matters to nobody before the reader.
    Option<Ordering<K>> ordering = Option.empty();
    sorter = Sorters.of(task, aggregator, Option.apply(dependency.partitioner()), ordering, dependency.serializer());
    serializer = dependency.serializer().newInstance();
    this.sink = sink;
  }

  @Override
  public void writeAll(Iterator<Product2<K, V>> records) throws IOException, InterruptedException {
    sorter.insertAll(records);
    StreamOutput.Bytes bytes = new StreamOutput.Bytes();
    for (Iterator<Tuple2<Object, Iterator<Product2<K, C>>>> groups = sorter.partitionedIterator(); groups.hasNext(); ) {
      Tuple2<Object, Iterator<Product2<K, C>>> group = groups.next();
      int partition = (Integer) group._1();
      for (Iterator<Product2<K, C>> members = group._2(); members.hasNext(); ) {
        bytes.reset();
        int count = 0;
        try (SerializationStream stream = serializer.serializeStream(bytes)) {
          while (members.hasNext() && bytes.size() < BlockCoding.BLOCK_BYTES * 3 / 4) {
            Product2<K, C> record = members.next();
            stream.writeKey(record._1(), ANY);
            stream.writeValue(record._2(), ANY);
            count++;
          }
        }
        sink.run(partition, bytes.array(), bytes.size(), count);
      }
    }
  }

  @Override
  public void free(TaskMetrics metrics) {
    if (freed) return;
    freed = true;
    metrics.incMemoryBytesSpilled(sorter.memoryBytesSpilled());
    metrics.incDiskBytesSpilled(sorter.diskBytesSpilled());
    metrics.incPeakExecutionMemory(sorter.peakMemoryUsedBytes());
    sorter.stop();
  }
}
