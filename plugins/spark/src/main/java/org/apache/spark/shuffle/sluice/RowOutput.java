package org.apache.spark.shuffle.sluice;

import java.io.IOException;
import java.lang.reflect.Field;
import org.apache.spark.Partitioner;
import org.apache.spark.executor.TaskMetrics;
import org.apache.spark.serializer.Serializer;
import org.apache.spark.sql.catalyst.expressions.UnsafeRow;
import org.apache.spark.sql.execution.UnsafeRowSerializer;
import org.apache.spark.sql.execution.metric.SQLMetric;
import scala.Product2;
import scala.collection.Iterator;

/**
 * Rows of Spark SQL: their bytes are copied as they are. The form is that of Spark's UnsafeRowSerializer, four big-endian bytes of length
 * and the row, since readers read with it; and its metric of the data's size, by which AQE chooses joins, is fed in its place.
 */
final class RowOutput<K, V> implements RecordOutput<K, V> {
  private static final Field DATA_SIZE = find();

  private final Partitioner partitioner;
  private final RecordPages pages;
  private final SQLMetric dataSize;

  private RowOutput(Partitioner partitioner, RecordPages pages, SQLMetric dataSize) {
    this.partitioner = partitioner;
    this.pages = pages;
    this.dataSize = dataSize;
  }

  /** Whether this Spark's serialiser of rows is as it is known here. */
  static boolean isKnown() {
    return DATA_SIZE != null;
  }

  static <K, V> RowOutput<K, V> of(Serializer serializer, Partitioner partitioner, RecordPages pages) {
    try {
      return new RowOutput<>(partitioner, pages, (SQLMetric) DATA_SIZE.get(serializer));
    } catch (IllegalAccessException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void writeAll(Iterator<Product2<K, V>> records) throws IOException, InterruptedException {
    long bytes = 0;
    while (records.hasNext()) {
      Product2<K, V> record = records.next();
      UnsafeRow row = (UnsafeRow) record._2();
      int size = row.getSizeInBytes();
      pages.insert(partitioner.getPartition(record._1()), row.getBaseObject(), row.getBaseOffset(), size, true);
      bytes += size;
    }
    pages.flush();
    if (dataSize != null) dataSize.add(bytes);
  }

  @Override
  public void free(TaskMetrics metrics) {
    pages.free(metrics);
  }

  private static Field find() {
    try {
      Field field = UnsafeRowSerializer.class.getDeclaredField("dataSize");
      field.setAccessible(true);
      return field;
    } catch (ReflectiveOperationException | RuntimeException unknown) {
      return null;
    }
  }
}
