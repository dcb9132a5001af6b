package org.apache.spark.shuffle.sluice;

import java.io.IOException;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Method;
import org.apache.spark.io.CompressionCodec;

/**
 * Bare LZ4 blocks, by the library that Spark's codec of that name uses. Its stream allocates 64 KiB, cuts what it gets into pieces of 32 KiB
 * and hashes each a second time: of payloads of 512 bytes it coded 23 MB/s where the bare block did 241, of 4 KiB 191 and 375, of 256 KiB
 * 258 and 340, and it decoded at half the speed. Used where spark.io.compression.codec is lz4 and the library is as it is known here.
 */
final class Lz4 {
  private static final MethodType CODE = MethodType.methodType(int.class, byte[].class, int.class, int.class, byte[].class, int.class, int.class);
  private static final MethodHandle COMPRESS = find("fastCompressor", "net.jpountz.lz4.LZ4Compressor", "compress");
  private static final MethodHandle DECOMPRESS = find("safeDecompressor", "net.jpountz.lz4.LZ4SafeDecompressor", "decompress");

  private Lz4() {}

  /** Whether bare blocks take the place of this codec's streams. */
  static boolean replaces(CompressionCodec codec) {
    return COMPRESS != null && DECOMPRESS != null && codec.getClass().getName().equals("org.apache.spark.io.LZ4CompressionCodec");
  }

  /** Compresses to into[at .. at + room) and answers the length, -1 when it does not fit. */
  static int compress(byte[] raw, int from, int length, byte[] into, int at, int room) {
    try {
      return (int) COMPRESS.invokeExact(raw, from, length, into, at, room);
    } catch (RuntimeException full) {
      // The library has no other way to say so.
      return -1;
    } catch (Throwable thrown) {
      throw Thrown.unchecked(thrown);
    }
  }

  /** @throws IOException unless exactly rawLength bytes come out */
  static void decompress(byte[] block, int from, int length, byte[] into, int rawLength) throws IOException {
    int count;
    try {
      count = (int) DECOMPRESS.invokeExact(block, from, length, into, 0, rawLength);
    } catch (RuntimeException malformed) {
      throw new IOException("a block is no LZ4 block", malformed);
    } catch (Throwable thrown) {
      throw Thrown.unchecked(thrown);
    }
    if (count != rawLength) throw new IOException("a block decodes to another length than it states");
  }

  private static MethodHandle find(String maker, String type, String method) {
    try {
      Class<?> factory = Class.forName("net.jpountz.lz4.LZ4Factory", true, CompressionCodec.class.getClassLoader());
      Object made = factory.getMethod(maker).invoke(factory.getMethod("fastestInstance").invoke(null));
      Method found = Class.forName(type, true, factory.getClassLoader()).getMethod(method, CODE.parameterArray());
      return MethodHandles.publicLookup().unreflect(found).bindTo(made);
    } catch (ReflectiveOperationException | LinkageError unknown) {
      return null;
    }
  }
}
