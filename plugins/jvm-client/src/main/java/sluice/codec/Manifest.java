package sluice.codec;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A writer's own account of one stream: the payload of its last block. counts[i] and sizeCodes[i] belong to partition
 * partitionFrom + i; a size code means nothing where the count is 0.
 */
public record Manifest(
    int partitionFrom, int partitionTo, int blocks, long records, long payloadBytes, long sum, int[] counts, byte[] sizeCodes) {
  private static final int HEAD_BYTES = 40;
  /** limits[k]: the most bytes a code k stands for; whole numbers, so that every language agrees. */
  private static final long[] LIMITS = new long[256];

  static {
    LIMITS[0] = 1;
    for (int k = 1; k < 256; k++) LIMITS[k] = Math.max(LIMITS[k - 1] + 1, LIMITS[k - 1] * 11 / 10);
  }

  /** The smallest code that stands for `bytes` or more; 255 beyond the table. */
  public static int sizeCode(long bytes) {
    int from = 0;
    int to = 255;
    while (from < to) {
      int middle = from + to >>> 1;
      if (LIMITS[middle] >= bytes) to = middle;
      else from = middle + 1;
    }
    return from;
  }

  public static long sizeOfCode(int code) {
    return LIMITS[code & 0xFF];
  }

  public byte[] encode() {
    byte[] codes = Counts.encode(counts);
    int filled = 0;
    for (int count : counts) if (count != 0) filled++;
    ByteBuffer out = ByteBuffer.allocate(HEAD_BYTES + codes.length + filled).order(ByteOrder.LITTLE_ENDIAN);
    out.putInt(partitionFrom).putInt(partitionTo).putInt(blocks).putInt(0);
    out.putLong(records).putLong(payloadBytes).putLong(sum).put(codes);
    for (int i = 0; i < counts.length; i++) if (counts[i] != 0) out.put(sizeCodes[i]);
    return out.array();
  }

  /** Reads the payload of a verified manifest block, all of it checked. */
  public static Manifest decode(byte[] payload) throws CorruptException {
    if (payload.length < HEAD_BYTES) throw new CorruptException("the manifest is cut off");
    ByteBuffer in = ByteBuffer.wrap(payload).order(ByteOrder.LITTLE_ENDIAN);
    int from = in.getInt();
    int to = in.getInt();
    int blocks = in.getInt();
    int partitions = to - from;
    if (Integer.compareUnsigned(to, from) < 0 || partitions < 0 || in.getInt() != 0) throw new CorruptException("the manifest's range is not one");
    long records = in.getLong();
    long payloadBytes = in.getLong();
    long sum = in.getLong();
    int[] counts = new int[partitions];
    Counts.decode(in, counts);
    long stated = 0;
    byte[] sizeCodes = new byte[partitions];
    for (int i = 0; i < partitions; i++) {
      if (counts[i] == 0) continue;
      stated += counts[i] & 0xFFFFFFFFL;
      if (!in.hasRemaining()) throw new CorruptException("the manifest's sizes are cut off");
      sizeCodes[i] = in.get();
    }
    if (in.hasRemaining() || stated != (blocks & 0xFFFFFFFFL)) throw new CorruptException("the manifest's counts do not sum to its blocks");
    return new Manifest(from, to, blocks, records, payloadBytes, sum, counts, sizeCodes);
  }
}
