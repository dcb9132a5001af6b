package org.apache.spark.shuffle.sluice;

import org.apache.spark.TaskContext;
import org.apache.spark.TaskKilledException;
import sluice.client.Remedy;
import sluice.client.SluiceException;

/**
 * What a failure while writing means for the task. A worker that is out of reach fails the attempt, not the job: Spark does not count
 * an attempt that says it was killed towards spark.task.maxFailures. From the ninth attempt on it does count, so that it ends.
 */
final class Thrown {
  private static final int ATTEMPTS_FOR_FREE = 8;

  private Thrown() {}

  /** What the task is to throw instead. */
  static Throwable judge(Throwable thrown, TaskContext task) {
    if (thrown instanceof InterruptedException) {
      // Of a kill Spark knows the reason.
      return task.isInterrupted() ? new TaskKilledException(reason(task)) : thrown;
    }
    if (!(thrown instanceof SluiceException)) return thrown;
    SluiceException failure = (SluiceException) thrown;
    if (failure.remedy() == Remedy.FAIL || task.attemptNumber() >= ATTEMPTS_FOR_FREE) return failure;
    TaskKilledException again = new TaskKilledException("Sluice, and another attempt goes elsewhere: " + failure.getMessage());
    again.initCause(failure);
    return again;
  }

  private static String reason(TaskContext task) {
    return task.getKillReason().isDefined() ? task.getKillReason().get() : "unknown reason";
  }

  /** Throws it as it is, declared or not: callers write `throw unchecked(e)`. */
  @SuppressWarnings("unchecked")
  static <T extends Throwable> RuntimeException unchecked(Throwable thrown) throws T {
    throw (T) thrown;
  }
}
