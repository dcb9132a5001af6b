package sluice.codec;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The frames of a data connection: a header of 16 bytes and one of twelve messages. The check word covers header and
 * body, of BLOCKS the header only, since blocks carry their own hashes.
 */
public final class Frame {
  public static final int HEADER_BYTES = 16;
  public static final int MAX_BLOCKS_BYTES = Block.MAX_PAYLOAD_BYTES + (64 << 10);
  public static final int MAX_CONTROL_BYTES = 4 << 20;
  private static final int BLOCKS = 4;

  private Frame() {}

  public sealed interface Message {}

  public record OpenWrite(
      long shuffle, int map, int attempt, int section, int location, int partitionFrom, int partitionTo, int level) implements Message {}

  public record OpenRead(
      long shuffle, int location, int partitionFrom, int partitionTo, int mapFrom, int mapTo, int sectionFrom,
      int ledgerVersion, int flags, int grantBytes, long cursor, byte[] skip) implements Message {}

  public record Opened(int accepted, int grantBytes, int ledgerVersion, long backlogBytes) implements Message {}

  /** Whole blocks, as they are. */
  public record Blocks(byte[] body) implements Message {}

  public record Ack(int accepted, int level, int grantBytes, int last) implements Message {}

  public record Credit(int grantBytes, int wantedBytes) implements Message {}

  public record End(int section, int more, long cursor, byte[] counts) implements Message {}

  public record Close(int reason) implements Message {}

  public record Failure(int code, int retryAfterMs, int[] maps, String text) implements Message {}

  public record Ping(long nonce) implements Message {}

  public record Pong(long nonce) implements Message {}

  public record GoAway(int deadlineMs) implements Message {}

  /** A message and the stream it belongs to; 0 is the connection. */
  public record Received(int stream, Message message) {}

  public static byte[] encode(int stream, Message message) {
    ByteBuffer out = ByteBuffer.allocate(HEADER_BYTES + bodyBytes(message)).order(ByteOrder.LITTLE_ENDIAN);
    out.putInt(out.capacity() - HEADER_BYTES).putInt(typeOf(message)).putInt(stream).putInt(0);
    if (message instanceof OpenWrite m) {
      out.putLong(m.shuffle).putInt(m.map).putInt(m.attempt).putInt(m.section).putInt(m.location);
      out.putInt(m.partitionFrom).putInt(m.partitionTo).putInt(m.level);
    } else if (message instanceof OpenRead m) {
      out.putLong(m.shuffle).putInt(m.location).putInt(m.partitionFrom).putInt(m.partitionTo).putInt(m.mapFrom).putInt(m.mapTo);
      out.putInt(m.sectionFrom).putInt(m.ledgerVersion).putInt(m.flags).putInt(m.grantBytes).putInt(m.skip.length).putLong(m.cursor).put(m.skip);
    } else if (message instanceof Opened m) {
      out.putInt(m.accepted).putInt(m.grantBytes).putInt(m.ledgerVersion).putInt(0).putLong(m.backlogBytes);
    } else if (message instanceof Blocks m) {
      out.put(m.body);
    } else if (message instanceof Ack m) {
      out.putInt(m.accepted).putInt(m.level).putInt(m.grantBytes).putInt(m.last);
    } else if (message instanceof Credit m) {
      out.putInt(m.grantBytes).putInt(m.wantedBytes);
    } else if (message instanceof End m) {
      out.putInt(m.section).putInt(m.more).putLong(m.cursor).putInt(m.counts.length).putInt(0).put(m.counts);
    } else if (message instanceof Close m) {
      out.putInt(m.reason);
    } else if (message instanceof Failure m) {
      byte[] text = m.text.getBytes(StandardCharsets.UTF_8);
      out.putInt(m.code).putInt(m.retryAfterMs).putInt(m.maps.length).putInt(text.length);
      for (int map : m.maps) out.putInt(map);
      out.put(text);
    } else if (message instanceof Ping m) {
      out.putLong(m.nonce);
    } else if (message instanceof Pong m) {
      out.putLong(m.nonce);
    } else if (message instanceof GoAway m) {
      out.putInt(m.deadlineMs);
    }
    byte[] frame = out.array();
    if (message instanceof Blocks m) writeBlocksHeader(frame, 0, stream, m.body.length);
    else out.putInt(12, check(frame, false));
    return frame;
  }

  /** Reads one whole frame; its length was learned with `bodyLength`. */
  public static Received decode(byte[] frame) throws CorruptException {
    int length = bodyLength(frame, 0);
    if (frame.length != HEADER_BYTES + length) throw new CorruptException("a frame of another length than it says");
    ByteBuffer in = ByteBuffer.wrap(frame).order(ByteOrder.LITTLE_ENDIAN).position(4);
    int type = in.get();
    if (in.get() != 0 || in.getShort() != 0) throw new CorruptException("bits set that must be 0");
    int stream = in.getInt();
    int stated = in.getInt();
    byte[] cleared = frame.clone();
    Arrays.fill(cleared, 12, 16, (byte) 0);
    if (check(cleared, type == BLOCKS) != stated) throw new CorruptException("the check word differs");
    Message message = body(type, in);
    if (frame.length - in.position() > 7) throw new CorruptException("a body longer than its message");
    while (in.hasRemaining()) if (in.get() != 0) throw new CorruptException("a body that is not filled up with zeros");
    return new Received(stream, message);
  }

  /** Writes the header that goes before bodyLength bytes of whole blocks. */
  public static void writeBlocksHeader(byte[] into, int at, int stream, int bodyLength) {
    ByteBuffer.wrap(into).order(ByteOrder.LITTLE_ENDIAN).position(at).putInt(bodyLength).putInt(BLOCKS).putInt(stream).putInt(0);
    int check = (int) XxHash64.hash(into, at, at + HEADER_BYTES);
    ByteBuffer.wrap(into).order(ByteOrder.LITTLE_ENDIAN).putInt(at + 12, check);
  }

  /** True for a header of BLOCKS, whose body is not wanted in one piece with it. */
  public static boolean isBlocks(byte[] header) {
    return header[4] == BLOCKS;
  }

  /** The stream of a header of BLOCKS, checked. */
  public static int blocksStream(byte[] header) throws CorruptException {
    ByteBuffer in = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
    byte[] expected = new byte[HEADER_BYTES];
    writeBlocksHeader(expected, 0, in.getInt(8), in.getInt(0));
    if (!Arrays.equals(expected, 0, HEADER_BYTES, header, 0, HEADER_BYTES)) throw new CorruptException("the check word differs");
    return in.getInt(8);
  }

  /** The body's length as the header at bytes[at..] claims it, refused when no message may be as long. */
  public static int bodyLength(byte[] bytes, int at) throws CorruptException {
    ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    int length = in.getInt(at);
    int most = bytes[at + 4] == BLOCKS ? MAX_BLOCKS_BYTES : MAX_CONTROL_BYTES;
    if (length < 0 || length > most || length % 8 != 0) throw new CorruptException("a body of " + Integer.toUnsignedString(length) + " bytes");
    return length;
  }

  private static int check(byte[] frame, boolean headerOnly) {
    return (int) XxHash64.hash(frame, 0, headerOnly ? HEADER_BYTES : frame.length);
  }

  private static Message body(int type, ByteBuffer in) throws CorruptException {
    try {
      switch (type) {
        case 1: {
          OpenWrite m = new OpenWrite(in.getLong(), in.getInt(), in.getInt(), in.getInt(), in.getInt(), in.getInt(), in.getInt(), in.getInt());
          zero(in);
          return m;
        }
        case 2: {
          long shuffle = in.getLong();
          int[] n = ints(in, 9);
          int skip = in.getInt();
          long cursor = in.getLong();
          return new OpenRead(shuffle, n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], cursor, bytes(in, skip));
        }
        case 3: {
          int[] n = ints(in, 3);
          zero(in);
          return new Opened(n[0], n[1], n[2], in.getLong());
        }
        case BLOCKS:
          return new Blocks(bytes(in, in.remaining()));
        case 5:
          return new Ack(in.getInt(), in.getInt(), in.getInt(), in.getInt());
        case 6:
          return new Credit(in.getInt(), in.getInt());
        case 7: {
          int section = in.getInt();
          int more = in.getInt();
          long cursor = in.getLong();
          int counts = in.getInt();
          zero(in);
          return new End(section, more, cursor, bytes(in, counts));
        }
        case 8: {
          Close m = new Close(in.getInt());
          zero(in);
          return m;
        }
        case 9: {
          int code = in.getInt();
          int retryAfterMs = in.getInt();
          int maps = in.getInt();
          int text = in.getInt();
          if (maps < 0 || maps > in.remaining() / 4) throw new CorruptException("more maps than bytes");
          return new Failure(code, retryAfterMs, ints(in, maps), new String(bytes(in, text), StandardCharsets.UTF_8));
        }
        case 10:
          return new Ping(in.getLong());
        case 11:
          return new Pong(in.getLong());
        case 12: {
          GoAway m = new GoAway(in.getInt());
          zero(in);
          return m;
        }
        default:
          throw new CorruptException("there is no message " + type);
      }
    } catch (java.nio.BufferUnderflowException cut) {
      throw new CorruptException("a body that is cut off");
    }
  }

  private static void zero(ByteBuffer in) throws CorruptException {
    if (in.getInt() != 0) throw new CorruptException("bits set that must be 0");
  }

  private static int[] ints(ByteBuffer in, int count) {
    int[] numbers = new int[count];
    for (int i = 0; i < count; i++) numbers[i] = in.getInt();
    return numbers;
  }

  private static byte[] bytes(ByteBuffer in, int length) throws CorruptException {
    if (length < 0 || length > in.remaining()) throw new CorruptException("a body that is cut off");
    byte[] bytes = new byte[length];
    in.get(bytes);
    return bytes;
  }

  private static int typeOf(Message message) {
    if (message instanceof OpenWrite) return 1;
    if (message instanceof OpenRead) return 2;
    if (message instanceof Opened) return 3;
    if (message instanceof Blocks) return BLOCKS;
    if (message instanceof Ack) return 5;
    if (message instanceof Credit) return 6;
    if (message instanceof End) return 7;
    if (message instanceof Close) return 8;
    if (message instanceof Failure) return 9;
    if (message instanceof Ping) return 10;
    return message instanceof Pong ? 11 : 12;
  }

  private static int bodyBytes(Message message) {
    int bytes = 8;
    if (message instanceof OpenWrite) bytes = 40;
    else if (message instanceof OpenRead m) bytes = 56 + m.skip.length;
    else if (message instanceof Opened) bytes = 24;
    else if (message instanceof Blocks m) bytes = m.body.length;
    else if (message instanceof Ack) bytes = 16;
    else if (message instanceof End m) bytes = 24 + m.counts.length;
    else if (message instanceof Failure m) bytes = 16 + 4 * m.maps.length + m.text.getBytes(StandardCharsets.UTF_8).length;
    return bytes + 7 & ~7;
  }
}
