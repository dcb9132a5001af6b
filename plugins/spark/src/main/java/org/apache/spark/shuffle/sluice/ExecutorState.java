package org.apache.spark.shuffle.sluice;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.TaskKilledException;
import sluice.client.Layout;
import sluice.client.ShuffleClient;
import sluice.client.SluiceException;

/**
 * What this process knows about one job: the client, and which run each of its shuffles has. One per job and process, made by the
 * first task. It asks the manager once per shuffle and stage attempt, however many tasks ask it.
 */
final class ExecutorState implements AutoCloseable {
  /** A stage has fewer attempts than that; Spark gives up long before. */
  private static final int ATTEMPTS_PER_STAGE = 1 << 16;

  private final ShuffleClient client;
  private final Map<String, Known> shuffles = new ConcurrentHashMap<>();

  private ExecutorState(ShuffleClient client) {
    this.client = client;
  }

  static ExecutorState open(SluiceHandle<?, ?, ?> handle, String name) throws SluiceException {
    return new ExecutorState(ShuffleClient.open(List.of(handle.urls), handle.job, handle.token, name));
  }

  ShuffleClient client() {
    return client;
  }

  /**
   * The run that this task writes, as it was known at some time: openWriter looks whether it has become old.
   * @throws TaskKilledException when a later attempt of an indeterminate stage has begun: nobody wants this task's output
   */
  Layout runFor(SluiceHandle<?, ?, ?> handle, TaskContext context) throws SluiceException, InterruptedException {
    long order = orderOf(context);
    Known known = shuffles.computeIfAbsent(handle.name, name -> new Known());
    Layout layout;
    known.lock.lockInterruptibly();
    try {
      if (!known.isWritten || known.order < order) {
        layout = client.resolve(handle.name, order, handle.spec());
        known.run = layout.shuffle();
        known.openedBy = layout.stageAttempt();
        known.order = order;
        known.isWritten = true;
      } else {
        layout = client.layout(known.run, false);
      }
      if (!handle.deterministic && known.openedBy > order) throw new TaskKilledException("a later attempt of this stage has begun");
    } finally {
      known.lock.unlock();
    }
    return layout;
  }

  /**
   * The run that this task reads, sealed unless something of it is lost. Of an indeterminate shuffle it is asked again whenever Spark
   * has learnt something new about map outputs: a task is told what Spark knew when it was made before it runs.
   */
  Layout runOf(SluiceHandle<?, ?, ?> handle) throws SluiceException, InterruptedException {
    long news = handle.deterministic ? 0 : SparkEnv.get().mapOutputTracker().epoch();
    Known known = shuffles.computeIfAbsent(handle.name, name -> new Known());
    long run;
    known.lock.lockInterruptibly();
    try {
      // The run that was written here is the one that is read, where there is only one.
      if (!(known.isRead && known.news == news) && !(handle.deterministic && known.isWritten)) {
        known.readRun = client.resolve(handle.name, 0, handle.spec()).shuffle();
        known.news = news;
        known.isRead = true;
      }
      run = known.isRead ? known.readRun : known.run;
    } finally {
      known.lock.unlock();
    }
    return client.layout(run, true);
  }

  /** The shuffle's runs are not remembered any longer. */
  void forget(String name) {
    Known known = shuffles.remove(name);
    if (known == null) return;
    if (known.isWritten) client.forget(known.run);
    if (known.isRead) client.forget(known.readRun);
  }

  @Override
  public void close() {
    client.close();
  }

  /** Grows with every stage attempt that may write a shuffle: a shuffle may be given to a new stage, whose attempts begin at 0 again. */
  private static long orderOf(TaskContext context) {
    return (long) context.stageId() * ATTEMPTS_PER_STAGE + context.stageAttemptNumber();
  }

  /** What is known of one shuffle. */
  private static final class Known {
    /** Held while the manager is asked, so that it is asked once. */
    final ReentrantLock lock = new ReentrantLock();

    boolean isWritten;
    long run;
    long openedBy;
    long order;

    boolean isRead;
    long readRun;
    /** Spark's count of news about map outputs when readRun was asked for. */
    long news;
  }
}
