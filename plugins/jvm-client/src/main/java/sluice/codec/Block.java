package sluice.codec;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * The block of docs/PROTOCOL.md: a header of 64 bytes, the payload, zeros up to a multiple of 8. Numbers drawn as u32
 * are ints to be read as unsigned, those drawn as u64 longs. Blocks are made and checked where they lie, without objects.
 */
public final class Block {
  public static final int HEADER_BYTES = 64;
  public static final int MAX_PAYLOAD_BYTES = 16 << 20;
  public static final int MAGIC = 0x4C53;
  public static final int VERSION = 1;
  public static final int DATA = 0;
  public static final int CONTROL = 1;
  public static final int MANIFEST = 2;
  private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

  private Block() {}

  public enum Fault { HEADER, PAYLOAD, FORMAT, TRUNCATED }

  /** Stored bytes of a block with this payload. */
  public static int bytes(int payloadLength) {
    return HEADER_BYTES + (payloadLength + 7 & ~7);
  }

  /** Makes a block of the payload that stands at into[at + 64 .. at + 64 + length), with room for its padding. Answers the header's hash. */
  public static long seal(
      byte[] into, int at, int kind, int codec, int flags, int tag, int length, int rawLength, long shuffle, int partition, int map,
      int attempt, int section, int sequence, int records) {
    if (length < 0 || length > MAX_PAYLOAD_BYTES) throw new IllegalArgumentException("a payload of " + length + " bytes");
    int from = at + HEADER_BYTES;
    int end = at + bytes(length);
    for (int i = from + length; i < end; i++) into[i] = 0;
    INT.set(into, at, MAGIC | VERSION << 16 | kind << 24);
    INT.set(into, at + 4, codec & 0xFF | (flags & 0xFF) << 8 | tag << 16);
    INT.set(into, at + 8, length);
    INT.set(into, at + 12, rawLength);
    LONG.set(into, at + 16, shuffle);
    INT.set(into, at + 24, partition);
    INT.set(into, at + 28, map);
    INT.set(into, at + 32, attempt);
    INT.set(into, at + 36, section);
    INT.set(into, at + 40, sequence);
    INT.set(into, at + 44, records);
    LONG.set(into, at + 48, XxHash64.hash(into, from, end));
    long headerHash = XxHash64.hash(into, at, at + 56);
    LONG.set(into, at + 56, headerHash);
    return headerHash;
  }

  /** Checks the block at bytes[at, limit): the header's hash before its length is believed, then format and payload. Null: it is whole. */
  public static Fault check(byte[] bytes, int at, int limit) {
    if (limit - at < HEADER_BYTES) return Fault.TRUNCATED;
    if (XxHash64.hash(bytes, at, at + 56) != headerHash(bytes, at)) return Fault.HEADER;
    int first = (int) INT.get(bytes, at);
    int length = payloadLength(bytes, at);
    if ((first & 0xFFFFFF) != (MAGIC | VERSION << 16) || kind(bytes, at) > MANIFEST) return Fault.FORMAT;
    if (codec(bytes, at) > 2 || flags(bytes, at) > 1) return Fault.FORMAT;
    if (length < 0 || length > MAX_PAYLOAD_BYTES) return Fault.FORMAT;
    if (limit - at < bytes(length)) return Fault.TRUNCATED;
    int from = at + HEADER_BYTES;
    int end = at + bytes(length);
    if (XxHash64.hash(bytes, from, end) != payloadHash(bytes, at)) return Fault.PAYLOAD;
    for (int i = from + length; i < end; i++) if (bytes[i] != 0) return Fault.FORMAT;
    return null;
  }

  public static int kind(byte[] bytes, int at) {
    return bytes[at + 3] & 0xFF;
  }

  public static int codec(byte[] bytes, int at) {
    return bytes[at + 4] & 0xFF;
  }

  public static int flags(byte[] bytes, int at) {
    return bytes[at + 5] & 0xFF;
  }

  public static int tag(byte[] bytes, int at) {
    return (int) INT.get(bytes, at + 4) >>> 16;
  }

  public static int payloadLength(byte[] bytes, int at) {
    return (int) INT.get(bytes, at + 8);
  }

  public static int rawLength(byte[] bytes, int at) {
    return (int) INT.get(bytes, at + 12);
  }

  public static long shuffle(byte[] bytes, int at) {
    return (long) LONG.get(bytes, at + 16);
  }

  public static int partition(byte[] bytes, int at) {
    return (int) INT.get(bytes, at + 24);
  }

  public static int map(byte[] bytes, int at) {
    return (int) INT.get(bytes, at + 28);
  }

  public static int attempt(byte[] bytes, int at) {
    return (int) INT.get(bytes, at + 32);
  }

  public static int section(byte[] bytes, int at) {
    return (int) INT.get(bytes, at + 36);
  }

  public static int sequence(byte[] bytes, int at) {
    return (int) INT.get(bytes, at + 40);
  }

  public static int records(byte[] bytes, int at) {
    return (int) INT.get(bytes, at + 44);
  }

  public static long payloadHash(byte[] bytes, int at) {
    return (long) LONG.get(bytes, at + 48);
  }

  public static long headerHash(byte[] bytes, int at) {
    return (long) LONG.get(bytes, at + 56);
  }
}
