package sluice.client;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Supplier;

/**
 * The manager's calls: POSTs of JSON, to the first of several URLs that answers, sent again while none does and patience lasts. Calls of
 * several threads at once have a connection each, which is kept. It caches no answers. Cost of a call: one packet each
 * way and two switches of threads.
 */
final class Manager implements AutoCloseable {
  static final int PROTOCOL = 1;
  /** What a call that does not wait may take, and what a long poll may take beyond its wait. */
  private static final int ANSWER_MS = 30_000;
  private static final long FIRST_PAUSE_MS = 50;
  private static final long LAST_PAUSE_MS = 2000;

  private final List<URI> urls;
  private final Supplier<String> token;
  private final long patienceMs;
  private final ArrayDeque<HttpLine> idle = new ArrayDeque<>();
  private int current;
  private boolean closed;

  /** token: asked for each call, so that it can be renewed. patienceMs: no try begins later than this after the first. */
  Manager(List<String> urls, Supplier<String> token, long patienceMs) throws SluiceException {
    if (urls.isEmpty()) throw Errors.of("CLUSTER_UNREACHABLE", Map.of("url", "(no URL was given)"), null);
    this.urls = new java.util.ArrayList<>();
    for (String url : urls) this.urls.add(uri(url.trim()));
    this.token = token;
    this.patienceMs = patienceMs;
  }

  private static URI uri(String text) throws SluiceException {
    try {
      URI uri = URI.create(text);
      if (uri.getHost() != null && ("http".equals(uri.getScheme()) || "https".equals(uri.getScheme()))) return uri;
    } catch (IllegalArgumentException malformed) {
      // Said below.
    }
    throw Errors.of("CLUSTER_UNREACHABLE", Map.of("url", text + " (that is no http:// or https:// URL)"), null);
  }

  Map<String, Object> call(String path, CharSequence body) throws SluiceException, InterruptedException {
    return call(path, body, 0, true);
  }

  /** repeatable: a second call does no harm; else it is sent again only when the first cannot have arrived. */
  Map<String, Object> call(String path, CharSequence body, int waitMs, boolean repeatable) throws SluiceException, InterruptedException {
    long deadline = System.nanoTime() + patienceMs * 1_000_000;
    long pauseMs = FIRST_PAUSE_MS;
    for (;;) {
      try {
        return attempt(path, body, waitMs, repeatable);
      } catch (Again again) {
        long wait = pauseMs / 2 + ThreadLocalRandom.current().nextLong(pauseMs / 2 + 1);
        if (!again.mayRepeat || System.nanoTime() + wait * 1_000_000 > deadline) throw again.error;
        Thread.sleep(wait);
        pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
      }
    }
  }

  /** A failure of one try. */
  private static final class Again extends Exception {
    private static final long serialVersionUID = 1;
    final SluiceException error;
    final boolean mayRepeat;

    Again(SluiceException error, boolean mayRepeat) {
      super(null, null, false, false);
      this.error = error;
      this.mayRepeat = mayRepeat;
    }
  }

  private Map<String, Object> attempt(String path, CharSequence body, int waitMs, boolean repeatable)
      throws SluiceException, InterruptedException, Again {
    HttpLine line = take();
    HttpLine.Answer answer;
    try {
      answer = line.exchange(request(line.url(), path, body), waitMs + ANSWER_MS, repeatable);
    } catch (IOException lost) {
      // The next try goes to the next manager.
      turn(line.url());
      boolean mayRepeat = repeatable || !line.wasSent();
      throw new Again(unreachable(line.url().toString(), lost), mayRepeat && !isClosed());
    }
    give(line);
    Map<String, Object> json;
    try {
      json = Json.object(Json.read(answer.body()));
      if (answer.status() != 200 && !(json.get("code") instanceof String)) throw new IllegalArgumentException("no error of ours");
    } catch (IllegalArgumentException nonsense) {
      turn(line.url());
      throw new Again(unreachable(line.url() + " (something else answers there)", nonsense), repeatable);
    }
    if (answer.status() == 200) return json;
    SluiceException error = Errors.ofJson(json);
    if (error.code().equals("LEDGER_UNAVAILABLE")) {
      // One that was overtaken by another says so for ever.
      turn(line.url());
      throw new Again(error, true);
    }
    throw error;
  }

  private static SluiceException unreachable(String url, Exception cause) {
    return Errors.of("CLUSTER_UNREACHABLE", Map.of("url", url), cause);
  }

  private byte[] request(URI url, String path, CharSequence body) {
    byte[] json = body.toString().getBytes(StandardCharsets.UTF_8);
    String head =
        "POST " + (url.getRawPath() == null ? "" : url.getRawPath().replaceAll("/+$", "")) + path + " HTTP/1.1\r\nhost: " + url.getRawAuthority()
            + "\r\ncontent-type: application/json\r\nauthorization: Bearer " + token.get() + "\r\ncontent-length: " + json.length + "\r\n\r\n";
    byte[] first = head.getBytes(StandardCharsets.ISO_8859_1);
    byte[] all = java.util.Arrays.copyOf(first, first.length + json.length);
    System.arraycopy(json, 0, all, first.length, json.length);
    return all;
  }

  private synchronized HttpLine take() throws SluiceException {
    if (closed) throw Errors.of("CONNECTION_LOST", "this client of the manager is closed");
    URI url = urls.get(current);
    for (HttpLine line = idle.pollLast(); line != null; line = idle.pollLast()) {
      if (line.isOpen() && line.url().equals(url)) return line;
      line.close();
    }
    return new HttpLine(url);
  }

  private synchronized void give(HttpLine line) {
    if (closed) line.close();
    else if (line.isOpen()) idle.addLast(line);
  }

  private synchronized void turn(URI from) {
    if (urls.get(current).equals(from)) current = (current + 1) % urls.size();
  }

  private synchronized boolean isClosed() {
    return closed;
  }

  @Override
  public synchronized void close() {
    closed = true;
    for (HttpLine line : idle) line.close();
    idle.clear();
  }
}
