package sluice.client;

/** A rectangle of cells; `to` exclusive. */
record ReadRange(int mapFrom, int mapTo, int partitionFrom, int partitionTo) {
  boolean isEmpty() {
    return mapFrom >= mapTo || partitionFrom >= partitionTo;
  }
}
