package sluice.client;

import java.util.List;

/**
 * The driver's job at the manager. Of a cluster's secret or a cluster token it makes a job, keeps its lease with a daemon
 * thread and closes it, shuffles and all, in the end; a job token's job belongs to whoever has made it, and is only used.
 */
public final class Job implements AutoCloseable {
  private Job() {}

  /**
   * Fails within about five seconds when no manager answers.
   * @throws SluiceException CLUSTER_UNREACHABLE, UNAUTHORIZED, VERSION_UNSUPPORTED (all FAIL)
   */
  public static Job open(List<String> urls, String secretOrToken, String name) throws SluiceException, InterruptedException {
    throw new UnsupportedOperationException();
  }

  public int id() {
    throw new UnsupportedOperationException();
  }

  /** Of this job only: what executors get. */
  public String token() {
    throw new UnsupportedOperationException();
  }

  /** The end of a shuffle's data. Again: nothing more. */
  public void release(long shuffle) throws SluiceException, InterruptedException {
    throw new UnsupportedOperationException();
  }

  /** Never throws; what could not be told to the manager ends with the lease. */
  @Override
  public void close() {
    throw new UnsupportedOperationException();
  }
}
