package sluice.test;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.SparkContext;
import org.apache.spark.Success$;
import org.apache.spark.executor.TaskMetrics;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorAdded;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;
import org.apache.spark.scheduler.SparkListenerStageCompleted;
import org.apache.spark.scheduler.SparkListenerStageSubmitted;
import org.apache.spark.scheduler.SparkListenerTaskEnd;

/** What Spark says of stages and executors: attempts, tasks that ended and how, and the shuffle's metrics. */
final class Watch extends SparkListener {
  private final List<Map<String, Object>> stages = new ArrayList<>();
  private final Map<String, Map<String, Object>> open = new TreeMap<>();
  private int executors;

  @Override
  public synchronized void onExecutorAdded(SparkListenerExecutorAdded added) {
    executors++;
    notifyAll();
  }

  @Override
  public synchronized void onExecutorRemoved(SparkListenerExecutorRemoved removed) {
    executors--;
    notifyAll();
  }

  @Override
  public synchronized void onStageSubmitted(SparkListenerStageSubmitted submitted) {
    stage(submitted.stageInfo().stageId(), submitted.stageInfo().attemptNumber());
  }

  @Override
  public synchronized void onStageCompleted(SparkListenerStageCompleted completed) {
    Map<String, Object> stage = stage(completed.stageInfo().stageId(), completed.stageInfo().attemptNumber());
    stage.put("of", completed.stageInfo().numTasks());
    if (completed.stageInfo().failureReason().isDefined()) {
      String reason = completed.stageInfo().failureReason().get();
      stage.put("failure", reason.substring(0, Math.min(reason.length(), 600)));
    }
  }

  @Override
  public synchronized void onTaskEnd(SparkListenerTaskEnd end) {
    Map<String, Object> stage = stage(end.stageId(), end.stageAttemptId());
    boolean good = end.reason() == Success$.MODULE$;
    add(stage, good ? "done" : "bad", 1);
    if (!good) add(stage, "why " + end.reason().getClass().getSimpleName(), 1);
    if (end.taskInfo().speculative()) add(stage, "speculative", 1);
    TaskMetrics metrics = end.taskMetrics();
    if (metrics == null || !good) return;
    add(stage, "bytesWritten", metrics.shuffleWriteMetrics().bytesWritten());
    add(stage, "recordsWritten", metrics.shuffleWriteMetrics().recordsWritten());
    add(stage, "writeTime", metrics.shuffleWriteMetrics().writeTime());
    add(stage, "bytesRead", metrics.shuffleReadMetrics().totalBytesRead());
    add(stage, "localBytesRead", metrics.shuffleReadMetrics().localBytesRead());
    add(stage, "blocksRead", metrics.shuffleReadMetrics().totalBlocksFetched());
    add(stage, "recordsRead", metrics.shuffleReadMetrics().recordsRead());
    add(stage, "fetchWait", metrics.shuffleReadMetrics().fetchWaitTime());
    add(stage, "spilled", metrics.diskBytesSpilled() + metrics.memoryBytesSpilled());
  }

  private Map<String, Object> stage(int id, int attempt) {
    return open.computeIfAbsent(String.format("%08d.%04d", id, attempt), key -> {
      Map<String, Object> made = new LinkedHashMap<>();
      made.put("stage", id);
      made.put("attempt", attempt);
      stages.add(made);
      return made;
    });
  }

  private static void add(Map<String, Object> stage, String name, long more) {
    stage.merge(name, more, (a, b) -> ((Number) a).longValue() + ((Number) b).longValue());
  }

  /** How many stage attempts there were before what comes now. */
  int mark(SparkContext context) throws Exception {
    context.listenerBus().waitUntilEmpty();
    synchronized (this) {
      return stages.size();
    }
  }

  List<Map<String, Object>> since(int mark, SparkContext context) throws Exception {
    context.listenerBus().waitUntilEmpty();
    synchronized (this) {
      List<Map<String, Object>> found = new ArrayList<>();
      for (Map<String, Object> one : stages.subList(mark, stages.size())) found.add(new LinkedHashMap<>(one));
      return found;
    }
  }

  /** Waits until so many executors are there; counted at the context, which may have had them before this listened. */
  void awaitExecutors(SparkContext context, int wanted) throws InterruptedException {
    long end = System.nanoTime() + 360_000_000_000L;
    while (living(context) != wanted) {
      if (System.nanoTime() > end) throw new IllegalStateException("there are " + living(context) + " executors, not " + wanted);
      synchronized (this) {
        wait(50);
      }
    }
  }

  static int living(SparkContext context) {
    return context.statusTracker().getExecutorInfos().length - 1;
  }
}
