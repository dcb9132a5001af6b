package sluice.client;

import java.util.List;
import sluice.client.FramePool.FrameBuffer;
import sluice.codec.Block;
import sluice.codec.Counts;
import sluice.codec.Frame;
import sluice.codec.Manifest;

/**
 * What a writer sends to one location: the frame that is being filled, the account of what was sealed, and a stream per replica,
 * each of which gets the same frames. Memory besides frames: 12 bytes a partition.
 */
final class WriteColumn {
  final Location location;
  /** In hand; null: none. */
  FrameBuffer frame;
  private final ShuffleClient client;
  private final Layout layout;
  private final int map;
  private final int attempt;
  private final WriteProgress progress;
  private final Connection[] connections;
  private final WriteStream[] streams;
  private final int[] counts;
  private final long[] payloads;
  private int blocks;
  private long records;
  private long payloadBytes;
  private long sum;
  private long manifestHash;
  private boolean first = true;

  WriteColumn(ShuffleClient client, Layout layout, Location location, int map, int attempt, WriteProgress progress) {
    this.client = client;
    this.layout = layout;
    this.location = location;
    this.map = map;
    this.attempt = attempt;
    this.progress = progress;
    counts = new int[location.partitionTo() - location.partitionFrom()];
    payloads = new long[counts.length];
    Location.Replica[] replicas = location.replicas();
    connections = new Connection[replicas.length];
    streams = new WriteStream[replicas.length];
    int level = List.of("received", "written", "durable").indexOf(layout.spec().level());
    Frame.OpenWrite request =
        new Frame.OpenWrite(layout.shuffle(), map, attempt, 0, location.id(), location.partitionFrom(), location.partitionTo(), level);
    for (int i = 0; i < replicas.length; i++) {
      connections[i] = client.connection(replicas[i]);
      streams[i] = connections[i].openWrite(location, replicas[i], request, progress);
    }
  }

  boolean holds(int partition) {
    return location.partitionFrom() <= partition && partition < location.partitionTo();
  }

  /** Nothing has been sent: output may be small. */
  boolean isFirst() {
    return first;
  }

  int filled() {
    return frame == null ? 0 : frame.length;
  }

  int room() {
    return frame.bytes.length - frame.length;
  }

  void begin(int atLeast) {
    frame = client.pool.take(atLeast);
    frame.firstBlock = blocks;
  }

  void seal(int partition, int length, int ofRecords, int codec, int tag, int rawLength) {
    int place = partition - location.partitionFrom();
    sum +=
        Block.seal(
            frame.bytes, frame.length, Block.DATA, codec, 0, tag, length, rawLength, layout.shuffle(), partition, map, attempt, 0,
            counts[place]++, ofRecords);
    frame.length += Block.bytes(length);
    frame.blocks++;
    blocks++;
    payloads[place] += length;
    records += ofRecords;
    payloadBytes += length;
  }

  /** At most. */
  int manifestBytes() {
    return Block.bytes(40 + 7 * counts.length + 16);
  }

  /** Puts the manifest behind the blocks. */
  void manifest() {
    byte[] codes = new byte[counts.length];
    for (int i = 0; i < codes.length; i++) codes[i] = counts[i] == 0 ? 0 : (byte) Manifest.sizeCode(payloads[i]);
    byte[] payload =
        new Manifest(location.partitionFrom(), location.partitionTo(), blocks, records, payloadBytes, sum, counts, codes).encode();
    frame.manifestAt = frame.length;
    System.arraycopy(payload, 0, frame.bytes, frame.length + Block.HEADER_BYTES, payload.length);
    manifestHash =
        Block.seal(
            frame.bytes, frame.length, Block.MANIFEST, 0, 0, 0, payload.length, payload.length, layout.shuffle(), location.partitionFrom(),
            map, attempt, 0, 0, 0);
    frame.length += Block.bytes(payload.length);
  }

  long manifestHash() {
    return manifestHash;
  }

  /** A frame whose blocks all came to nothing is not sent; true: it was one. */
  boolean dropEmpty() {
    if (frame.length > 0) return false;
    frame.free();
    frame = null;
    return true;
  }

  /** Hands the frame to every replica. Its bytes count as under way, as the caller has said, until all have acknowledged it. */
  void push() {
    FrameBuffer full = frame;
    frame = null;
    first = false;
    int bytes = full.bytes.length;
    full.freed = () -> progress.freed(bytes);
    for (int i = 0; i < streams.length; i++) connections[i].push(streams[i], full);
    full.free();
  }

  void abort() {
    if (frame != null) frame.free();
    frame = null;
    for (int i = 0; i < streams.length; i++) connections[i].abort(streams[i]);
  }
}
