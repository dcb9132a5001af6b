package sluice.client;

/**
 * What one attempt of a map writes: blocks, built in place in the frames that are sent. One thread at a time. Partitions come in
 * any order; ascending from firstPartition() keeps fewest frames open. Memory: a frame per location that is open, and a few
 * on their way. A method that throws has aborted the attempt, told the manager of a worker that is out of reach, and throws the
 * same again from then on: RETRY: a new attempt goes elsewhere; SUPERSEDED: a success.
 */
public final class MapWriter {
  MapWriter() {}

  /** Opens a block: its payload goes to bytes()[at() .. at() + room()), where room() is at least atLeast (at most 16 MiB). Waits while too much is on its way. */
  public void begin(int partition, int atLeast) throws SluiceException, InterruptedException {
    throw new UnsupportedOperationException();
  }

  public byte[] bytes() {
    throw new UnsupportedOperationException();
  }

  public int at() {
    throw new UnsupportedOperationException();
  }

  public int room() {
    throw new UnsupportedOperationException();
  }

  /**
   * Ends the block that is open: length bytes at at() are its payload, as it is stored; 0: nothing was written, and there is no block.
   * codec, tag: as in docs/PROTOCOL.md; rawLength: bytes after decoding.
   */
  public void seal(int length, int records, int codec, int tag, int rawLength) throws SluiceException, InterruptedException {
    throw new UnsupportedOperationException();
  }

  /** The partition's cell is committed already under another attempt: nothing is to be sent, begin is not called. */
  public boolean skips(int partition) {
    throw new UnsupportedOperationException();
  }

  /** Where this map's writer should begin, so that not all begin with the same worker. After the last partition comes 0. */
  public int firstPartition() {
    throw new UnsupportedOperationException();
  }

  /** Bytes of blocks sealed so far, headers and padding included. */
  public long storedBytes() {
    throw new UnsupportedOperationException();
  }

  /** won: this attempt's blocks are those that are read. Else winner's are, and that is a success too. */
  public record Committed(boolean won, int winner) {}

  /** Sends the rest and the manifests, waits until all replicas have it at the shuffle's level, and commits. Again: the same answer. */
  public Committed commit() throws SluiceException, InterruptedException {
    throw new UnsupportedOperationException();
  }

  /** The workers drop what they have of it. After commit, or again: nothing. Does not wait. */
  public void abort() {
    throw new UnsupportedOperationException();
  }
}
