package sluice.client;

/**
 * How far the streams of one attempt are, told by connections' threads and waited for by its writer: bytes in frames that are
 * not free yet, streams that are not acknowledged, and the first failure. Connections call it with their lock held, so it calls nobody.
 */
final class WriteProgress {
  private long frameBytes;
  private int streams;
  private SluiceException failure;
  private Location location;
  private Location.Replica replica;

  synchronized void opened() {
    streams++;
  }

  synchronized void acknowledged() {
    streams--;
    notifyAll();
  }

  synchronized void failed(Location at, Location.Replica by, SluiceException error) {
    if (failure != null) return;
    failure = error;
    location = at;
    replica = by;
    notifyAll();
  }

  /** Waits until frames may take so many bytes more, or something has failed. A first frame is always granted. */
  synchronized void take(int bytes, long limit) throws SluiceException, InterruptedException {
    while (failure == null && frameBytes > 0 && frameBytes + bytes > limit) wait();
    if (failure != null) throw failure;
    frameBytes += bytes;
  }

  synchronized void freed(int bytes) {
    frameBytes -= bytes;
    notifyAll();
  }

  /** Waits for the final acknowledgement of each stream. */
  synchronized void awaitAll() throws SluiceException, InterruptedException {
    while (failure == null && streams > 0) wait();
    if (failure != null) throw failure;
  }

  synchronized Location failedLocation() {
    return location;
  }

  synchronized Location.Replica failedReplica() {
    return replica;
  }
}
