package sluice.client;

/**
 * The winners' blocks of a rectangle, each verified and given once. It ends only when every count is what the writers stated.
 * Between (map, partition) pairs there is no order; within one, blocks come in the order they were written. One thread.
 */
public final class BlockReader implements AutoCloseable {
  BlockReader() {}

  /** A block; its payload is bytes[at .. at + length). */
  public static final class Received {
    public int partition;
    public int map;
    public int records;
    public int codec;
    public int tag;
    public int rawLength;
    public byte[] bytes;
    public int at;
    public int length;
  }

  /**
   * The next block; null at the end. The object and its bytes are valid until the next call; it is the same object each time.
   * @throws SluiceException MISSING (RECOMPUTE): these maps' output is lost, the manager knows and their cells are vacant ·
   *   CONNECTION_LOST (RETRY): the cells have moved after blocks of them were given, begin again · SHUFFLE_RELEASED,
   *   SHUFFLE_UNKNOWN, UNAUTHORIZED (FAIL)
   */
  public Received next() throws SluiceException, InterruptedException {
    throw new UnsupportedOperationException();
  }

  /** Time that next() has waited for workers. */
  public long waitedNanos() {
    throw new UnsupportedOperationException();
  }

  /** Again, or after the end: nothing. */
  @Override
  public void close() {
    throw new UnsupportedOperationException();
  }
}
