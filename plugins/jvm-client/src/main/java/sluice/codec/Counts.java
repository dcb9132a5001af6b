package sluice.codec;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;

/** Block counts as LEB128 numbers, where a 0 is followed by the length of its run of zeros. */
public final class Counts {
  private Counts() {}

  public static byte[] encode(int[] counts) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (int i = 0; i < counts.length; ) {
      put(out, counts[i]);
      if (counts[i] != 0) {
        i++;
        continue;
      }
      int from = i;
      while (i < counts.length && counts[i] == 0) i++;
      put(out, i - from);
    }
    return out.toByteArray();
  }

  /** Reads as many counts as `into` has from the buffer's position; throws when the bytes are no such coding. */
  public static void decode(ByteBuffer bytes, int[] into) throws CorruptException {
    for (int i = 0; i < into.length; ) {
      int count = get(bytes);
      into[i] = count;
      if (count != 0) {
        i++;
        continue;
      }
      int run = get(bytes);
      if (run == 0 || Integer.compareUnsigned(run, into.length - i) > 0) throw new CorruptException("a run of zeros beyond the counts");
      for (int end = i + run; i < end; i++) into[i] = 0;
    }
  }

  private static void put(ByteArrayOutputStream out, int value) {
    int rest = value;
    while (rest >>> 7 != 0) {
      out.write(rest & 0x7F | 0x80);
      rest >>>= 7;
    }
    out.write(rest);
  }

  private static int get(ByteBuffer bytes) throws CorruptException {
    long value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      if (!bytes.hasRemaining()) throw new CorruptException("the counts are cut off");
      int part = bytes.get();
      value |= (long) (part & 0x7F) << shift;
      if (part < 0) continue;
      if (part == 0 && shift > 0 || value > 0xFFFFFFFFL) break;
      return (int) value;
    }
    throw new CorruptException("a count that is no u32");
  }
}
