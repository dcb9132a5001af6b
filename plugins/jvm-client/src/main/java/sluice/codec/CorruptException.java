package sluice.codec;

/** Bytes that are not what the protocol says: never skipped, never taken for nothing. */
public final class CorruptException extends Exception {
  private static final long serialVersionUID = 1;

  public CorruptException(String what) {
    super(what);
  }
}
