package org.apache.spark.shuffle.sluice;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.spark.SparkEnv;
import org.apache.spark.rpc.RpcCallContext;
import org.apache.spark.rpc.RpcEndpoint;
import org.apache.spark.rpc.RpcEnv;
import org.apache.spark.util.RpcUtils;
import scala.Function1;
import scala.PartialFunction;
import scala.reflect.ClassTag;
import scala.runtime.AbstractPartialFunction;
import scala.runtime.BoxedUnit;

/**
 * Where readers tell the driver which run has lost something, before they fail: Spark runs a map again only when the driver has
 * unregistered its output. A message is an Object[] of JDK types, since Spark's RPC may not know this jar's classes.
 */
final class LossEndpoint implements RpcEndpoint, AutoCloseable {
  private static final String NAME = "sluice-shuffle";

  /** What the driver does: of this shuffle's run something is lost. Answers how many map outputs Spark will make again. */
  interface Handler {
    int lost(int shuffleId, long run) throws Exception;
  }

  private final RpcEnv env;
  private final Handler handler;
  /** The handler asks the manager, and Spark's own threads do not wait for that. */
  private final ExecutorService thread =
      Executors.newSingleThreadExecutor(
          task -> {
            Thread made = new Thread(task, NAME);
            made.setDaemon(true);
            return made;
          });

  private LossEndpoint(RpcEnv env, Handler handler) {
    this.env = env;
    this.handler = handler;
  }

  static LossEndpoint register(RpcEnv env, Handler handler) {
    LossEndpoint endpoint = new LossEndpoint(env, handler);
    env.setupEndpoint(NAME, endpoint);
    return endpoint;
  }

  /** A reader's call; returns when the driver has done it. */
  static int tell(SparkEnv env, int shuffleId, long run) {
    Object[] message = {shuffleId, run};
    return RpcUtils.makeDriverRef(NAME, env.conf(), env.rpcEnv()).<Integer>askSync(message, ClassTag.apply(Integer.class));
  }

  @Override
  public RpcEnv rpcEnv() {
    return env;
  }

  @Override
  public PartialFunction<Object, BoxedUnit> receiveAndReply(RpcCallContext context) {
    return new AbstractPartialFunction<Object, BoxedUnit>() {
      @Override
      public boolean isDefinedAt(Object message) {
        return message instanceof Object[];
      }

      @Override
      public <A1, B1> B1 applyOrElse(A1 message, Function1<A1, B1> otherwise) {
        if (!isDefinedAt(message)) return otherwise.apply(message);
        Object[] parts = (Object[]) message;
        thread.execute(
            () -> {
              try {
                context.reply(handler.lost((Integer) parts[0], (Long) parts[1]));
              } catch (Exception e) {
                context.sendFailure(e);
              }
            });
        @SuppressWarnings("unchecked")
        B1 unit = (B1) BoxedUnit.UNIT;
        return unit;
      }
    };
  }

  @Override
  public void close() {
    thread.shutdownNow();
  }
}
