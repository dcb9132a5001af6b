package sluice.client;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.Arrays;
import sluice.client.FramePool.FrameBuffer;
import sluice.codec.CorruptException;
import sluice.codec.Frame;

/**
 * The receiving thread of one socket: its bytes become messages and frames of blocks. Blocks are copied once, from the direct buffer into
 * a frame of the pool, and are not looked at here. The memory of a control message grows with what has come of it. Any fault
 * ends the socket.
 */
final class Receiver implements Runnable {
  private final Connection connection;
  private final int turn;
  private final SocketChannel channel;
  private final ByteBuffer in = ByteBuffer.allocateDirect(256 << 10);
  private final byte[] header = new byte[Frame.HEADER_BYTES];
  private final boolean[] granted = new boolean[1];
  /** Of the body that is coming: what is still to come, and where it goes. */
  private int left;
  private boolean isBlocks;
  private ReadStream stream;
  private FrameBuffer frame;
  private byte[] control = new byte[256];
  private int controlFilled;

  /** rest: what came behind the answer to the dialling. */
  Receiver(Connection connection, int turn, SocketChannel channel, ByteBuffer rest) {
    this.connection = connection;
    this.turn = turn;
    this.channel = channel;
    in.put(rest);
  }

  @Override
  public void run() {
    String fault = "the worker closed it";
    try {
      do {
        in.flip();
        take();
        in.compact();
        // A damaged length could make a message that swallows every word that is still to come.
        if (isBlocks || left == 0) heard();
      } while (channel.read(in) >= 0);
    } catch (CorruptException corrupt) {
      fault = "a frame failed its check: " + corrupt.getMessage();
    } catch (IOException | RuntimeException cut) {
      fault = cut.getMessage() == null ? cut.toString() : cut.getMessage();
    }
    if (frame != null) frame.free();
    connection.lock();
    try {
      connection.lost(turn, fault, false);
    } finally {
      connection.unlock();
    }
  }

  private void heard() {
    connection.lock();
    try {
      if (connection.isCurrent(turn)) connection.heard();
    } finally {
      connection.unlock();
    }
  }

  /** Takes what is in the buffer, up to a header that is not all there. */
  private void take() throws CorruptException {
    for (;;) {
      if (left > 0) {
        int now = Math.min(left, in.remaining());
        if (now == 0) return;
        body(now);
        left -= now;
        if (left > 0) return;
        end();
      }
      if (in.remaining() < Frame.HEADER_BYTES) return;
      in.get(header);
      left = Frame.bodyLength(header, 0);
      isBlocks = Frame.isBlocks(header);
      if (isBlocks) beginBlocks();
      else {
        System.arraycopy(header, 0, control, 0, header.length);
        controlFilled = header.length;
      }
      if (left == 0) end();
    }
  }

  private void beginBlocks() throws CorruptException {
    int id = Frame.blocksStream(header);
    connection.lock();
    try {
      stream = connection.isCurrent(turn) ? connection.arriving(id, left, granted) : null;
    } finally {
      connection.unlock();
    }
    if (stream == null || left == 0) {
      stream = null;
      return;
    }
    if (!granted[0]) throw new CorruptException(left + " bytes that were not granted");
    frame = connection.pool.take(left);
    frame.length = left;
  }

  private void body(int bytes) {
    if (isBlocks) {
      if (frame == null) in.position(in.position() + bytes);
      else in.get(frame.bytes, frame.length - left, bytes);
      return;
    }
    if (controlFilled + bytes > control.length) {
      control = Arrays.copyOf(control, Math.max(controlFilled + bytes, Math.min(control.length * 2, controlFilled + left)));
    }
    in.get(control, controlFilled, bytes);
    controlFilled += bytes;
  }

  private void end() throws CorruptException {
    if (isBlocks) {
      FrameBuffer whole = frame;
      frame = null;
      if (whole == null) return;
      connection.lock();
      try {
        if (connection.isCurrent(turn) && connection.has(stream)) stream.arrived(whole);
        else whole.free();
      } finally {
        connection.unlock();
      }
      return;
    }
    Frame.Received received = Frame.decode(Arrays.copyOf(control, controlFilled));
    if (control.length > 64 << 10) control = new byte[256];
    connection.lock();
    try {
      String fault = connection.isCurrent(turn) ? connection.message(turn, received.stream(), received.message()) : null;
      if (fault != null) throw new CorruptException(fault);
    } finally {
      connection.unlock();
    }
  }
}
