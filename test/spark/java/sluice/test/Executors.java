package sluice.test;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.spark.SparkContext;
import org.apache.spark.scheduler.ExecutorDecommissionInfo;
import org.apache.spark.scheduler.cluster.CoarseGrainedSchedulerBackend;
import scala.Option;
import scala.collection.JavaConverters;

/** The executors that the driver knows of, and their leaving in an orderly way. */
final class Executors {
  static Object change(SparkContext context, String how) throws Exception {
    CoarseGrainedSchedulerBackend backend = (CoarseGrainedSchedulerBackend) context.schedulerBackend();
    List<String> ids = new ArrayList<>(JavaConverters.seqAsJavaList(backend.getExecutorIds()));
    switch (how) {
      case "list":
        return Map.of("executors", ids);
      case "decommission":
        // Others take their places.
        for (String id : ids) backend.decommissionExecutor(id, new ExecutorDecommissionInfo("a test", Option.empty()), false, false);
        break;
      default:
        throw new IllegalArgumentException(how);
    }
    long end = System.nanoTime() + 360_000_000_000L;
    while (ids.stream().anyMatch(id -> backend.getExecutorIds().contains(id))) {
      if (System.nanoTime() > end) throw new IllegalStateException("the executors " + ids + " do not go");
      Thread.sleep(50);
    }
    return Map.of("gone", ids);
  }

  private Executors() {}
}
