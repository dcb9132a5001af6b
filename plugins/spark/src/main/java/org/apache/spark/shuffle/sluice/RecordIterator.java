package org.apache.spark.shuffle.sluice;

import java.util.NoSuchElementException;
import org.apache.spark.serializer.SerializerInstance;
import scala.Product2;
import scala.Tuple2;
import scala.collection.AbstractIterator;
import scala.collection.Iterator;

/** Records as the dependency's serializer reads them, a stream of its own for each of the writer's. */
final class RecordIterator<K, V> extends AbstractIterator<Product2<K, V>> {
  private final Reading reading;
  private final SerializerInstance serializer;
  private Iterator<Tuple2<Object, Object>> stream;

  RecordIterator(Reading reading, SerializerInstance serializer) {
    this.reading = reading;
    this.serializer = serializer;
  }

  @Override
  public boolean hasNext() {
    if (reading.task().isInterrupted()) reading.task().killTaskIfInterrupted();
    while (stream == null || !stream.hasNext()) {
      if (!reading.next()) return false;
      try {
        stream = serializer.deserializeStream(reading.stream()).asKeyValueIterator();
      } catch (java.io.IOException e) {
        throw Thrown.unchecked(e);
      }
    }
    return true;
  }

  @Override
  @SuppressWarnings("unchecked")
  public Product2<K, V> next() {
    if (!hasNext()) throw new NoSuchElementException("no more records");
    reading.countRecords(1);
    return (Product2<K, V>) (Product2<?, ?>) stream.next();
  }
}
