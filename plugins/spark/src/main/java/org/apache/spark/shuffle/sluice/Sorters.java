package org.apache.spark.shuffle.sluice;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Array;
import org.apache.spark.Aggregator;
import org.apache.spark.Partitioner;
import org.apache.spark.TaskContext;
import org.apache.spark.serializer.Serializer;
import org.apache.spark.util.collection.ExternalSorter;
import scala.Option;
import scala.math.Ordering;

/** Makes Spark's external sorter, whose constructor is not the same in all versions. */
final class Sorters {
  private static final MethodHandle MAKE = find();

  private Sorters() {}

  @SuppressWarnings("unchecked")
  static <K, V, C> ExternalSorter<K, V, C> of(
      TaskContext task, Option<Aggregator<K, V, C>> aggregator, Option<Partitioner> partitioner, Option<Ordering<K>> ordering, Serializer serializer) {
    try {
      return (ExternalSorter<K, V, C>) MAKE.invoke(task, aggregator, partitioner, ordering, serializer);
    } catch (Throwable e) {
      throw Thrown.unchecked(e);
    }
  }

  private static MethodHandle find() {
    MethodHandles.Lookup lookup = MethodHandles.lookup();
    MethodType type = MethodType.methodType(void.class, TaskContext.class, Option.class, Option.class, Option.class, Serializer.class);
    try {
      return lookup.findConstructor(ExternalSorter.class, type);
    } catch (NoSuchMethodException e) {
      // From 4.1 on there are checksums of rows, none here.
      try {
        Class<?> checksum = Class.forName("org.apache.spark.shuffle.checksum.RowBasedChecksum", false, ExternalSorter.class.getClassLoader());
        Object none = Array.newInstance(checksum, 0);
        return MethodHandles.insertArguments(lookup.findConstructor(ExternalSorter.class, type.appendParameterTypes(none.getClass())), 5, none);
      } catch (ReflectiveOperationException both) {
        throw new IllegalStateException("this Spark makes external sorters in a way that is not known", both);
      }
    } catch (IllegalAccessException e) {
      throw new IllegalStateException(e);
    }
  }
}
