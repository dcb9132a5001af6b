package sluice.client;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import sluice.client.FramePool.FrameBuffer;
import sluice.codec.Block;

/**
 * The winners' blocks of a rectangle, each verified and given once. It ends only when every count is what the writers stated.
 * Between (map, partition) pairs there is no order; within one, blocks come in the order they were written. One thread.
 */
public final class BlockReader implements AutoCloseable {
  /** What a stream may have on its way: two frames of a worker's largest. */
  private static final int MOST_WINDOW_BYTES = 2 << 20;
  private static final int LEAST_WINDOW_BYTES = 256 << 10;
  /** How often pieces are planned anew because their cells have moved. */
  private static final int PLANS = 5;

  /** A block; its payload is bytes[at .. at + length). */
  public static final class Received {
    public int partition;
    public int map;
    public int records;
    public int codec;
    public int tag;
    public int rawLength;
    public byte[] bytes;
    public int at;
    public int length;
  }

  private final ShuffleClient client;
  private final long shuffle;
  private final ReadRange range;
  private final Mailbox mailbox = new Mailbox();
  private final Received received = new Received();
  private final int window;
  private final int streams;
  private final ArrayDeque<PieceReader> waiting = new ArrayDeque<>();
  private final List<PieceReader> open = new ArrayList<>();
  private int plans;
  /** The frame in hand, where its next block is, and whose it is. */
  private FrameBuffer frame;
  private int at;
  private PieceReader piece;
  private ReadStream stream;
  private SluiceException failure;
  private boolean closed;

  BlockReader(ShuffleClient client, Layout layout, ReadRange range, long maxBytesInFlight) throws SluiceException {
    this.client = client;
    this.shuffle = layout.shuffle();
    this.range = range;
    requireAll(layout, layout.invalidated() ? "the run is invalidated" : "not committed");
    List<ReadPlan.Piece> pieces = ReadPlan.pieces(layout, range);
    long share = maxBytesInFlight / Math.max(1, pieces.size());
    window = (int) Math.max(LEAST_WINDOW_BYTES, Math.min(MOST_WINDOW_BYTES, share)) & ~7;
    streams = (int) Math.max(1, Math.min(pieces.size(), maxBytesInFlight / window));
    plan(layout, pieces);
  }

  private void plan(Layout layout, List<ReadPlan.Piece> pieces) {
    plans++;
    for (ReadPlan.Piece one : pieces) waiting.add(new PieceReader(client, layout, one, mailbox, window));
    openMore();
  }

  private void openMore() {
    while (open.size() < streams && !waiting.isEmpty()) {
      PieceReader next = waiting.poll();
      open.add(next);
      next.open();
    }
  }

  private void requireAll(Layout layout, String what) throws SluiceException {
    int[] vacant = layout.vacant(range.mapFrom(), range.mapTo(), range.partitionFrom(), range.partitionTo());
    if (vacant.length == 0) return;
    throw Errors.of("MISSING", Map.of("shuffle", Long.toUnsignedString(shuffle), "maps", vacant, "what", what), null);
  }

  /**
   * The next block; null at the end. Interrupted, or failed, the reader is closed. The object and its bytes are valid until the next call; it is the same object each time.
   * @throws SluiceException MISSING (RECOMPUTE): these maps' output is lost, the manager knows and their cells are vacant ·
   *   CONNECTION_LOST (RETRY): the cells have moved after blocks of them were given, begin again · SHUFFLE_RELEASED,
   *   SHUFFLE_UNKNOWN, UNAUTHORIZED (FAIL)
   */
  public Received next() throws SluiceException, InterruptedException {
    if (failure != null) throw failure;
    if (closed) throw new IllegalStateException("the reader is closed");
    try {
      for (;;) {
        if (frame != null && isBlockNext()) return received;
        if (frame != null) continue;
        if (open.isEmpty()) return null;
        take(mailbox.take());
      }
    } catch (SluiceException error) {
      failure = error;
      close();
      throw error;
    } catch (InterruptedException interrupted) {
      failure = Errors.of("INTERRUPTED", "", interrupted);
      close();
      throw interrupted;
    }
  }

  /** Verifies one block of the frame; false when it was none to be given, or the frame is done with. */
  private boolean isBlockNext() throws SluiceException, InterruptedException {
    if (at == frame.length) {
      freeFrame();
      return false;
    }
    byte[] bytes = frame.bytes;
    int from = at;
    SluiceException fault = piece.faultOf(bytes, from, frame.length);
    if (fault != null) {
      freeFrame();
      failed(piece, fault, true);
      return false;
    }
    int length = Block.payloadLength(bytes, from);
    at += Block.bytes(length);
    if (!piece.isNext(bytes, from)) return false;
    received.partition = Block.partition(bytes, from);
    received.map = Block.map(bytes, from);
    received.records = Block.records(bytes, from);
    received.codec = Block.codec(bytes, from);
    received.tag = Block.tag(bytes, from);
    received.rawLength = Block.rawLength(bytes, from);
    received.bytes = bytes;
    received.at = from + Block.HEADER_BYTES;
    received.length = length;
    return true;
  }

  private void take(Mailbox.Mail mail) throws SluiceException, InterruptedException {
    PieceReader of = null;
    for (PieceReader one : open) if (one.isOf(mail.stream())) of = one;
    if (of == null) {
      // Of a stream that was given up.
      if (mail.frame() != null) mail.frame().free();
      return;
    }
    SluiceException fault = mail.error() == null ? of.movedFault() : null;
    if (fault == null && mail.frame() != null) {
      frame = mail.frame();
      at = 0;
      piece = of;
      stream = mail.stream();
      return;
    }
    if (mail.frame() != null) mail.frame().free();
    if (mail.counts() != null && fault == null) fault = of.faultOfCounts(mail.counts());
    if (mail.error() != null) failed(of, mail.error(), false);
    else if (fault != null) failed(of, fault, true);
    else {
      open.remove(of);
      openMore();
    }
  }

  private void freeFrame() {
    stream.free(frame);
    frame = null;
  }

  private void failed(PieceReader of, SluiceException error, boolean isOurs) throws SluiceException, InterruptedException {
    try {
      of.failed(error, isOurs);
    } catch (SluiceException last) {
      planAnew(of, last);
    }
  }

  /** Reports what a piece ran into. When all cells are committed nonetheless, and nothing of the piece was given out, it is read where they are now. */
  private void planAnew(PieceReader of, SluiceException error) throws SluiceException, InterruptedException {
    if (!error.code().equals("LAYOUT_MOVED")) {
      String because = Reports.because(error);
      if (because == null) throw error;
      int[] maps = error.maps().length > 0 ? error.maps() : of.all();
      client.reports.lost(shuffle, of.piece.location().id(), of.blamed().incarnation(), maps, because);
    }
    Layout now = client.refresh(shuffle);
    requireAll(now, error.getMessage());
    if (of.hasTaken() || plans >= PLANS) throw Errors.of("CONNECTION_LOST", error.getMessage(), error);
    open.remove(of);
    ReadPlan.Piece piece = of.piece;
    plan(now, ReadPlan.pieces(now, new ReadRange(piece.mapFrom(), piece.mapTo(), piece.partitionFrom(), piece.partitionTo())));
  }

  /** Time that next() has waited for workers. */
  public long waitedNanos() {
    return mailbox.waitedNanos();
  }

  /** Again, or after the end: nothing. */
  @Override
  public void close() {
    if (closed) return;
    closed = true;
    if (frame != null) frame.free();
    frame = null;
    for (PieceReader one : open) one.close();
    open.clear();
    waiting.clear();
    mailbox.close();
  }
}
