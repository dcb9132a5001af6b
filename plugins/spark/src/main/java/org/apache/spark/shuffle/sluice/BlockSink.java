package org.apache.spark.shuffle.sluice;

import java.io.IOException;
import org.apache.spark.TaskContext;
import org.apache.spark.shuffle.ShuffleWriteMetricsReporter;
import sluice.client.MapWriter;
import sluice.client.Remedy;
import sluice.client.SluiceException;

/**
 * Takes the serialised records of one map task, a block at a time, codes them straight into the frames that are sent, and counts. Of
 * a partition that is committed already, or after another attempt has won, nothing is sent but all is counted: Spark is told what this
 * attempt's output is. One thread. Memory: one block before coding.
 */
final class BlockSink {
  private final BlockCoding coding;
  private final TaskContext task;
  private final ShuffleWriteMetricsReporter metrics;
  private final long[] lengths;
  /** Null once another attempt has won. */
  private MapWriter writer;
  private byte[] scratch = new byte[0];
  private byte[] unsent = new byte[0];
  private int partition;
  private boolean sends;
  private boolean direct;
  private byte[] bytes;
  private int at;

  /** writer: null when another attempt has won already. */
  BlockSink(MapWriter writer, BlockCoding coding, int partitions, TaskContext task, ShuffleWriteMetricsReporter metrics) {
    this.writer = writer;
    this.coding = coding;
    this.task = task;
    this.metrics = metrics;
    lengths = new long[partitions];
  }

  /** Stored bytes of each partition so far. */
  long[] lengths() {
    return lengths;
  }

  /** Where the map's writer should begin. */
  int firstPartition() {
    return writer == null ? 0 : writer.firstPartition();
  }

  /** Opens a block of up to `length` bytes, to be put at bytes()[at() ..]. */
  void open(int partition, int length) throws IOException, InterruptedException {
    if (task.isInterrupted()) task.killTaskIfInterrupted();
    long begun = System.nanoTime();
    this.partition = partition;
    sends = writer != null && !writer.skips(partition);
    direct = sends && coding.plain() && begin(length);
    if (direct) {
      bytes = writer.bytes();
      at = writer.at();
    } else {
      if (scratch.length < length) scratch = new byte[length];
      bytes = scratch;
      at = 0;
    }
    metrics.incWriteTime(System.nanoTime() - begun);
  }

  byte[] bytes() {
    return bytes;
  }

  int at() {
    return at;
  }

  /** Ends the block. continues: its last record goes on in the partition's next block. */
  void close(int length, int records, boolean continues) throws IOException, InterruptedException {
    long begun = System.nanoTime();
    int goesOn = continues ? Tags.CONTINUED : 0;
    int stored = length;
    if (direct) {
      seal(length, records, goesOn, length);
    } else if (!coding.plain()) {
      int bound = coding.bound(length);
      if (sends && begin(bound)) {
        stored = coding.encode(bytes, 0, length, writer.bytes(), writer.at());
        seal(stored, records, coding.tag() | goesOn, length);
      } else {
        if (unsent.length < bound) unsent = new byte[bound];
        stored = coding.encode(bytes, 0, length, unsent, 0);
      }
    }
    lengths[partition] += stored;
    metrics.incBytesWritten(stored);
    metrics.incRecordsWritten(records);
    metrics.incWriteTime(System.nanoTime() - begun);
  }

  /** A whole run: one stream of the serialiser, in as many blocks as it takes. */
  void run(int partition, byte[] from, int length, int records) throws IOException, InterruptedException {
    int taken = 0;
    int counted = records;
    do {
      int part = Math.min(length - taken, BlockCoding.BLOCK_BYTES);
      open(partition, part);
      System.arraycopy(from, taken, bytes, at, part);
      taken += part;
      close(part, counted, taken < length);
      counted = 0;
    } while (taken < length);
  }

  void commit() throws IOException, InterruptedException {
    if (writer == null) return;
    long begun = System.nanoTime();
    try {
      writer.commit();
    } catch (SluiceException thrown) {
      passBy(thrown);
    }
    metrics.incWriteTime(System.nanoTime() - begun);
  }

  void abort() {
    if (writer != null) writer.abort();
  }

  private boolean begin(int length) throws SluiceException, InterruptedException {
    try {
      writer.begin(partition, length);
      return true;
    } catch (SluiceException thrown) {
      passBy(thrown);
      return false;
    }
  }

  private void seal(int length, int records, int tag, int rawLength) throws SluiceException, InterruptedException {
    try {
      writer.seal(length, records, 0, tag, rawLength);
    } catch (SluiceException thrown) {
      passBy(thrown);
    }
  }

  /** Another attempt has won: nothing more is sent. */
  private void passBy(SluiceException thrown) throws SluiceException {
    if (thrown.remedy() != Remedy.SUPERSEDED) throw thrown;
    writer = null;
    sends = false;
  }
}
