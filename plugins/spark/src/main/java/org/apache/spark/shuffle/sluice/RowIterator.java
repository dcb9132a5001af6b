package org.apache.spark.shuffle.sluice;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.lang.reflect.Field;
import java.nio.ByteOrder;
import java.util.NoSuchElementException;
import org.apache.spark.serializer.Serializer;
import org.apache.spark.sql.catalyst.expressions.UnsafeRow;
import org.apache.spark.sql.execution.UnsafeRowSerializer;
import org.apache.spark.unsafe.Platform;
import scala.Product2;
import scala.Tuple2;
import scala.collection.AbstractIterator;

/**
 * Rows of Spark SQL, where they lie in the blocks: nothing is made or copied per row. As with Spark's own serializer, one
 * row object is given again and again, and a row is good until the next one is asked for by next().
 */
final class RowIterator extends AbstractIterator<Product2<Object, UnsafeRow>> {
  private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.BIG_ENDIAN);
  private static final Field FIELDS = find();

  private final Reading reading;
  private final UnsafeRow row;
  private final Tuple2<Object, UnsafeRow> pair;
  private byte[] bytes;
  private int at;
  private int end;
  private long counted;
  private byte[] last = new byte[0];

  private RowIterator(Reading reading, int fields) {
    this.reading = reading;
    row = new UnsafeRow(fields);
    pair = new Tuple2<>(0, row);
  }

  /** Whether this Spark's serializer of rows is as it is known here. */
  static boolean reads(Serializer serializer) {
    return FIELDS != null && serializer.getClass() == UnsafeRowSerializer.class;
  }

  static RowIterator of(Reading reading, Serializer serializer) {
    try {
      return new RowIterator(reading, FIELDS.getInt(serializer));
    } catch (IllegalAccessException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public boolean hasNext() {
    if (at < end) return true;
    count();
    while (reading.next()) {
      reading.whole();
      bytes = reading.bytes();
      at = reading.at();
      end = at + reading.length();
      if (at < end) return true;
    }
    return false;
  }

  @Override
  public Product2<Object, UnsafeRow> next() {
    if (at == end && !hasNext()) throw new NoSuchElementException("no more rows");
    int from = at + Integer.BYTES;
    int size = end < from ? -1 : (int) INT.get(bytes, at);
    if (size < 0 || size > end - from) throw new IllegalStateException("a row is longer than its block");
    at = from + size;
    counted++;
    if (at == end) {
      // hasNext() takes the next block, and this row has to outlive that.
      if (last.length < size) last = new byte[Math.max(size, 2 * last.length)];
      System.arraycopy(bytes, from, last, 0, size);
      row.pointTo(last, Platform.BYTE_ARRAY_OFFSET, size);
    } else {
      row.pointTo(bytes, Platform.BYTE_ARRAY_OFFSET + from, size);
    }
    return pair;
  }

  /** Tells how many rows have been given since it was told last. */
  void count() {
    if (counted > 0) reading.countRecords(counted);
    counted = 0;
  }

  private static Field find() {
    try {
      Field field = UnsafeRowSerializer.class.getDeclaredField("numFields");
      field.setAccessible(true);
      return field;
    } catch (ReflectiveOperationException | RuntimeException unknown) {
      return null;
    }
  }
}
