package sluice.client;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Where a shuffle's blocks are and who has won, as the manager knew it at a version. It never changes; a newer one is asked
 * for with ShuffleClient.layout. One per shuffle and process is enough. It reads the winners as
 * shuffle-manager/protocol/layout.ts does, so that writers, workers and readers cannot differ.
 */
public final class Layout {
  /** No winner. */
  static final int NONE = -1;

  private final long shuffle;
  private final ShuffleSpec spec;
  private final long stageAttempt;
  private final long version;
  private final boolean sealed;
  private final boolean invalidated;
  private final Location[] locations;
  /** Locations of one partition range, oldest first; a shuffle's ranges never change. Ascending. */
  private final Location[][] ranges;
  private final int winnersFrom;
  private final int[] winners;
  /** By map and location. */
  private final Map<Long, Integer> exceptions = new HashMap<>();
  /** By map and location: a bit for each replica that does not have a cell which is committed there. */
  private final Map<Long, Integer> lacking = new HashMap<>();

  /** @throws IllegalArgumentException it is no layout */
  Layout(Map<String, Object> json) {
    shuffle = Long.parseUnsignedLong(Json.string(json.get("shuffle")));
    Map<String, Object> given = Json.object(json.get("spec"));
    spec =
        new ShuffleSpec(
            u32(given.get("maps")), u32(given.get("partitions")), u32(given.get("order")), Json.string(given.get("level")),
            Json.truth(given.get("deterministic")), u32(given.get("replicas")), Json.number(given.get("bytesHint")),
            Json.string(given.get("schema")));
    stageAttempt = Json.number(json.get("stageAttempt"));
    version = Json.number(json.get("version"));
    sealed = Json.truth(json.get("sealed"));
    invalidated = Json.truth(json.get("invalidated"));
    locations = Json.array(json.get("locations")).stream().map(one -> location(Json.object(one))).toArray(Location[]::new);
    Map<Integer, List<Location>> byRange = new LinkedHashMap<>();
    for (Location location : locations) byRange.computeIfAbsent(location.partitionFrom(), from -> new ArrayList<>()).add(location);
    ranges = byRange.values().stream().map(list -> list.toArray(Location[]::new)).toArray(Location[][]::new);
    Arrays.sort(ranges, (a, b) -> Integer.compareUnsigned(a[0].partitionFrom(), b[0].partitionFrom()));
    Map<String, Object> won = Json.object(json.get("winners"));
    winnersFrom = u32(won.get("mapFrom"));
    List<Object> attempts = Json.array(won.get("attempts"));
    winners = new int[attempts.size()];
    for (int i = 0; i < winners.length; i++) winners[i] = (int) Json.number(attempts.get(i));
    for (Object one : Json.array(won.get("exceptions"))) {
      Map<String, Object> exception = Json.object(one);
      exceptions.put(key(u32(exception.get("map")), u32(exception.get("location"))), (int) Json.number(exception.get("attempt")));
    }
    if (won.containsKey("lacking")) {
      for (Object one : Json.array(won.get("lacking"))) {
        Map<String, Object> lack = Json.object(one);
        lacking.merge(key(u32(lack.get("map")), u32(lack.get("location"))), 1 << u32(lack.get("replica")), (a, b) -> a | b);
      }
    }
  }

  private static Location location(Map<String, Object> json) {
    Location.Replica[] replicas =
        Json.array(json.get("replicas")).stream()
            .map(Json::object)
            .map(one -> new Location.Replica(Json.string(one.get("incarnation")), Json.string(one.get("host")), u32(one.get("port"))))
            .toArray(Location.Replica[]::new);
    return new Location(
        u32(json.get("id")), u32(json.get("mapFrom")), u32(json.get("mapTo")), u32(json.get("partitionFrom")),
        u32(json.get("partitionTo")), replicas);
  }

  private static int u32(Object value) {
    return (int) Json.number(value);
  }

  private static long key(int map, int location) {
    return (long) map << 32 | location;
  }

  /** Job in the high 32 bits, run in the low. */
  public long shuffle() {
    return shuffle;
  }

  public ShuffleSpec spec() {
    return spec;
  }

  /** The stage attempt that opened this run: a writer of an older one, where the spec is not deterministic, has been overtaken. */
  public long stageAttempt() {
    return stageAttempt;
  }

  public long version() {
    return version;
  }

  /** Every map is committed. */
  public boolean sealed() {
    return sealed;
  }

  /** Something of an indeterminate run was lost: all of it runs again, as a new run. */
  public boolean invalidated() {
    return invalidated;
  }

  Location[] locations() {
    return locations;
  }

  Location[][] ranges() {
    return ranges;
  }

  /** The attempt committed for the map in that location; NONE: not committed, lost, or committed in another location. */
  int winner(int map, int location) {
    if (location < 0 || location >= locations.length || !locations[location].covers(map)) return NONE;
    Integer exception = exceptions.isEmpty() ? null : exceptions.get(key(map, location));
    if (exception != null) return exception;
    int place = map - winnersFrom;
    return place >= 0 && place < winners.length ? winners[place] : NONE;
  }

  /** Who holds the map's cells of a range; null: nobody. */
  Location holder(int map, Location[] range) {
    for (Location location : range) if (winner(map, location.id()) != NONE) return location;
    return null;
  }

  /** The replicas of the location that have the map's cell, which is committed there. */
  Location.Replica[] replicas(int map, Location location) {
    Location.Replica[] all = location.replicas();
    Integer without = lacking.isEmpty() ? null : lacking.get(key(map, location.id()));
    if (without == null) return all;
    return IntStream.range(0, all.length).filter(replica -> (without & 1 << replica) == 0).mapToObj(replica -> all[replica]).toArray(Location.Replica[]::new);
  }

  /** Where a new attempt of the map writes: the newest location of every vacant range. */
  List<Location> targets(int map) {
    List<Location> targets = new ArrayList<>();
    for (Location[] range : ranges) {
      if (holder(map, range) != null) continue;
      for (int i = range.length - 1; i >= 0; i--) {
        if (!range[i].covers(map)) continue;
        targets.add(range[i]);
        break;
      }
    }
    return targets;
  }

  /** Maps with a vacant cell in the rectangle, ascending; all of them when the run is invalidated. */
  int[] vacant(int mapFrom, int mapTo, int partitionFrom, int partitionTo) {
    int[] vacant = new int[Math.max(0, mapTo - mapFrom)];
    int count = 0;
    for (int map = mapFrom; map < mapTo; map++) {
      boolean isVacant = invalidated;
      for (int i = 0; i < ranges.length && !isVacant; i++) {
        Location first = ranges[i][0];
        isVacant = first.partitionFrom() < partitionTo && partitionFrom < first.partitionTo() && holder(map, ranges[i]) == null;
      }
      if (isVacant) vacant[count++] = map;
    }
    return Arrays.copyOf(vacant, count);
  }
}
