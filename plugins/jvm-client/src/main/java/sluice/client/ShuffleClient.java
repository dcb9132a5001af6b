package sluice.client;

import java.util.List;

/**
 * Shuffles as the tasks of one process see them: layouts, writers, readers. One per process and job token; thread safe. It
 * has one connection per worker, made when it is first needed, with a daemon thread for each direction: task threads wait, and
 * may be interrupted while they wait, but never touch a socket.
 */
public final class ShuffleClient implements AutoCloseable {
  private ShuffleClient() {}

  /** Asks nobody yet. name: who is calling, for the workers' logs. */
  public static ShuffleClient open(List<String> urls, int job, String token, String name) {
    throw new UnsupportedOperationException();
  }

  /** The current run of the engine's shuffle at a stage attempt, made when there is none; one call. The layout is remembered. */
  public Layout resolve(String name, long stageAttempt, ShuffleSpec spec) throws SluiceException, InterruptedException {
    throw new UnsupportedOperationException();
  }

  /**
   * The remembered layout when it serves, else the manager's as of now; threads that ask at once share one call.
   * sealed: one by which every map is committed is wanted. The answer may still not be sealed.
   */
  public Layout layout(long shuffle, boolean sealed) throws SluiceException, InterruptedException {
    throw new UnsupportedOperationException();
  }

  /** The layout as of a moment after the call. */
  public Layout refresh(long shuffle) throws SluiceException, InterruptedException {
    throw new UnsupportedOperationException();
  }

  /** The layout is not remembered any longer. */
  public void forget(long shuffle) {
    throw new UnsupportedOperationException();
  }

  /** Maps of the range with a vacant cell in it, ascending; all of the range when the run is invalidated. Asks nobody. */
  public int[] vacant(Layout layout, int mapFrom, int mapTo, int partitionFrom, int partitionTo) {
    throw new UnsupportedOperationException();
  }

  /**
   * A writer of one attempt. The layout is asked for again when it is too old for that.
   * @throws SluiceException ATTEMPT_SUPERSEDED when the run is invalidated
   */
  public MapWriter openWriter(Layout layout, int map, int attempt) throws SluiceException, InterruptedException {
    throw new UnsupportedOperationException();
  }

  /**
   * A reader of the winners' blocks of a rectangle; `to` exclusive, mapTo at most the shuffle's maps. It asks the workers at
   * once. Memory: at most about maxBytesInFlight, and one frame of each worker at least.
   * @throws SluiceException MISSING (RECOMPUTE, with the maps) when something of it is not committed
   */
  public BlockReader openReader(Layout layout, int mapFrom, int mapTo, int partitionFrom, int partitionTo, long maxBytesInFlight)
      throws SluiceException, InterruptedException {
    throw new UnsupportedOperationException();
  }

  /** Cuts all connections; what is open fails with CONNECTION_LOST. */
  @Override
  public void close() {
    throw new UnsupportedOperationException();
  }
}
