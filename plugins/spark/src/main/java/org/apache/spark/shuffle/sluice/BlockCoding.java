package org.apache.spark.shuffle.sluice;

import java.io.IOException;
import java.io.OutputStream;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.apache.spark.io.CompressionCodec;
import org.apache.spark.io.CompressionCodec$;
import org.apache.spark.serializer.SerializerManager;

/**
 * How a writer makes payloads of serialised records: with Spark's codec and key, in the order that Tags says, and each alone. One
 * task's, one thread's.
 */
final class BlockCoding {
  /** The most that a block has before coding: large enough that a block costs nothing, small enough for a second-level cache. */
  static final int BLOCK_BYTES = (256 << 10) - 64;
  /** Smaller ones hardly gain from a codec's own header. */
  private static final int LEAST_COMPRESSED = 128;
  /** Initialisation vector and what a cipher may add. */
  private static final int CIPHER_BYTES = 256;

  private final CompressionCodec codec;
  private final boolean isLz4;
  private final SerializerManager cipher;
  private final Fixed out = new Fixed();
  private byte[] compressed = new byte[0];
  private int tag;

  private BlockCoding(CompressionCodec codec, SerializerManager cipher) {
    this.codec = codec;
    isLz4 = codec != null && Lz4.replaces(codec);
    this.cipher = cipher;
  }

  /** By spark.shuffle.compress, spark.io.compression.codec and spark.io.encryption.enabled. */
  static BlockCoding of(SparkEnv env) {
    SparkConf conf = env.conf();
    boolean compresses = conf.getBoolean("spark.shuffle.compress", true);
    SerializerManager manager = env.serializerManager();
    return new BlockCoding(compresses ? CompressionCodec$.MODULE$.createCodec(conf) : null, manager.encryptionEnabled() ? manager : null);
  }

  /** Payloads are the serialised bytes as they are. */
  boolean plain() {
    return codec == null && cipher == null;
  }

  /** Room that encode needs for so many bytes. */
  int bound(int length) {
    return cipher == null ? length : length + CIPHER_BYTES;
  }

  /** Codes raw[from .. from + length) to into[at ..], where bound(length) bytes are free; answers the payload's length, and tag() how. */
  int encode(byte[] raw, int from, int length, byte[] into, int at) throws IOException {
    tag = 0;
    byte[] source = raw;
    int start = from;
    int bytes = length;
    if (codec != null && length >= LEAST_COMPRESSED) {
      if (cipher == null) {
        int shorter = compress(raw, from, length, into, at);
        if (shorter >= 0) return shorter;
      } else {
        if (compressed.length < length) compressed = new byte[length];
        int shorter = compress(raw, from, length, compressed, 0);
        if (shorter >= 0) {
          source = compressed;
          start = 0;
          bytes = shorter;
        }
      }
    }
    if (cipher == null) {
      System.arraycopy(source, start, into, at, bytes);
      return bytes;
    }
    tag |= Tags.ENCRYPTED;
    out.to(into, at, at + bound(length));
    try (OutputStream stream = cipher.wrapForEncryption(out)) {
      stream.write(source, start, bytes);
    }
    if (out.overflowed) throw new IOException("a cipher that adds more than " + CIPHER_BYTES + " bytes");
    return out.at - at;
  }

  /** How the payload that encode made last was coded. */
  int tag() {
    return tag;
  }

  /** -1 when it does not get shorter by a thirty-second: decoding costs more than that is worth. */
  private int compress(byte[] raw, int from, int length, byte[] into, int at) throws IOException {
    int room = length - (length >> 5) - 1;
    if (isLz4) {
      int shorter = Lz4.compress(raw, from, length, into, at, room);
      if (shorter >= 0) tag |= Tags.LZ4;
      return shorter;
    }
    out.to(into, at, at + room);
    try (OutputStream stream = codec.compressedOutputStream(out)) {
      stream.write(raw, from, length);
    }
    if (out.overflowed) return -1;
    tag |= Tags.COMPRESSED;
    return out.at - at;
  }

  /** Into a part of an array; what does not fit is dropped, and told. */
  private static final class Fixed extends OutputStream {
    private byte[] bytes;
    private int at;
    private int end;
    private boolean overflowed;

    void to(byte[] into, int from, int to) {
      bytes = into;
      at = from;
      end = to;
      overflowed = false;
    }

    @Override
    public void write(int value) {
      if (at == end) overflowed = true;
      else bytes[at++] = (byte) value;
    }

    @Override
    public void write(byte[] from, int offset, int length) {
      if (length > end - at) {
        overflowed = true;
        return;
      }
      System.arraycopy(from, offset, bytes, at, length);
      at += length;
    }
  }
}
