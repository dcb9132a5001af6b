package sluice.client;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Which location is asked for which cells of a range: pure functions from a layout to pieces. */
final class ReadPlan {
  /** Cells of one location that all have a winner there, and the replicas that have all of them: what one stream reads. */
  record Piece(Location location, Location.Replica[] replicas, int mapFrom, int mapTo, int partitionFrom, int partitionTo) {
    int maps() {
      return mapTo - mapFrom;
    }

    int pairs() {
      return maps() * (partitionTo - partitionFrom);
    }
  }

  /** (partition, map) pairs of one OPEN_READ. */
  private static final int MAX_PAIRS = 256 << 10;

  private ReadPlan() {}

  /**
   * The pieces of a range in which nothing is vacant, neighbours on different workers, so that reads of different partitions begin at
   * different ones. A piece has no map that another location holds: a worker whose layout is newer could not tell it from a lost one. Nor
   * does it span maps that different replicas have.
   */
  static List<Piece> pieces(Layout layout, ReadRange range) {
    List<Piece> pieces = new ArrayList<>();
    if (range.isEmpty()) return pieces;
    for (Location[] locations : layout.ranges()) {
      int from = Math.max(range.partitionFrom(), locations[0].partitionFrom());
      int to = Math.min(range.partitionTo(), locations[0].partitionTo());
      if (from >= to) continue;
      for (int map = range.mapFrom(); map < range.mapTo(); ) {
        Location location = layout.holder(map, locations);
        int first = map++;
        Location.Replica[] replicas = layout.replicas(first, location);
        while (map < range.mapTo() && layout.holder(map, locations) == location && Arrays.equals(layout.replicas(map, location), replicas)) map++;
        cut(new Piece(location, replicas, first, map, from, to), pieces);
      }
    }
    return takeTurns(pieces, range.partitionFrom());
  }

  /** Fewer partitions at a time, which lie together. */
  private static void cut(Piece piece, List<Piece> into) {
    int mapStep = Math.min(piece.maps(), MAX_PAIRS);
    int partitionStep = Math.max(1, MAX_PAIRS / mapStep);
    for (int map = piece.mapFrom; map < piece.mapTo; map += mapStep) {
      for (int from = piece.partitionFrom; from < piece.partitionTo; from += partitionStep) {
        into.add(new Piece(piece.location, piece.replicas, map, Math.min(map + mapStep, piece.mapTo), from, Math.min(from + partitionStep, piece.partitionTo)));
      }
    }
  }

  private static List<Piece> takeTurns(List<Piece> pieces, int begin) {
    Map<String, List<Piece>> byWorker = new LinkedHashMap<>();
    for (Piece piece : pieces) byWorker.computeIfAbsent(piece.replicas[0].incarnation(), key -> new ArrayList<>()).add(piece);
    List<List<Piece>> workers = new ArrayList<>(byWorker.values());
    List<Piece> turned = new ArrayList<>(pieces.size());
    for (int round = 0; turned.size() < pieces.size(); round++) {
      for (int i = 0; i < workers.size(); i++) {
        List<Piece> own = workers.get((begin + i) % workers.size());
        if (round < own.size()) turned.add(own.get(round));
      }
    }
    return turned;
  }
}
