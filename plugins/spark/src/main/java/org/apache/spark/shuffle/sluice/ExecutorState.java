package org.apache.spark.shuffle.sluice;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
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
final class ExecutorState {
  private static final Map<String, ExecutorState> STATES = new ConcurrentHashMap<>();

  private final ShuffleClient client;

  private ExecutorState(ShuffleClient client) {
    this.client = client;
  }

  static ExecutorState of(SluiceHandle<?, ?, ?> handle) {
    return STATES.computeIfAbsent(handle.token, token -> new ExecutorState(ShuffleClient.open(List.of(handle.urls), handle.job, token, "spark")));
  }

  ShuffleClient client() {
    return client;
  }

  /**
   * The run that this task writes, as it was known at some time: openWriter looks whether it has become old.
   * @throws TaskKilledException when a later attempt of an indeterminate stage has begun
   */
  Layout runFor(SluiceHandle<?, ?, ?> handle, TaskContext context) throws SluiceException, InterruptedException {
    return client.resolve(handle.name, context.stageAttemptNumber(), handle.spec());
  }
}
