package org.apache.spark.shuffle.sluice;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.executor.TaskMetrics;
import org.apache.spark.memory.MemoryConsumer;
import org.apache.spark.memory.TaskMemoryManager;
import org.apache.spark.unsafe.Platform;
import org.apache.spark.unsafe.array.LongArray;
import org.apache.spark.unsafe.memory.MemoryBlock;

/**
 * Serialised records of one map task in pages of Spark's task memory manager. When they are full, or when the memory manager asks,
 * a counting sort groups them by partition and the sink gets them as blocks; nothing is kept on disk. Pages grow with what comes: 64 KiB for a
 * handful of records, 4 MiB later, one of its own for a record that is larger. Memory: at most `limit` (16 bytes per record
 * included) and the largest record. One thread; a spill that another thread asks for frees nothing.
 */
final class RecordPages extends MemoryConsumer {
  private static final int OFFSET_BITS = 27;
  private static final int PAGE_BITS = 13;
  private static final long OFFSET_MASK = (1L << OFFSET_BITS) - 1;
  private static final int PAGE_MASK = (1 << PAGE_BITS) - 1;
  static final int MOST_PARTITIONS = 1 << 64 - OFFSET_BITS - PAGE_BITS;
  private static final int LEAST_PAGE_BYTES = 64 << 10;
  private static final int MOST_PAGE_BYTES = 4 << 20;
  private static final int LEAST_POINTERS = 1024;
  /** Before each record: the bytes that follow. */
  private static final int LENGTH_BYTES = 4;

  private final BlockSink sink;
  private final long limit;
  private final Thread owner = Thread.currentThread();
  private final List<MemoryBlock> pages = new ArrayList<>();
  /** Of the pages, by number: looked up once per record. */
  private Object[] bases = new Object[16];
  private long[] offsets = new long[16];
  private long pageBytes;
  /** The page that is filled, and its free bytes as offsets from its base. */
  private int page;
  private Object base;
  private long at;
  private long end;
  /** First half: partition, page and offset of each record as it came; second half: where they are sorted to. */
  private LongArray pointers;
  private int count;
  private int capacity;
  private final int[] countOf;
  private final long[] bytesOf;
  /** In the middle of something: the memory manager's question is answered with no. */
  private boolean busy;
  private long peak;
  private long spilled;

  RecordPages(TaskMemoryManager memory, int partitions, long limit, BlockSink sink) {
    super(memory, LEAST_PAGE_BYTES, memory.getTungstenMemoryMode());
    this.sink = sink;
    this.limit = limit;
    countOf = new int[partitions];
    bytesOf = new long[partitions];
  }

  /** Keeps `length` bytes as a record, after the four big-endian bytes of their length when `stated`. */
  void insert(int partition, Object from, long offset, int length, boolean stated) throws IOException, InterruptedException {
    int record = stated ? length + 4 : length;
    if (at + LENGTH_BYTES + record > end || count == capacity) makeRoom(LENGTH_BYTES + record);
    Object into = base;
    long put = at;
    Platform.putInt(into, put, record);
    put += LENGTH_BYTES;
    if (stated) {
      Platform.putInt(into, put, Integer.reverseBytes(length));
      put += 4;
    }
    Platform.copyMemory(from, offset, into, put, length);
    pointers.set(count++, (long) partition << OFFSET_BITS + PAGE_BITS | (long) page << OFFSET_BITS | at - offsets[page]);
    countOf[partition]++;
    bytesOf[partition] += record;
    at = put + length;
  }

  /** Sends all there is, and keeps the pages for what comes. */
  void flush() throws IOException, InterruptedException {
    if (count == 0) return;
    busy = true;
    int first = sink.firstPartition();
    int partitions = countOf.length;
    int[] endOf = new int[partitions];
    int start = 0;
    for (int p = 0; p < partitions; p++) {
      endOf[p] = start;
      start += countOf[p];
    }
    for (int i = 0; i < count; i++) {
      long pointer = pointers.get(i);
      pointers.set(capacity + endOf[(int) (pointer >>> OFFSET_BITS + PAGE_BITS)]++, pointer);
    }
    for (int i = 0; i < partitions; i++) {
      int p = first + i < partitions ? first + i : first + i - partitions;
      if (countOf[p] > 0) send(p, capacity + endOf[p] - countOf[p], capacity + endOf[p]);
    }
    Arrays.fill(countOf, 0);
    Arrays.fill(bytesOf, 0);
    count = 0;
    dropLarge();
    turnTo(0);
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
    if (count > 0) spilled += freed;
    try {
      flush();
    } catch (Exception thrown) {
      // An IOException would be taken for a lack of memory.
      throw Thrown.unchecked(thrown);
    }
    free();
    return freed;
  }

  private void send(int partition, int from, int to) throws IOException, InterruptedException {
    long left = bytesOf[partition];
    for (int i = from; i < to; ) {
      long pointer = pointers.get(i);
      int number = (int) (pointer >>> OFFSET_BITS) & PAGE_MASK;
      long place = offsets[number] + (pointer & OFFSET_MASK);
      int record = Platform.getInt(bases[number], place);
      if (record > BlockCoding.BLOCK_BYTES) {
        sendLarge(partition, bases[number], place + LENGTH_BYTES, record);
        left -= record;
        i++;
        continue;
      }
      int room = blockBytes(left, record);
      sink.open(partition, room);
      byte[] into = sink.bytes();
      int start = sink.at();
      int put = start;
      int opened = i;
      do {
        Platform.copyMemory(bases[number], place + LENGTH_BYTES, into, Platform.BYTE_ARRAY_OFFSET + put, record);
        put += record;
        if (++i == to) break;
        pointer = pointers.get(i);
        number = (int) (pointer >>> OFFSET_BITS) & PAGE_MASK;
        place = offsets[number] + (pointer & OFFSET_MASK);
        record = Platform.getInt(bases[number], place);
      } while (record <= start + room - put);
      sink.close(put - start, i - opened, false);
      left -= put - start;
    }
  }

  /** What is left in blocks of about one size, so that the last one is not a crumb. */
  private static int blockBytes(long left, int record) {
    if (left <= BlockCoding.BLOCK_BYTES) return (int) left;
    long blocks = (left + BlockCoding.BLOCK_BYTES - 1) / BlockCoding.BLOCK_BYTES;
    return (int) Math.min(BlockCoding.BLOCK_BYTES, Math.max(record, left / blocks + (4 << 10)));
  }

  private void sendLarge(int partition, Object from, long offset, int record) throws IOException, InterruptedException {
    for (int sent = 0; sent < record; ) {
      int part = Math.min(record - sent, BlockCoding.BLOCK_BYTES);
      sink.open(partition, part);
      Platform.copyMemory(from, offset + sent, sink.bytes(), Platform.BYTE_ARRAY_OFFSET + sink.at(), part);
      int counted = sent == 0 ? 1 : 0;
      sent += part;
      sink.close(part, counted, sent < record);
    }
  }

  /** Makes place for one more record: in the next page, in a new one, or in those that a flush has emptied. */
  private void makeRoom(int bytes) throws IOException, InterruptedException {
    if (count == capacity && !growPointers()) flush();
    if (fits(bytes) || addPage(bytes)) return;
    flush();
    if (fits(bytes) || addPage(bytes)) return;
    // Small pages stand in the way of a large record.
    free();
    growPointers();
    addPage(allocatePage(bytes));
  }

  /** Turns to the next page with so much room, if there is one. */
  private boolean fits(int bytes) {
    while (at + bytes > end) {
      if (page + 1 >= pages.size()) return false;
      turnTo(page + 1);
    }
    return true;
  }

  private void free() {
    for (MemoryBlock block : pages) freePage(block);
    pages.clear();
    pageBytes = 0;
    turnTo(0);
    if (pointers != null) freeArray(pointers);
    pointers = null;
    capacity = 0;
    count = 0;
    Arrays.fill(countOf, 0);
    Arrays.fill(bytesOf, 0);
  }

  private boolean addPage(int bytes) {
    long wanted = Math.max(bytes, Math.min(MOST_PAGE_BYTES, Math.max(LEAST_PAGE_BYTES, pageBytes)));
    boolean full = count > 0 && used + wanted > limit;
    if (full || pages.size() == 1 << PAGE_BITS) return false;
    MemoryBlock block = allocate(wanted, bytes);
    if (block == null) return false;
    addPage(block);
    return true;
  }

  private void addPage(MemoryBlock block) {
    peak = Math.max(peak, used);
    pageBytes += block.size();
    int number = pages.size();
    pages.add(block);
    if (number == bases.length) {
      bases = Arrays.copyOf(bases, number * 2);
      offsets = Arrays.copyOf(offsets, number * 2);
    }
    bases[number] = block.getBaseObject();
    offsets[number] = block.getBaseOffset();
    turnTo(number);
  }

  /** False when there are records that should rather be flushed. */
  private boolean growPointers() {
    int wanted = Math.max(LEAST_POINTERS, capacity * 2);
    if (count > 0 && used + 16L * wanted > limit) return false;
    LongArray grown;
    if (capacity == 0) {
      grown = allocateArray(2L * wanted);
    } else {
      MemoryBlock block = allocate(16L * wanted, 16L * wanted);
      if (block == null) return false;
      grown = new LongArray(block);
      Platform.copyMemory(pointers.getBaseObject(), pointers.getBaseOffset(), grown.getBaseObject(), grown.getBaseOffset(), 8L * count);
      freeArray(pointers);
    }
    peak = Math.max(peak, used);
    pointers = grown;
    capacity = wanted;
    return true;
  }

  /** Null when the memory manager has not even `least` bytes. */
  private MemoryBlock allocate(long wanted, long least) {
    busy = true;
    MemoryBlock block = taskMemoryManager.allocatePage(wanted, this);
    busy = false;
    if (block == null) return null;
    used += block.size();
    if (block.size() >= least) return block;
    freePage(block);
    return null;
  }

  /** Pages are filled in their order; one that held a large record goes, since few records would fill it. */
  private void dropLarge() {
    for (int number = pages.size() - 1; number >= 0; number--) {
      MemoryBlock block = pages.get(number);
      if (block.size() <= MOST_PAGE_BYTES) continue;
      pages.remove(number);
      pageBytes -= block.size();
      freePage(block);
    }
    for (int number = 0; number < pages.size(); number++) {
      bases[number] = pages.get(number).getBaseObject();
      offsets[number] = pages.get(number).getBaseOffset();
    }
  }

  private void turnTo(int number) {
    page = number;
    base = number < pages.size() ? bases[number] : null;
    at = number < pages.size() ? offsets[number] : 0;
    end = number < pages.size() ? at + pages.get(number).size() : 0;
  }
}
