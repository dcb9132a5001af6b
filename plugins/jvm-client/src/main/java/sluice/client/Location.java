package sluice.client;

/** A rectangle of cells, `to` exclusive, and who keeps it. id is its place in the shuffle's list. */
record Location(int id, int mapFrom, int mapTo, int partitionFrom, int partitionTo, Replica[] replicas) {
  /** A worker under one of its boots. */
  record Replica(String incarnation, String host, int port) {}

  boolean covers(int map) {
    return mapFrom <= map && map < mapTo;
  }
}
