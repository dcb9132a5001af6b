package sluice.client;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Map;

/**
 * The driver's job at the manager. Of a cluster's secret or a cluster token it makes a job, keeps its lease with a daemon
 * thread and closes it, shuffles and all, in the end. A job token's job belongs to whoever has made it and may be shared: it is
 * only used, and what is kept is the lease of the shuffles whose names begin with `names`.
 */
public final class Job implements AutoCloseable {
  private static final Logger LOG = System.getLogger("sluice");
  /** How long a call goes on trying. */
  private static final long PATIENCE_MS = 5000;
  private static final int POLL_MS = 20_000;
  private static final long PAUSE_MS = 1000;
  /** No news is newer than this: the poll is there to be heard of. */
  private static final long NEVER = (1L << 53) - 1;

  private final Manager manager;
  private final int id;
  private final String token;
  private final boolean isOwn;
  private final Thread keeper;
  private volatile boolean closed;

  private Job(Manager manager, int id, String token, boolean isOwn, String names) {
    this.manager = manager;
    this.id = id;
    this.token = token;
    this.isOwn = isOwn;
    keeper = new Thread(() -> keep(names), "sluice-job");
    keeper.setDaemon(true);
    if (isOwn || names != null) keeper.start();
  }

  /** As below, without names. */
  public static Job open(List<String> urls, String secretOrToken, String name) throws SluiceException, InterruptedException {
    return open(urls, secretOrToken, name, null);
  }

  /**
   * Fails within about five seconds when no manager answers. names: what the names of this application's shuffles begin with; null: no lease
   * is kept on a job that others have made.
   * @throws SluiceException CLUSTER_UNREACHABLE, UNAUTHORIZED, VERSION_UNSUPPORTED (all FAIL)
   */
  public static Job open(List<String> urls, String secretOrToken, String name, String names) throws SluiceException, InterruptedException {
    String given = secretOrToken.trim();
    Manager manager = new Manager(urls, Token.source(given), PATIENCE_MS);
    try {
      Map<String, Object> hello = manager.call("/v1/cluster/hello", "{}");
      Object theirs = hello.get("protocol");
      if (!Long.valueOf(Manager.PROTOCOL).equals(theirs)) {
        throw Errors.of("VERSION_UNSUPPORTED", Map.of("theirs", String.valueOf(theirs), "ours", Manager.PROTOCOL), null);
      }
      long job = Token.jobOf(given);
      if (job >= 0) {
        // A token that is wrong is found out now, not by the first task: closing is no question, keeping for no time is.
        manager.call("/v1/jobs/keep", keepBody(job, names, 0));
        return new Job(manager, (int) job, given, false, names);
      }
      StringBuilder body = Json.quote(new StringBuilder("{\"name\":"), name).append(",\"url\":\"\",\"slots\":0}");
      Map<String, Object> opened = manager.call("/v1/jobs/open", body, 0, false);
      return new Job(manager, (int) Json.number(opened.get("job")), Json.string(opened.get("token")), true, names);
    } catch (SluiceException | InterruptedException | RuntimeException failed) {
      manager.close();
      throw failed;
    }
  }

  public int id() {
    return id;
  }

  /** Of this job only: what executors get. */
  public String token() {
    return token;
  }

  /** The end of a shuffle's data. Again: nothing more. */
  public void release(long shuffle) throws SluiceException, InterruptedException {
    manager.call("/v1/shuffles/release", "{\"shuffle\":\"" + Long.toUnsignedString(shuffle) + "\"}");
  }

  private static String keepBody(long job, String names, int waitMs) {
    StringBuilder body = new StringBuilder("{\"job\":").append(Long.toUnsignedString(job)).append(",\"after\":").append(NEVER);
    if (names != null) Json.quote(body.append(",\"names\":"), names);
    return body.append(",\"waitMs\":").append(waitMs).append('}').toString();
  }

  private void keep(String names) {
    String body = keepBody(id & 0xFFFFFFFFL, names, POLL_MS);
    while (!closed) {
      try {
        manager.call("/v1/jobs/keep", body, POLL_MS, true);
      } catch (SluiceException error) {
        if (closed) return;
        LOG.log(Level.WARNING, "job {0} is not kept: {1}", String.valueOf(id), error.getMessage());
        if (error.code().equals("JOB_UNKNOWN") || error.code().equals("UNAUTHORIZED")) return;
        try {
          Thread.sleep(PAUSE_MS);
        } catch (InterruptedException closing) {
          return;
        }
      } catch (InterruptedException closing) {
        return;
      }
    }
  }

  /** Never throws; what could not be told to the manager ends with the lease. */
  @Override
  public void close() {
    if (closed) return;
    closed = true;
    keeper.interrupt();
    try {
      if (isOwn) manager.call("/v1/jobs/close", "{\"job\":" + Integer.toUnsignedString(id) + "}");
    } catch (SluiceException error) {
      LOG.log(Level.WARNING, "job {0} is not closed, and ends with its lease: {1}", String.valueOf(id), error.getMessage());
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
    manager.close();
  }
}
