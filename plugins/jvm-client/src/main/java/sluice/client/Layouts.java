package sluice.client;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.Predicate;

/** The layouts this process knows. One question to the manager at a time per shuffle, however many tasks ask. Thread safe. */
final class Layouts {
  private record Known(Layout layout, long at) {}

  private final Manager manager;
  private final Map<Long, Known> known = new HashMap<>();
  private final Map<Long, CompletableFuture<Layout>> asking = new HashMap<>();

  Layouts(Manager manager) {
    this.manager = manager;
  }

  /** Remembers an answer of the manager's. */
  Layout put(Map<String, Object> json) throws SluiceException {
    Layout layout;
    try {
      layout = new Layout(json);
    } catch (IllegalArgumentException nonsense) {
      throw Errors.of("INTERNAL", "the manager's layout cannot be read: " + nonsense.getMessage(), nonsense);
    }
    synchronized (this) {
      Known older = known.get(layout.shuffle());
      // An answer that was overtaken does not bring an old layout back.
      if (older == null || older.layout.version() <= layout.version()) known.put(layout.shuffle(), new Known(layout, System.nanoTime()));
    }
    return layout;
  }

  synchronized void forget(long shuffle) {
    known.remove(shuffle);
  }

  /** The known one when it is young enough and serves; else the manager's. maxAgeMs 0: any age. */
  Layout get(long shuffle, long maxAgeMs, Predicate<Layout> serves) throws SluiceException, InterruptedException {
    Known here;
    synchronized (this) {
      here = known.get(shuffle);
    }
    boolean young = here != null && (maxAgeMs == 0 || System.nanoTime() - here.at <= maxAgeMs * 1_000_000);
    return young && serves.test(here.layout) ? here.layout : fetch(shuffle, here == null ? -1 : here.layout.version());
  }

  /**
   * The manager's. A question under way is joined; its answer, when it is no newer than `than`, may be older than what the
   * caller has done since, so that the manager is asked once more.
   */
  private Layout fetch(long shuffle, long than) throws SluiceException, InterruptedException {
    CompletableFuture<Layout> joined = underWay(shuffle);
    if (joined != null) {
      Layout layout = await(joined);
      if (layout != null && layout.version() > than) return layout;
    }
    return refresh(shuffle);
  }

  /** The manager's, as of a moment after the call. */
  Layout refresh(long shuffle) throws SluiceException, InterruptedException {
    // One that was asked before may be older than what the caller has done since.
    CompletableFuture<Layout> older = underWay(shuffle);
    if (older != null) await(older);
    for (;;) {
      CompletableFuture<Layout> mine = new CompletableFuture<>();
      CompletableFuture<Layout> other;
      synchronized (this) {
        other = asking.putIfAbsent(shuffle, mine);
      }
      if (other == null) return ask(shuffle, mine);
      Layout layout = await(other);
      // Who asked was interrupted or failed: then it is this thread's turn.
      if (layout != null) return layout;
    }
  }

  private synchronized CompletableFuture<Layout> underWay(long shuffle) {
    return asking.get(shuffle);
  }

  private static Layout await(CompletableFuture<Layout> answer) throws InterruptedException {
    try {
      return answer.get();
    } catch (ExecutionException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  /** Completes `mine`, with null when no layout came. */
  private Layout ask(long shuffle, CompletableFuture<Layout> mine) throws SluiceException, InterruptedException {
    Layout layout = null;
    try {
      String body = "{\"shuffle\":\"" + Long.toUnsignedString(shuffle) + "\",\"after\":-1,\"waitMs\":0}";
      layout = put(manager.call("/v1/shuffles/layout", body));
      return layout;
    } catch (SluiceException failed) {
      forget(shuffle);
      throw failed;
    } finally {
      synchronized (this) {
        asking.remove(shuffle);
      }
      mine.complete(layout);
    }
  }
}
