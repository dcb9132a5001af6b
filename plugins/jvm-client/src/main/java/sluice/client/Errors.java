package sluice.client;

import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeSet;

/**
 * What managers, workers and this client can say went wrong: the rows of shuffle-manager/protocol/errors.ts that reach a client,
 * with the same names, remedies, numbers and sentences; a test compares them. A name or number that is none of these is INTERNAL.
 */
final class Errors {
  /** wire: the number on the data plane, 0: it never travels there. `{name}` in text is filled from the facts. */
  record Row(String code, Remedy remedy, int wire, String text) {}

  private static final Map<String, Row> ROWS = new LinkedHashMap<>();
  private static final Map<Integer, Row> BY_WIRE = new LinkedHashMap<>();

  static {
    row(
        "UNAUTHORIZED",
        Remedy.FAIL,
        1,
        "The token is missing, wrong, expired or for another job ({what}): pass the token of this cluster with --token-file or SLUICE_TOKEN");
    row("IDENTITY_MISMATCH", Remedy.FAIL, 2, "A block does not belong to its stream: {what}");
    row("CORRUPT_FRAME", Remedy.RETRY, 3, "A frame failed its check: {what}");
    row("CORRUPT_BLOCK", Remedy.RECOMPUTE, 4, "A block failed its hash: {what}");
    row("ATTEMPT_SUPERSEDED", Remedy.SUPERSEDED, 5, "Another attempt of map {map} committed first");
    row("WRONG_INCARNATION", Remedy.REFRESH, 6, "The worker has restarted: {what}");
    row("LAYOUT_MOVED", Remedy.REFRESH, 0, "The layout of shuffle {shuffle} has moved on: {what}");
    row("NO_SPACE", Remedy.RETRY, 7, "No space is left: {what}; free space, or give another data folder");
    row("INCOMPLETE", Remedy.RECOMPUTE, 8, "What arrived is not what the manifest states: {what}");
    row("MISSING", Remedy.RECOMPUTE, 9, "Committed blocks are lost: shuffle {shuffle}, maps {maps} ({what})");
    row("SHUFFLE_UNKNOWN", Remedy.FAIL, 10, "Shuffle {shuffle} is unknown to this cluster");
    row("SHUFFLE_RELEASED", Remedy.FAIL, 11, "Shuffle {shuffle} has been released");
    row("LEDGER_UNAVAILABLE", Remedy.RETRY, 12, "The manager cannot be reached for the ledger: {what}");
    row(
        "QUOTA_EXCEEDED",
        Remedy.FAIL,
        14,
        "The quota is exceeded: {what}; let the job release shuffles, cancel it, or raise jobQuotaBytes of the manager");
    row("FENCED", Remedy.FAIL, 13, "A newer {what} has taken over");
    row("CONNECTION_LOST", Remedy.RETRY, 0, "The connection was lost: {what}");
    row("REQUEST_INVALID", Remedy.FAIL, 0, "The request is not valid: {what}");
    row("VERSION_UNSUPPORTED", Remedy.FAIL, 0, "The other side speaks protocol version {theirs}, this one {ours}: run the same release on both");
    row("CLUSTER_UNREACHABLE", Remedy.FAIL, 0, "No manager answers at {url}: start one with `sluice up`, or check the URL");
    row("NO_WORKERS", Remedy.FAIL, 0, "The cluster has no shuffle worker: start one with `sluice worker`, or run with --shuffle local");
    row("JOB_UNKNOWN", Remedy.FAIL, 0, "Job {job} is unknown to this cluster: it was closed or cancelled, or its lease has expired");
    row("DISK_FAILED", Remedy.FAIL, 0, "The disk failed: {what}");
    row("INTERRUPTED", Remedy.FAIL, 0, "Interrupted");
    row("INTERNAL", Remedy.FAIL, 0, "Internal error: {what}");
  }

  private static final int[] NO_MAPS = {};

  private Errors() {}

  private static void row(String code, Remedy remedy, int wire, String text) {
    Row row = new Row(code, remedy, wire, text);
    ROWS.put(code, row);
    if (wire > 0) BY_WIRE.put(wire, row);
  }

  static Collection<Row> rows() {
    return Collections.unmodifiableCollection(ROWS.values());
  }

  /** For most rows: their sentence has only {what}. */
  static SluiceException of(String code, String what) {
    return of(code, Map.of("what", what), null);
  }

  static SluiceException of(String code, String what, Throwable cause) {
    return of(code, Map.of("what", what), cause);
  }

  /** facts fill the sentence; `maps` among them is an int[]. */
  static SluiceException of(String code, Map<String, ?> facts, Throwable cause) {
    Row row = ROWS.get(code);
    if (row == null) return of("INTERNAL", Map.of("what", code + " " + facts), cause);
    int[] maps = facts.get("maps") instanceof int[] given ? ascending(given) : NO_MAPS;
    StringBuilder text = new StringBuilder(code).append(": ");
    fill(text, row.text, facts);
    text.append(" (").append(row.remedy.words).append(')');
    return new SluiceException(code, row.remedy, text.toString(), maps, cause);
  }

  /** What a worker says on the data plane. */
  static SluiceException ofWire(int wire, String text, int[] maps, String shuffle, int map) {
    Row row = BY_WIRE.get(wire);
    return of(row == null ? "INTERNAL" : row.code, Map.of("what", text, "maps", maps, "shuffle", shuffle, "map", map), null);
  }

  /** What a manager, or a worker that refuses a connection, says as JSON. */
  static SluiceException ofJson(Map<String, Object> json) {
    String code = String.valueOf(json.get("code"));
    if (!ROWS.containsKey(code)) return of("INTERNAL", Map.of("what", code + ": " + json.get("message")), null);
    Map<String, Object> facts = new LinkedHashMap<>(json.get("facts") instanceof Map<?, ?> ? Json.object(json.get("facts")) : Map.of());
    if (facts.get("maps") instanceof java.util.List<?> list) {
      facts.put("maps", list.stream().mapToInt(map -> map instanceof Long number ? number.intValue() : 0).toArray());
    }
    return of(code, facts, null);
  }

  private static void fill(StringBuilder into, String text, Map<String, ?> facts) {
    for (int at = 0; at < text.length(); ) {
      int open = text.indexOf('{', at);
      if (open < 0) {
        into.append(text, at, text.length());
        return;
      }
      int close = text.indexOf('}', open);
      Object value = facts.get(text.substring(open + 1, close));
      into.append(text, at, open).append(value instanceof int[] numbers ? shortList(numbers) : value == null ? "?" : value);
      at = close + 1;
    }
  }

  private static String shortList(int[] numbers) {
    StringBuilder list = new StringBuilder();
    for (int i = 0; i < Math.min(numbers.length, 20); i++) list.append(i == 0 ? "" : ", ").append(numbers[i]);
    return numbers.length > 20 ? list + " and " + (numbers.length - 20) + " more" : list.toString();
  }

  private static int[] ascending(int[] maps) {
    TreeSet<Integer> sorted = new TreeSet<>();
    for (int map : maps) sorted.add(map);
    return sorted.stream().mapToInt(Integer::intValue).toArray();
  }
}
