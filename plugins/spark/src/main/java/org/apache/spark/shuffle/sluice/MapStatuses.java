package org.apache.spark.shuffle.sluice;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import org.apache.spark.scheduler.MapStatus;
import org.apache.spark.storage.BlockManagerId;
import scala.Option;

/**
 * Makes what a map task answers to Spark: how much each partition got, and a place that is no executor's. With an executor's
 * place Spark would wait for that executor to be free before it reads, and disbelieve a task whose executor is gone since.
 */
final class MapStatuses {
  /** Nothing runs at this place, so no loss of an executor or host concerns it. */
  static final BlockManagerId PLACE = BlockManagerId.apply("sluice", "sluice", 1, Option.empty());

  private static final MethodHandle APPLY = find();

  private MapStatuses() {}

  /** lengths: stored bytes by partition, 0 only where there are none; mapId: the task attempt. */
  static MapStatus of(long[] lengths, long mapId) {
    try {
      return (MapStatus) APPLY.invokeExact(PLACE, lengths, mapId);
    } catch (Throwable e) {
      throw Thrown.unchecked(e);
    }
  }

  private static MethodHandle find() {
    MethodHandles.Lookup lookup = MethodHandles.lookup();
    try {
      return lookup.findStatic(MapStatus.class, "apply", MethodType.methodType(MapStatus.class, BlockManagerId.class, long[].class, long.class));
    } catch (NoSuchMethodException e) {
      // From 4.1 on there is a checksum of the rows, 0 where none was made.
      try {
        MethodType type = MethodType.methodType(MapStatus.class, BlockManagerId.class, long[].class, long.class, long.class);
        return MethodHandles.insertArguments(lookup.findStatic(MapStatus.class, "apply", type), 3, 0L);
      } catch (ReflectiveOperationException both) {
        throw new IllegalStateException("this Spark makes map statuses in a way that is not known", both);
      }
    } catch (IllegalAccessException e) {
      throw new IllegalStateException(e);
    }
  }
}
