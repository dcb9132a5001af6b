package org.apache.spark.shuffle.sluice;

import java.io.IOException;
import org.apache.spark.executor.TaskMetrics;
import scala.Product2;
import scala.collection.Iterator;

/** One way of turning a map task's records into blocks: rows as they are, what a serialiser makes, or objects grouped first. */
interface RecordOutput<K, V> {
  /** Takes all records and gives all of them to the sink. */
  void writeAll(Iterator<Product2<K, V>> records) throws IOException, InterruptedException;

  /** Gives memory back and tells how much there was. After a failure too; again: nothing. */
  void free(TaskMetrics metrics);
}
