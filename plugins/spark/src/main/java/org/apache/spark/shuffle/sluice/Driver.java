package org.apache.spark.shuffle.sluice;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import org.apache.spark.MapOutputTrackerMaster;
import org.apache.spark.ShuffleDependency;
import org.apache.spark.ShuffleStatus;
import org.apache.spark.SparkEnv;
import org.apache.spark.scheduler.MapStatus;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import scala.Option;
import sluice.client.Job;
import sluice.client.Layout;
import sluice.client.ShuffleClient;
import sluice.client.ShuffleSpec;
import sluice.client.SluiceException;

/**
 * The driver's part: the job at the manager, the names of this application's shuffles, what becomes of a loss, the release of what
 * Spark no longer needs. It holds no dependency of Spark's, since Spark releases a shuffle when nobody holds its dependency any longer.
 */
final class Driver implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Driver.class);

  private final Settings settings;
  /** Begins the names of this application's shuffles: a job may be shared, and shuffle ids begin at 0 in each application. */
  private final String nonce;
  private final Job job;
  private final ShuffleClient client;
  private final Map<Integer, Shuffle> shuffles = new ConcurrentHashMap<>();
  /** Releases are told to the manager one after another, while Spark goes on. */
  private final ExecutorService releases =
      Executors.newSingleThreadExecutor(
          task -> {
            Thread thread = new Thread(task, "sluice-release");
            thread.setDaemon(true);
            return thread;
          });
  private LossEndpoint endpoint;

  private record Shuffle(String name, ShuffleSpec spec) {}

  private Driver(Settings settings, String nonce, Job job) throws SluiceException {
    this.settings = settings;
    this.nonce = nonce;
    this.job = job;
    this.client = ShuffleClient.open(settings.urls(), job.id(), job.token(), "spark-driver");
  }

  /** @throws SluiceException CLUSTER_UNREACHABLE after a few seconds · UNAUTHORIZED */
  static Driver open(Settings settings, String nonce, String application) throws SluiceException, InterruptedException {
    return new Driver(settings, nonce, Job.open(settings.urls(), settings.token(), application, nonce));
  }

  <K, V, C> SluiceHandle<K, V, C> register(int shuffleId, ShuffleDependency<K, V, C> dependency) {
    String name = nonce + "." + shuffleId;
    String[] urls = settings.urls().toArray(new String[0]);
    SluiceHandle<K, V, C> handle = new SluiceHandle<>(shuffleId, dependency, name, urls, job.id(), job.token(), settings);
    listen();
    shuffles.put(shuffleId, new Shuffle(name, handle.spec()));
    return handle;
  }

  /** True when the shuffle was this one's. Returns at once. */
  boolean release(int shuffleId) {
    Shuffle shuffle = shuffles.remove(shuffleId);
    if (shuffle == null) return false;
    // Of nothing nobody has made a run.
    if (shuffle.spec.maps() == 0 || shuffle.spec.partitions() == 0) return true;
    try {
      releases.execute(() -> releaseNow(shuffle));
    } catch (RejectedExecutionException e) {
      // The application has ended, and everything of it with it.
    }
    return true;
  }

  private void releaseNow(Shuffle shuffle) {
    try {
      // Tasks have opened runs, not the driver: the current one is asked for; older ones the manager has released itself.
      job.release(client.resolve(shuffle.name, 0, shuffle.spec).shuffle());
    } catch (SluiceException e) {
      LOG.warn("{} is released when this application ends: {}", shuffle.name, e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    releases.shutdownNow();
    if (endpoint != null) endpoint.close();
    client.close();
    job.close();
  }

  /** Not before the first shuffle: the manager is made before Spark's environment is whole. */
  private synchronized void listen() {
    if (endpoint == null) endpoint = LossEndpoint.register(SparkEnv.get().rpcEnv(), this::lost);
  }

  /**
   * Unregisters the outputs that Spark believes in and the manager no longer has, of the run that is current. Spark then runs
   * exactly those maps again. Maps that have been run again meanwhile are not vacant, so a late report does nothing.
   */
  private int lost(int shuffleId, long run) throws SluiceException, InterruptedException {
    Shuffle shuffle = shuffles.get(shuffleId);
    if (shuffle == null) return 0;
    Layout layout = client.resolve(shuffle.name, 0, shuffle.spec);
    if (layout.shuffle() != run) return 0;
    MapOutputTrackerMaster tracker = (MapOutputTrackerMaster) SparkEnv.get().mapOutputTracker();
    Option<ShuffleStatus> status = tracker.shuffleStatuses().get(shuffleId);
    if (status.isEmpty()) return 0;
    int count = 0;
    for (int map : client.vacant(layout, 0, shuffle.spec.maps(), 0, shuffle.spec.partitions())) {
      MapStatus output = status.get().mapStatuses()[map];
      if (output == null) continue;
      tracker.unregisterMapOutput(shuffleId, map, output.location());
      count++;
    }
    if (count > 0) LOG.warn("{}: the output of {} maps is lost, they run again", shuffle.name, count);
    return count;
  }
}
