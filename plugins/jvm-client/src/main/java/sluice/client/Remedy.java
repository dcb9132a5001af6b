package sluice.client;

/** What the caller of something that failed is to do; the same five words as in docs/ERRORS.md. */
public enum Remedy {
  /** The same again, later. */
  RETRY("try again later"),
  /** Ask the manager for the layout again, and go by that. */
  REFRESH("ask for the layout again"),
  /** Data is lost: those map tasks run again. */
  RECOMPUTE("run these map tasks again"),
  /** Another attempt has won: stop quietly, as a success. */
  SUPERSEDED("nothing is to be done"),
  /** Tell the user. */
  FAIL("trying again does not help");

  /** For a message. */
  final String words;

  Remedy(String words) {
    this.words = words;
  }
}
