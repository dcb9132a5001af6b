package sluice.client;

/**
 * Where a shuffle's blocks are and who has won, as the manager knew it at a version. It never changes; a newer one is asked
 * for with ShuffleClient.layout. One per shuffle and process is enough.
 */
public final class Layout {
  Layout() {}

  /** Job in the high 32 bits, run in the low. */
  public long shuffle() {
    throw new UnsupportedOperationException();
  }

  public ShuffleSpec spec() {
    throw new UnsupportedOperationException();
  }

  /** The stage attempt that opened this run: a writer of an older one, where the spec is not deterministic, has been overtaken. */
  public long stageAttempt() {
    throw new UnsupportedOperationException();
  }

  public long version() {
    throw new UnsupportedOperationException();
  }

  /** Every map is committed. */
  public boolean sealed() {
    throw new UnsupportedOperationException();
  }

  /** Something of an indeterminate run was lost: all of it runs again, as a new run. */
  public boolean invalidated() {
    throw new UnsupportedOperationException();
  }
}
