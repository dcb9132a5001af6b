package org.apache.spark.shuffle.sluice;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import org.apache.spark.Partitioner;
import org.apache.spark.executor.TaskMetrics;
import org.apache.spark.serializer.SerializationStream;
import org.apache.spark.serializer.Serializer;
import org.apache.spark.unsafe.Platform;
import scala.Product2;
import scala.collection.Iterator;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;

/** Records of a serialiser that relocates (Kryo): each is serialised once, by one stream, and its bytes are what is sorted and sent. */
final class StreamOutput<K, V> implements RecordOutput<K, V> {
  private static final ClassTag<Object> ANY = ClassTag$.MODULE$.Object();

  private final Partitioner partitioner;
  private final RecordPages pages;
  private final Bytes bytes = new Bytes();
  private final SerializationStream stream;

  StreamOutput(Serializer serializer, Partitioner partitioner, RecordPages pages) {
    this.partitioner = partitioner;
    this.pages = pages;
    stream = serializer.newInstance().serializeStream(bytes);
  }

  @Override
  public void writeAll(Iterator<Product2<K, V>> records) throws IOException, InterruptedException {
    while (records.hasNext()) {
      Product2<K, V> record = records.next();
      bytes.reset();
      stream.writeKey(record._1(), ANY);
      stream.writeValue(record._2(), ANY);
      stream.flush();
      pages.insert(partitioner.getPartition(record._1()), bytes.array(), Platform.BYTE_ARRAY_OFFSET, bytes.size(), false);
    }
    pages.flush();
  }

  @Override
  public void free(TaskMetrics metrics) {
    try {
      stream.close();
    } finally {
      pages.free(metrics);
    }
  }

  /** What a stream has written since the last reset. */
  static final class Bytes extends ByteArrayOutputStream {
    private static final int KEPT_BYTES = 4 << 20;

    Bytes() {
      super(16 << 10);
    }

    byte[] array() {
      return buf;
    }

    @Override
    public void reset() {
      // One large record is no reason to hold its place for ever.
      if (buf.length > KEPT_BYTES) buf = new byte[16 << 10];
      super.reset();
    }
  }
}
