package org.apache.spark.shuffle.sluice;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.executor.TaskMetrics;
import org.apache.spark.memory.MemoryConsumer;
import org.apache.spark.memory.SparkOutOfMemoryError;
import org.apache.spark.memory.TaskMemoryManager;
import org.apache.spark.unsafe.Platform;
import org.apache.spark.unsafe.memory.MemoryBlock;

/**
 * Serialised records of one map task in pages of Spark's task memory manager, grouped by partition as they come: a partition has a
 * chain of chunks in the shared pages, each as large as the partition has been so far (256 bytes to 16 KiB), so that thousands of partitions with
 * few records take little and nothing is sorted afterwards. (Sorting pointers and gathering records took two to three times as long,
 * all of it cache misses.) When the pages are full, or when the memory manager asks, the sink gets everything as blocks, partition by partition;
 * nothing is kept on disk. Memory: at most `limit`, about 40 bytes per partition, and the largest record. One thread; a spill
 * that another thread asks for frees nothing.
 */
final class RecordPages extends MemoryConsumer {
  private static final int LEAST_PAGE_BYTES = 64 << 10;
  private static final int MOST_PAGE_BYTES = 4 << 20;
  private static final int LEAST_CHUNK_BYTES = 256;
  private static final int MOST_CHUNK_BYTES = 16 << 10;

  private final BlockSink sink;
  private final long limit;
  private final Thread owner = Thread.currentThread();

  private final List<MemoryBlock> pages = new ArrayList<>();
  private long pageBytes;
  /** The page whose chunks are given out now, and what is left of it. */
  private int page;
  private Object base;
  private long at;
  private long end;

  /** The open chunk of each partition: where its next record goes, where it ends, how many it has. */
  private final Object[] baseOf;
  private final long[] atOf;
  private final long[] endOf;
  private final int[] recordsOf;
  /** The chain of each partition, and the bytes in its closed chunks. headOf is -1 where there is none. */
  private final int[] headOf;
  private final int[] tailOf;
  private final long[] bytesOf;

  /** Chunks by number. */
  private int chunks;
  private Object[] chunkBase = new Object[64];
  private long[] chunkAt = new long[64];
  private int[] chunkLength = new int[64];
  private int[] chunkRecords = new int[64];
  private int[] chunkNext = new int[64];

  /** In the middle of something: the memory manager's question is answered with no. */
  private boolean busy;
  private long peak;
  private long spilled;

  RecordPages(TaskMemoryManager memory, int partitions, long limit, BlockSink sink) {
    super(memory, LEAST_PAGE_BYTES, memory.getTungstenMemoryMode());
    this.sink = sink;
    this.limit = limit;
    baseOf = new Object[partitions];
    atOf = new long[partitions];
    endOf = new long[partitions];
    recordsOf = new int[partitions];
    headOf = new int[partitions];
    tailOf = new int[partitions];
    bytesOf = new long[partitions];
    for (int p = 0; p < partitions; p++) empty(p);
  }

  /** Keeps `length` bytes as a record, after the four big-endian bytes of their length when `stated`. */
  void insert(int partition, Object from, long offset, int length, boolean stated) throws IOException, InterruptedException {
    int record = stated ? length + 4 : length;
    long put = atOf[partition];
    if (put + record > endOf[partition]) put = addChunk(partition, record);
    Object into = baseOf[partition];
    if (stated) {
      Platform.putInt(into, put, Integer.reverseBytes(length));
      put += 4;
    }
    Platform.copyMemory(from, offset, into, put, length);
    atOf[partition] = put + length;
    recordsOf[partition]++;
  }

  /** Sends all there is, and keeps the pages for what comes. */
  void flush() throws IOException, InterruptedException {
    if (chunks == 0) return;
    busy = true;
    int partitions = headOf.length;
    int first = sink.firstPartition();
    for (int i = 0; i < partitions; i++) {
      int p = first + i < partitions ? first + i : first + i - partitions;
      if (headOf[p] < 0) continue;
      closeChunk(p);
      send(p);
      empty(p);
    }
    chunks = 0;
    dropLargePages();
    busy = false;
  }

  /** Frees everything, and tells how much it was; what was not flushed is gone. */
  void free(TaskMetrics metrics) {
    free();
    metrics.incPeakExecutionMemory(peak);
    metrics.incMemoryBytesSpilled(spilled);
    peak = 0;
    spilled = 0;
  }

  @Override
  public long spill(long size, MemoryConsumer trigger) throws IOException {
    if (busy || Thread.currentThread() != owner || getUsed() == 0) return 0;
    long freed = getUsed();
    if (chunks > 0) spilled += freed;
    try {
      flush();
    } catch (Exception thrown) {
      // An IOException would be taken for a lack of memory.
      throw Thrown.unchecked(thrown);
    }
    free();
    return freed;
  }

  private void send(int partition) throws IOException, InterruptedException {
    long left = bytesOf[partition];
    for (int chunk = headOf[partition]; chunk >= 0; ) {
      int length = chunkLength[chunk];
      if (length > BlockCoding.BLOCK_BYTES) {
        sendLarge(partition, chunk);
        left -= length;
        chunk = chunkNext[chunk];
        continue;
      }
      int room = blockBytes(left, length);
      sink.open(partition, room);
      byte[] into = sink.bytes();
      int put = sink.at();
      int full = put + room;
      int records = 0;
      do {
        Platform.copyMemory(chunkBase[chunk], chunkAt[chunk], into, Platform.BYTE_ARRAY_OFFSET + put, length);
        put += length;
        left -= length;
        records += chunkRecords[chunk];
        chunk = chunkNext[chunk];
        if (chunk >= 0) length = chunkLength[chunk];
      } while (chunk >= 0 && length <= full - put);
      sink.close(put - (full - room), records, false);
    }
  }

  /** What is left in blocks of about one size, so that the last one is not a crumb. */
  private static int blockBytes(long left, int least) {
    if (left <= BlockCoding.BLOCK_BYTES) return (int) left;
    long blocks = (left + BlockCoding.BLOCK_BYTES - 1) / BlockCoding.BLOCK_BYTES;
    return (int) Math.min(BlockCoding.BLOCK_BYTES, Math.max(least, left / blocks + MOST_CHUNK_BYTES));
  }

  /** A chunk that is larger than a block is one record. */
  private void sendLarge(int partition, int chunk) throws IOException, InterruptedException {
    int length = chunkLength[chunk];
    for (int sent = 0; sent < length; ) {
      int part = Math.min(length - sent, BlockCoding.BLOCK_BYTES);
      sink.open(partition, part);
      Platform.copyMemory(chunkBase[chunk], chunkAt[chunk] + sent, sink.bytes(), Platform.BYTE_ARRAY_OFFSET + sink.at(), part);
      int records = sent == 0 ? chunkRecords[chunk] : 0;
      sent += part;
      sink.close(part, records, sent < length);
    }
  }

  /** Begins a chunk with room for the record at least, and answers where it begins. */
  private long addChunk(int partition, int record) throws IOException, InterruptedException {
    int least = Math.max(record + 7 & ~7, LEAST_CHUNK_BYTES);
    makeRoom(least);
    // After that: a flush would have closed the chunk already.
    if (headOf[partition] >= 0) closeChunk(partition);
    int wanted = (int) Math.max(least, Math.min(MOST_CHUNK_BYTES, bytesOf[partition]) & ~7);
    int chunk = chunks++;
    if (chunk == chunkNext.length) growChunks();
    if (headOf[partition] < 0) headOf[partition] = chunk;
    else chunkNext[tailOf[partition]] = chunk;
    tailOf[partition] = chunk;
    chunkBase[chunk] = base;
    chunkAt[chunk] = at;
    chunkNext[chunk] = -1;
    baseOf[partition] = base;
    atOf[partition] = at;
    endOf[partition] = Math.min(at + wanted, end);
    recordsOf[partition] = 0;
    long begin = at;
    at = endOf[partition];
    return begin;
  }

  private void closeChunk(int partition) {
    int chunk = tailOf[partition];
    chunkLength[chunk] = (int) (atOf[partition] - chunkAt[chunk]);
    chunkRecords[chunk] = recordsOf[partition];
    bytesOf[partition] += chunkLength[chunk];
  }

  private void empty(int partition) {
    headOf[partition] = -1;
    bytesOf[partition] = 0;
    baseOf[partition] = null;
    atOf[partition] = 0;
    // Even a record of no bytes begins a chunk.
    endOf[partition] = -1;
  }

  private void growChunks() {
    int grown = chunkNext.length * 2;
    chunkBase = Arrays.copyOf(chunkBase, grown);
    chunkAt = Arrays.copyOf(chunkAt, grown);
    chunkLength = Arrays.copyOf(chunkLength, grown);
    chunkRecords = Arrays.copyOf(chunkRecords, grown);
    chunkNext = Arrays.copyOf(chunkNext, grown);
  }

  /** Makes place for a chunk: in this page, the next one, a new one, or in those that a flush has emptied. */
  private void makeRoom(int bytes) throws IOException, InterruptedException {
    while (end - at < bytes) {
      if (page + 1 < pages.size()) {
        turnTo(page + 1);
      } else if (!addPage(bytes)) {
        if (chunks > 0) {
          flush();
        } else {
          // Small pages stand in the way of a large record; if there is no memory then, this throws.
          free();
          addPage(allocatePage(bytes));
        }
      }
    }
  }

  /** False when the limit is reached, or Spark has no more. */
  private boolean addPage(int bytes) {
    long wanted = Math.max(bytes, Math.min(MOST_PAGE_BYTES, Math.max(LEAST_PAGE_BYTES, pageBytes)));
    if (chunks > 0 && pageBytes + wanted > limit) return false;
    busy = true;
    try {
      addPage(allocatePage(wanted));
      return true;
    } catch (SparkOutOfMemoryError none) {
      return false;
    } finally {
      busy = false;
    }
  }

  private void addPage(MemoryBlock block) {
    peak = Math.max(peak, getUsed());
    pageBytes += block.size();
    pages.add(block);
    turnTo(pages.size() - 1);
  }

  private void turnTo(int number) {
    page = number;
    MemoryBlock block = number < pages.size() ? pages.get(number) : null;
    base = block == null ? null : block.getBaseObject();
    at = block == null ? 0 : block.getBaseOffset();
    end = block == null ? 0 : at + block.size();
  }

  /** A page that was made for one large record is not kept. */
  private void dropLargePages() {
    for (int number = pages.size() - 1; number >= 0; number--) {
      MemoryBlock block = pages.get(number);
      if (block.size() <= MOST_PAGE_BYTES) continue;
      pages.remove(number);
      pageBytes -= block.size();
      freePage(block);
    }
    turnTo(0);
  }

  private void free() {
    for (MemoryBlock block : pages) freePage(block);
    pages.clear();
    pageBytes = 0;
    turnTo(0);
    if (chunks > 0) for (int p = 0; p < headOf.length; p++) empty(p);
    chunks = 0;
  }
}
