package org.apache.spark.shuffle.sluice;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.HashMap;
import java.util.Map;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.io.CompressionCodec;
import org.apache.spark.io.CompressionCodec$;
import org.apache.spark.serializer.SerializerManager;
import org.apache.spark.shuffle.ShuffleReadMetricsReporter;
import org.apache.spark.util.TaskCompletionListener;
import sluice.client.BlockReader;
import sluice.client.BlockReader.Received;
import sluice.client.Layout;

/**
 * The blocks of one reader, decoded: next() makes one whole stream of the serializer's own the current one, whatever map it is of. It
 * feeds Spark's metrics, turns failures into what Spark understands, and ends with the task. One thread. Memory: the client's frames
 * in flight, and one decoded block; of a record larger than a block, the record.
 */
final class Reading {
  private static final long NANOS_PER_MILLI = 1_000_000;

  private final Losses losses;
  private final TaskContext task;
  private final ShuffleReadMetricsReporter metrics;
  private final SerializerManager cipher;
  private final SparkConf conf;
  private final BlockReader blocks;
  /** By map and partition, what has come of a stream that goes on. Nearly always empty. */
  private final Map<Long, ByteArrayOutputStream> unfinished = new HashMap<>();
  private CompressionCodec codec;
  private Received block;
  private byte[] decoded = new byte[0];
  private long waitedMillis;
  private boolean over;
  /** The current stream's bytes, when they lie somewhere; else they come from the block. */
  private byte[] bytes;
  private int at;
  private int length;

  private Reading(Losses losses, TaskContext task, ShuffleReadMetricsReporter metrics, SparkEnv env, BlockReader blocks) {
    this.losses = losses;
    this.task = task;
    this.metrics = metrics;
    this.cipher = env.serializerManager();
    this.conf = env.conf();
    this.blocks = blocks;
    task.addTaskCompletionListener(
        (TaskCompletionListener)
            context -> {
              close();
              // The last of the reader's listeners. Spark counts a reader's metrics apart, until they are merged into the task's.
              context.taskMetrics().mergeShuffleReadMetrics();
            });
  }

  /** Asks for the blocks. @throws what Spark is to know, when something of them is lost already */
  static Reading open(
      SluiceHandle<?, ?, ?> handle, int mapFrom, int mapTo, int partitionFrom, int partitionTo, TaskContext task,
      ShuffleReadMetricsReporter metrics, ExecutorState state) {
    SparkEnv env = SparkEnv.get();
    Losses losses = new Losses(handle, partitionFrom, task, env);
    long inFlight = env.conf().getSizeAsBytes("spark.reducer.maxSizeInFlight", "48m");
    long began = System.nanoTime();
    try {
      Layout layout = state.runOf(handle);
      losses.reads(layout);
      BlockReader blocks = state.client().openReader(layout, mapFrom, mapTo, partitionFrom, partitionTo, inFlight);
      Reading reading = new Reading(losses, task, metrics, env, blocks);
      metrics.incFetchWaitTime((System.nanoTime() - began) / NANOS_PER_MILLI);
      return reading;
    } catch (Throwable thrown) {
      throw losses.failure(thrown);
    }
  }

  /** Goes to the next stream; false at the end, which it reaches only when every block has come. */
  boolean next() {
    if (over) return false;
    try {
      for (;;) {
        if (task.isInterrupted()) task.killTaskIfInterrupted();
        block = blocks.next();
        if (block == null) break;
        metrics.incRemoteBlocksFetched(1);
        metrics.incRemoteBytesRead(block.length);
        if (takesUp(block)) return true;
      }
      if (!unfinished.isEmpty()) throw new EOFException("a record has no end: the blocks with the rest of it did not come");
      close();
      return false;
    } catch (Throwable thrown) {
      throw losses.failure(thrown);
    }
  }

  /** The current stream, decoded while it is read. */
  InputStream stream() throws IOException {
    // A bare block is decoded at once or not at all.
    if ((block.tag & Tags.LZ4) != 0) whole();
    return bytes == null ? decode(block) : new ByteArrayInputStream(bytes, at, length);
  }

  /** Makes the whole of the current stream lie at bytes()[at() .. at() + length()), until next() is called. */
  void whole() {
    if (bytes != null) return;
    try {
      if ((block.tag & (Tags.COMPRESSED | Tags.LZ4 | Tags.ENCRYPTED)) == 0) {
        place(block.bytes, block.at, block.length);
      } else {
        length = block.rawLength;
        if (decoded.length < length) decoded = new byte[Math.max(length, Math.min(2 * decoded.length, 1 << 20))];
        fill(block, decoded);
        place(decoded, 0, length);
      }
    } catch (Throwable thrown) {
      throw losses.failure(thrown);
    }
  }

  byte[] bytes() {
    return bytes;
  }

  int at() {
    return at;
  }

  int length() {
    return length;
  }

  void countRecords(long records) {
    metrics.incRecordsRead(records);
  }

  TaskContext task() {
    return task;
  }

  /** Again: nothing. */
  void close() {
    if (over) return;
    over = true;
    countWait();
    blocks.close();
    unfinished.clear();
    decoded = new byte[0];
  }

  /** True when a whole stream is there: the block is one, or ends one. */
  private boolean takesUp(Received one) throws IOException {
    bytes = null;
    boolean continued = (one.tag & Tags.CONTINUED) != 0;
    if (!continued && unfinished.isEmpty()) return true;
    Long key = (long) one.map << 32 | one.partition & 0xFFFFFFFFL;
    ByteArrayOutputStream begun = unfinished.get(key);
    if (begun == null) {
      if (!continued) return true;
      unfinished.put(key, begun = new ByteArrayOutputStream(2 * one.rawLength));
    }
    byte[] part = new byte[one.rawLength];
    fill(one, part);
    begun.write(part, 0, part.length);
    if (continued) return false;
    unfinished.remove(key);
    place(begun.toByteArray(), 0, begun.size());
    return true;
  }

  private void place(byte[] at, int from, int count) {
    this.bytes = at;
    this.at = from;
    this.length = count;
  }

  private void fill(Received one, byte[] into) throws IOException {
    if ((one.tag & Tags.LZ4) != 0) {
      if ((one.tag & Tags.ENCRYPTED) == 0) {
        Lz4.decompress(one.bytes, one.at, one.length, into, one.rawLength);
      } else {
        byte[] coded = decode(one).readAllBytes();
        Lz4.decompress(coded, 0, coded.length, into, one.rawLength);
      }
      return;
    }
    try (InputStream in = decode(one)) {
      int count = in.readNBytes(into, 0, one.rawLength);
      if (count != one.rawLength || in.read() >= 0) throw new EOFException("a block decodes to another length than it states");
    }
  }

  private InputStream decode(Received one) throws IOException {
    InputStream in = new ByteArrayInputStream(one.bytes, one.at, one.length);
    if ((one.tag & Tags.ENCRYPTED) != 0) in = cipher.wrapForEncryption(in);
    if ((one.tag & Tags.COMPRESSED) != 0) {
      if (codec == null) codec = CompressionCodec$.MODULE$.createCodec(conf);
      in = codec.compressedInputStream(in);
    }
    return in;
  }

  private void countWait() {
    long millis = blocks.waitedNanos() / NANOS_PER_MILLI;
    metrics.incFetchWaitTime(millis - waitedMillis);
    waitedMillis = millis;
  }
}
