package sluice.client;

import java.io.IOException;

/** The one exception of this client: a row of the error table, its facts filled in, and the map tasks it is about. */
public final class SluiceException extends IOException {
  private static final long serialVersionUID = 1;
  private final String code;
  private final Remedy remedy;
  private final int[] maps;

  SluiceException(String code, Remedy remedy, String message, int[] maps, Throwable cause) {
    super(message, cause);
    this.code = code;
    this.remedy = remedy;
    this.maps = maps;
  }

  /** The row's name, such as MISSING. */
  public String code() {
    return code;
  }

  public Remedy remedy() {
    return remedy;
  }

  /** Ascending; empty when it is about no map in particular. */
  public int[] maps() {
    return maps.clone();
  }
}
