package org.apache.spark.shuffle.sluice;

import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.shuffle.FetchFailedException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import sluice.client.Layout;
import sluice.client.Remedy;
import sluice.client.SluiceException;

/**
 * What a failure of one reader means to Spark. Blocks that are lost: the driver is told first, so that exactly the maps that made them run
 * again, and then the fetch has failed, with no executor to blame. Blocks that have moved: another attempt of this task reads them.
 */
final class Losses {
  private static final Logger LOG = LoggerFactory.getLogger(Losses.class);

  private final SluiceHandle<?, ?, ?> handle;
  private final int partition;
  private final TaskContext task;
  private final SparkEnv env;
  private Layout layout;

  Losses(SluiceHandle<?, ?, ?> handle, int partition, TaskContext task, SparkEnv env) {
    this.handle = handle;
    this.partition = partition;
    this.task = task;
    this.env = env;
  }

  /** By which layout it is read; what is lost is lost of that run. */
  void reads(Layout layout) {
    this.layout = layout;
  }

  /** Throws; it answers an exception so that callers can say `throw`. */
  RuntimeException failure(Throwable thrown) {
    // Of what interrupts, or follows from it, Spark knows the reason.
    if (task.isInterrupted()) task.killTaskIfInterrupted();
    if (thrown instanceof SluiceException && ((SluiceException) thrown).remedy() == Remedy.RECOMPUTE) {
      throw Thrown.unchecked(lost((SluiceException) thrown));
    }
    throw Thrown.unchecked(Thrown.judge(thrown, task));
  }

  private Throwable lost(SluiceException thrown) {
    if (layout != null) {
      try {
        int maps = LossEndpoint.tell(env, handle.shuffleId(), layout.shuffle());
        LOG.warn("{} partition {}: {}; {} maps run again", handle.name, partition, thrown.getMessage(), maps);
      } catch (RuntimeException e) {
        LOG.warn("{} partition {}: the driver could not be told of a loss", handle.name, partition, e);
      }
    }
    return new FetchFailedException(null, handle.shuffleId(), -1L, -1, partition, thrown.getMessage(), thrown);
  }
}
