package sluice.client;

import java.util.ArrayList;
import java.util.List;
import sluice.client.FramePool.FrameBuffer;
import sluice.codec.Block;
import sluice.codec.Frame;

/**
 * What an attempt of a map writes to one replica of one location: frames in their order, kept until they are acknowledged so that a
 * cut connection can go on where the worker is. Everything here happens with the connection's lock held.
 */
final class WriteStream {
  /** A frame is cut to this on the wire, unless a single block is larger. */
  private static final int MAX_FRAME_BYTES = 1 << 20;
  /** A stream whose blocks arrived damaged is resumed this often. */
  private static final int RESENDS = 3;

  /** NEW: OPEN_WRITE is due · WAITING: for OPENED, since blocks may be there already · READY: blocks may go. */
  private enum State { NEW, WAITING, READY, OVER }

  final Location location;
  final Location.Replica replica;
  final int map;
  int id;
  private final Connection connection;
  private final Frame.OpenWrite request;
  private final WriteProgress progress;
  private State state = State.NEW;
  private boolean resuming;
  private int resends;
  /** Pushed and not acknowledged; the next to send: place in it, offset in its bytes. */
  private final List<FrameBuffer> queue = new ArrayList<>();
  private int place;
  private int offset;
  private int pushedBlocks;
  long unsentBytes;

  WriteStream(Connection connection, int id, Location location, Location.Replica replica, Frame.OpenWrite request, WriteProgress progress) {
    this.connection = connection;
    this.id = id;
    this.location = location;
    this.replica = replica;
    this.map = request.map();
    this.request = request;
    this.progress = progress;
  }

  /** Frames go out in the order of pushes. The one with a manifest is the last. */
  void push(FrameBuffer frame) {
    if (state == State.OVER) return;
    frame.hold();
    queue.add(frame);
    pushedBlocks += frame.blocks;
    unsentBytes += frame.length;
  }

  String shuffleText() {
    return Long.toUnsignedString(request.shuffle());
  }

  boolean isOver() {
    return state == State.OVER;
  }

  /** Adds OPEN_WRITE when it is due; true when blocks may follow. */
  boolean open(Outbox out) {
    if (state == State.READY) return true;
    if (state != State.NEW || queue.isEmpty()) return false;
    out.add(Frame.encode(id, request));
    state = resuming ? State.WAITING : State.READY;
    return !resuming;
  }

  /** Adds the next whole blocks as one frame within the credit; answers their bytes. */
  int take(long credit, Outbox out) {
    if (place == queue.size()) return 0;
    FrameBuffer frame = queue.get(place);
    long limit = Math.min(credit, Math.max(MAX_FRAME_BYTES, nextBytes()));
    int end = frame.length;
    if (end - offset > limit) {
      end = offset;
      for (int next = blockEnd(frame, end); next - offset <= limit; next = blockEnd(frame, next)) end = next;
    }
    int taken = end - offset;
    if (taken == 0) return 0;
    out.addBlocks(id, frame, offset, taken);
    unsentBytes -= taken;
    offset = end;
    if (end == frame.length) {
      place++;
      offset = 0;
    }
    return taken;
  }

  /** Bytes of the next block to send; 0: there is none. */
  int nextBytes() {
    return place == queue.size() ? 0 : blockEnd(queue.get(place), offset) - offset;
  }

  private static int blockEnd(FrameBuffer frame, int at) {
    return at + Block.bytes(Block.payloadLength(frame.bytes, at));
  }

  /** The connection or the stream was cut: where the worker is will be asked. */
  void pause() {
    if (state == State.OVER || state == State.NEW && !resuming) return;
    state = State.NEW;
    resuming = true;
  }

  void opened(int accepted) {
    if (state != State.WAITING) return;
    int first = queue.get(0).firstBlock;
    if (accepted < first || accepted > pushedBlocks) {
      fail(Errors.of("CONNECTION_LOST", "the worker has " + accepted + " blocks of the stream, " + first + " were acknowledged"));
      return;
    }
    state = State.READY;
    settle(accepted);
    place = 0;
    offset = 0;
    unsentBytes = 0;
    for (FrameBuffer frame : queue) unsentBytes += frame.length;
    if (queue.isEmpty()) return;
    FrameBuffer next = queue.get(0);
    for (int block = next.firstBlock; block < accepted; block++) offset = blockEnd(next, offset);
    unsentBytes -= offset;
  }

  /** isFinal: the manifest is acknowledged, at the level that was asked for. */
  void acknowledged(int accepted, boolean isFinal) {
    if (state == State.OVER) return;
    settle(accepted);
    if (!isFinal) return;
    end();
    progress.acknowledged();
  }

  /** A frame with a manifest waits for the final word. */
  private void settle(int accepted) {
    while (!queue.isEmpty() && queue.get(0).manifestAt < 0 && queue.get(0).firstBlock + queue.get(0).blocks <= accepted) {
      queue.remove(0).free();
      if (place > 0) place--;
      else offset = 0;
    }
  }

  /** True when the worker found damage and the stream is to be sent again under a new number. */
  boolean resends(SluiceException error) {
    return error.code().equals("CORRUPT_BLOCK") && ++resends <= RESENDS;
  }

  /** The worker drops what it has of it. */
  void abort() {
    if (state == State.OVER) return;
    // Also before anything was acknowledged: what is on its way is dropped by the worker as it comes.
    if (state != State.NEW || resuming) connection.tell(id, new Frame.Close(1));
    end();
  }

  void fail(SluiceException error) {
    if (state == State.OVER) return;
    end();
    progress.failed(location, replica, error);
  }

  private void end() {
    state = State.OVER;
    unsentBytes = 0;
    connection.forget(this);
    for (FrameBuffer frame : queue) frame.free();
    queue.clear();
    place = 0;
    offset = 0;
  }
}
