package sluice.client;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.Arrays;

/**
 * Tells the manager of cells that could not be read or written, until it has drawn the consequence: they are vacant and later
 * attempts go elsewhere, or the worker is there under a new incarnation. A report is a help, not a duty: it never fails.
 */
final class Reports {
  private static final Logger LOG = System.getLogger("sluice");
  /** The manager believes the third report of a live worker, a second apart. */
  private static final long GAP_MS = 1100;
  private static final int AT_MOST = 5;

  private final Manager manager;
  private final Layouts layouts;

  Reports(Manager manager, Layouts layouts) {
    this.manager = manager;
    this.layouts = layouts;
  }

  /** What the manager is told of an error of a read or write; null: nothing. */
  static String because(SluiceException error) {
    return switch (error.code()) {
      case "MISSING" -> "missing";
      case "CORRUPT_BLOCK", "INCOMPLETE" -> "corrupt";
      case "WRONG_INCARNATION" -> "incarnation";
      case "CONNECTION_LOST" -> "unreachable";
      default -> null;
    };
  }

  void lost(long shuffle, int location, String incarnation, int[] maps, String because) throws InterruptedException {
    String id = Long.toUnsignedString(shuffle);
    LOG.log(Level.WARNING, "shuffle {0}: cells of location {1} are out of reach ({2}), {3} maps", id, String.valueOf(location), because, maps.length);
    String body =
        "{\"shuffle\":\"" + id + "\",\"location\":" + location + ",\"incarnation\":\"" + incarnation + "\",\"maps\":" + Arrays.toString(maps)
            + ",\"because\":\"" + because + "\"}";
    try {
      for (int count = 0; count < AT_MOST; count++) {
        boolean vacated = Boolean.TRUE.equals(manager.call("/v1/shuffles/lost", body).get("vacated"));
        Location[] now = layouts.refresh(shuffle).locations();
        boolean isOther = location >= now.length || Arrays.stream(now[location].replicas()).noneMatch(one -> one.incarnation().equals(incarnation));
        if (vacated || isOther || !because.equals("unreachable")) return;
        Thread.sleep(GAP_MS);
      }
    } catch (SluiceException refused) {
      LOG.log(Level.WARNING, "shuffle {0}: the manager did not take the report: {1}", id, refused.getMessage());
    }
  }
}
