package sluice.client;

import java.util.ArrayDeque;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The memory that blocks are built in, wait in and arrive in: byte arrays that are used again, in classes of powers of two, so that
 * no shuffle makes garbage of its data. How much is in use is bounded by those who take (credits, a writer's share); what lies
 * here unused is at most 64 MiB a process. Thread safe.
 */
final class FramePool {
  static final int SMALL = 32 << 10;
  private static final int SMALLEST_SHIFT = 12;
  private static final int LARGEST_SHIFT = 21;
  private static final long IDLE_BYTES = 64L << 20;

  private final ArrayDeque<byte[]>[] idle;
  private long idleBytes;

  @SuppressWarnings({"unchecked", "rawtypes"})
  FramePool() {
    idle = new ArrayDeque[LARGEST_SHIFT - SMALLEST_SHIFT + 1];
    for (int i = 0; i < idle.length; i++) idle[i] = new ArrayDeque<>();
  }

  /** A frame of at least so many bytes, held once. Above 2 MiB it is made for the occasion. */
  FrameBuffer take(int bytes) {
    int place = place(bytes);
    if (place >= idle.length) return new FrameBuffer(this, new byte[bytes]);
    synchronized (this) {
      byte[] used = idle[place].pollLast();
      if (used != null) {
        idleBytes -= used.length;
        return new FrameBuffer(this, used);
      }
    }
    return new FrameBuffer(this, new byte[1 << place + SMALLEST_SHIFT]);
  }

  private synchronized void give(byte[] bytes) {
    int place = place(bytes.length);
    if (place >= idle.length || idleBytes + bytes.length > IDLE_BYTES) return;
    idleBytes += bytes.length;
    idle[place].addLast(bytes);
  }

  private static int place(int bytes) {
    return Math.max(0, 32 - Integer.numberOfLeadingZeros(Math.max(1, bytes) - 1) - SMALLEST_SHIFT);
  }

  /** Bytes with a count of who needs them: they are used again when nobody does any more. */
  static final class FrameBuffer {
    final byte[] bytes;
    /** What of it is filled. */
    int length;
    /** The number of its first block in the stream, its blocks without a manifest, and where a manifest begins; -1: nowhere. */
    int firstBlock;
    int blocks;
    int manifestAt = -1;
    /** Told when it is free again. */
    Runnable freed;
    private final FramePool pool;
    private final AtomicInteger holders = new AtomicInteger(1);

    FrameBuffer(FramePool pool, byte[] bytes) {
      this.pool = pool;
      this.bytes = bytes;
    }

    void hold() {
      holders.incrementAndGet();
    }

    /** Once for the taking and once for each hold. */
    void free() {
      if (holders.decrementAndGet() != 0) return;
      pool.give(bytes);
      if (freed != null) freed.run();
    }
  }
}
