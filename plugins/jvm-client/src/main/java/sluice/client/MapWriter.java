package sluice.client;

import java.util.Comparator;
import java.util.List;
import java.util.Map;
import sluice.client.FramePool.FrameBuffer;
import sluice.codec.Block;

/**
 * What one attempt of a map writes: blocks, built in place in the frames that are sent. One thread at a time. Partitions come in
 * any order; ascending from firstPartition() keeps fewest frames open. Memory: a frame per location that is open, and 4 MiB
 * on their way. A method that throws (or is interrupted) has aborted the attempt, told the manager of a worker that is out of reach, and throws the
 * same again from then on: RETRY: a new attempt goes elsewhere; SUPERSEDED: a success.
 */
public final class MapWriter {
  private static final int FRAME_BYTES = 512 << 10;
  private static final int SMALLEST_FRAME_BYTES = 64 << 10;
  private static final long IN_FLIGHT_BYTES = 4 << 20;

  private final ShuffleClient client;
  private final Layout layout;
  private final int map;
  private final int attempt;
  private final WriteProgress progress = new WriteProgress();
  /** By partition range, ascending; ranges whose cells are committed already are absent. */
  private final WriteColumn[] columns;
  private final int frameBytes;
  private WriteColumn column;
  private int partition;
  private byte[] bytes;
  private int at;
  private int room;
  private long storedBytes;
  private boolean over;
  private Committed committed;
  private SluiceException failure;

  MapWriter(ShuffleClient client, Layout layout, int map, int attempt) {
    this.client = client;
    this.layout = layout;
    this.map = map;
    this.attempt = attempt;
    List<Location> targets = layout.targets(map);
    targets.sort(Comparator.comparingInt(Location::partitionFrom));
    columns = targets.stream().map(target -> new WriteColumn(client, layout, target, map, attempt, progress)).toArray(WriteColumn[]::new);
    int share = (int) (IN_FLIGHT_BYTES / Math.max(1, columns.length));
    frameBytes = Math.max(SMALLEST_FRAME_BYTES, Math.min(FRAME_BYTES, Integer.highestOneBit(share)));
  }

  /** Opens a block: its payload goes to bytes()[at() .. at() + room()), where room() is at least atLeast (at most 16 MiB). Waits while too much is on its way. */
  public void begin(int toPartition, int atLeast) throws SluiceException, InterruptedException {
    if (atLeast < 0 || atLeast > Block.MAX_PAYLOAD_BYTES) throw new IllegalArgumentException("a block of " + atLeast + " bytes");
    require();
    WriteColumn next = columnOf(toPartition);
    if (next == null) throw new IllegalArgumentException("partition " + toPartition + " is skipped, or none");
    try {
      // A frame worth sending goes out when its location is left.
      if (column != null && column != next && column.filled() >= SMALLEST_FRAME_BYTES) push(column);
      column = next;
      partition = toPartition;
      int need = Block.bytes(atLeast);
      if (column.frame != null && column.room() < need) push(column);
      if (column.frame == null) column.begin(Math.max(need, column.isFirst() ? FramePool.SMALL : frameBytes));
    } catch (SluiceException error) {
      throw failed(error);
    } catch (InterruptedException interrupted) {
      throw stopped(interrupted);
    }
    FrameBuffer frame = column.frame;
    bytes = frame.bytes;
    at = frame.length + Block.HEADER_BYTES;
    room = Math.min(bytes.length - at & ~7, Block.MAX_PAYLOAD_BYTES);
  }

  public byte[] bytes() {
    return bytes;
  }

  public int at() {
    return at;
  }

  public int room() {
    return room;
  }

  /**
   * Ends the block that is open: length bytes at at() are its payload, as it is stored; 0: nothing was written, and there is no block.
   * codec, tag: as in docs/PROTOCOL.md; rawLength: bytes after decoding.
   */
  public void seal(int length, int records, int codec, int tag, int rawLength) throws SluiceException, InterruptedException {
    require();
    if (length < 0 || length > room) throw new IllegalArgumentException(length + " bytes in a room of " + room);
    room = 0;
    if (length == 0) return;
    column.seal(partition, length, records, codec, tag, rawLength);
    storedBytes += Block.bytes(length);
  }

  /** The partition's cell is committed already under another attempt: nothing is to be sent, begin is not called. */
  public boolean skips(int ofPartition) {
    return columnOf(ofPartition) == null;
  }

  /** Where this map's writer should begin, so that not all begin with the same worker. After the last partition comes 0. */
  public int firstPartition() {
    return columns.length == 0 ? 0 : columns[map % columns.length].location.partitionFrom();
  }

  /** Bytes of blocks sealed so far, headers and padding included. */
  public long storedBytes() {
    return storedBytes;
  }

  /** won: this attempt's blocks are those that are read. Else winner's are, and that is a success too. */
  public record Committed(boolean won, int winner) {}

  /** Sends the rest and the manifests, waits until all replicas have it at the shuffle's level, and commits. Again: the same answer. */
  public Committed commit() throws SluiceException, InterruptedException {
    if (committed != null) return committed;
    require();
    try {
      if (columns.length == 0) {
        // A repair that others have done meanwhile.
        Location holder = layout.holder(map, layout.ranges()[0]);
        committed = new Committed(false, holder == null ? Layout.NONE : layout.winner(map, holder.id()));
      } else {
        for (WriteColumn one : columns) {
          if (one.frame != null && one.room() < one.manifestBytes()) push(one);
          if (one.frame == null) one.begin(one.manifestBytes());
          one.manifest();
          push(one);
        }
        progress.awaitAll();
        Map<String, Object> answer = client.manager.call("/v1/shuffles/commit", commitBody());
        committed = new Committed(Json.truth(answer.get("won")), (int) Json.number(answer.get("winner")));
      }
    } catch (SluiceException error) {
      throw failed(error);
    } catch (InterruptedException interrupted) {
      throw stopped(interrupted);
    }
    over = true;
    return committed;
  }

  private String commitBody() {
    StringBuilder body = new StringBuilder("{\"shuffle\":\"").append(Long.toUnsignedString(layout.shuffle())).append("\",\"map\":").append(map);
    body.append(",\"attempt\":").append(Integer.toUnsignedString(attempt)).append(",\"cells\":[");
    for (WriteColumn one : columns) {
      body.append(one == columns[0] ? "" : ",").append("{\"location\":").append(one.location.id()).append(",\"incarnations\":[");
      Location.Replica[] replicas = one.location.replicas();
      for (int i = 0; i < replicas.length; i++) body.append(i == 0 ? "\"" : ",\"").append(replicas[i].incarnation()).append('"');
      body.append("],\"manifestHash\":\"").append(Long.toUnsignedString(one.manifestHash())).append("\"}");
    }
    return body.append("]}").toString();
  }

  /** The workers drop what they have of it. After commit, or again: nothing. Does not wait. */
  public void abort() {
    if (over) return;
    over = true;
    for (WriteColumn one : columns) one.abort();
  }

  private void require() throws SluiceException {
    if (failure != null) throw failure;
    if (over) throw new IllegalStateException("the attempt has ended");
  }

  private WriteColumn columnOf(int ofPartition) {
    if (column != null && column.holds(ofPartition)) return column;
    for (WriteColumn one : columns) if (one.holds(ofPartition)) return one;
    return null;
  }

  private void push(WriteColumn one) throws SluiceException, InterruptedException {
    if (one.dropEmpty()) return;
    progress.take(one.frame.bytes.length, IN_FLIGHT_BYTES);
    one.push();
  }

  private InterruptedException stopped(InterruptedException interrupted) {
    abort();
    failure = Errors.of("INTERRUPTED", "", interrupted);
    return interrupted;
  }

  /** What the failure means for the task: a worker that does not take the blocks is reported, and a new attempt goes elsewhere. */
  private SluiceException failed(SluiceException error) throws InterruptedException {
    abort();
    failure = error;
    long shuffle = layout.shuffle();
    client.layouts.forget(shuffle);
    if (error.remedy() == Remedy.SUPERSEDED || error.remedy() == Remedy.FAIL) return error;
    if (error.remedy() != Remedy.RETRY) failure = Errors.of("CONNECTION_LOST", "map " + map + ": " + error.getMessage(), error);
    Location location = progress.failedLocation();
    if (location != null && (error.code().equals("CONNECTION_LOST") || error.code().equals("WRONG_INCARNATION") || error.code().equals("NO_SPACE"))) {
      String because = error.code().equals("WRONG_INCARNATION") ? "incarnation" : "unreachable";
      client.reports.lost(shuffle, location.id(), progress.failedReplica().incarnation(), new int[] {map}, because);
    }
    return failure;
  }
}
