package sluice.codec;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * The block of docs/PROTOCOL.md: a header of 64 bytes, the payload, zeros up to a multiple of 8. Numbers drawn as u32
 * are ints to be read as unsigned, those drawn as u64 longs.
 */
public final class Block {
  public static final int HEADER_BYTES = 64;
  public static final int MAX_PAYLOAD_BYTES = 16 << 20;
  public static final int MAGIC = 0x4C53;
  public static final int VERSION = 0;
  public static final int DATA = 0;
  public static final int CONTROL = 1;
  public static final int MANIFEST = 2;

  private Block() {}

  /** What the writer states; magic, version and hashes are made from it. */
  public record Header(
      int kind, int codec, int flags, int tag, int payloadLength, int rawLength, long shuffle,
      int partition, int map, int attempt, int section, int sequence, int records) {}

  public enum Fault { HEADER, PAYLOAD, FORMAT, TRUNCATED }

  /** What stands at a place: a whole block, or why it is none. */
  public sealed interface Read permits Whole, Corrupt {}

  /** payloadAt is where the payload begins in the bytes that were read; bytes is the stored length. */
  public record Whole(Header header, long payloadHash, long headerHash, int payloadAt, int bytes) implements Read {}

  public record Corrupt(Fault fault) implements Read {}

  /** Stored bytes of a block with this payload. */
  public static int bytes(int payloadLength) {
    return HEADER_BYTES + (payloadLength + 7 & ~7);
  }

  /** Writes a sealed block at into[at..] and answers its stored bytes. */
  public static int seal(byte[] into, int at, Header header, byte[] payload, int payloadAt) {
    int length = header.payloadLength;
    if (length < 0 || length > MAX_PAYLOAD_BYTES) throw new IllegalArgumentException("a payload of " + length + " bytes");
    int end = at + bytes(length);
    int from = at + HEADER_BYTES;
    ByteBuffer buffer = ByteBuffer.wrap(into).order(ByteOrder.LITTLE_ENDIAN).position(at);
    buffer.putShort((short) MAGIC).put((byte) VERSION).put((byte) header.kind);
    buffer.put((byte) header.codec).put((byte) header.flags).putShort((short) header.tag);
    buffer.putInt(length).putInt(header.rawLength).putLong(header.shuffle);
    buffer.putInt(header.partition).putInt(header.map).putInt(header.attempt).putInt(header.section);
    buffer.putInt(header.sequence).putInt(header.records);
    System.arraycopy(payload, payloadAt, into, from, length);
    Arrays.fill(into, from + length, end, (byte) 0);
    buffer.putLong(XxHash64.hash(into, from, end));
    buffer.putLong(XxHash64.hash(into, at, at + 56));
    return end - at;
  }

  /** Checks the block at bytes[at, limit): the header's hash before its length is believed, then format and payload. */
  public static Read verify(byte[] bytes, int at, int limit) {
    if (limit - at < HEADER_BYTES) return new Corrupt(Fault.TRUNCATED);
    ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    long headerHash = buffer.getLong(at + 56);
    if (XxHash64.hash(bytes, at, at + 56) != headerHash) return new Corrupt(Fault.HEADER);
    buffer.position(at);
    int magic = buffer.getShort() & 0xFFFF;
    int version = buffer.get();
    int kind = buffer.get() & 0xFF;
    int codec = buffer.get() & 0xFF;
    int flags = buffer.get() & 0xFF;
    int tag = buffer.getShort() & 0xFFFF;
    int length = buffer.getInt();
    if (magic != MAGIC || version != VERSION || kind > 2 || codec > 2 || flags > 1) return new Corrupt(Fault.FORMAT);
    if (length < 0 || length > MAX_PAYLOAD_BYTES) return new Corrupt(Fault.FORMAT);
    if (limit - at < bytes(length)) return new Corrupt(Fault.TRUNCATED);
    Header header =
        new Header(
            kind, codec, flags, tag, length, buffer.getInt(), buffer.getLong(), buffer.getInt(), buffer.getInt(),
            buffer.getInt(), buffer.getInt(), buffer.getInt(), buffer.getInt());
    int from = at + HEADER_BYTES;
    int end = at + bytes(length);
    long payloadHash = buffer.getLong();
    if (XxHash64.hash(bytes, from, end) != payloadHash) return new Corrupt(Fault.PAYLOAD);
    for (int i = from + length; i < end; i++) if (bytes[i] != 0) return new Corrupt(Fault.FORMAT);
    return new Whole(header, payloadHash, headerHash, from, end - at);
  }
}
