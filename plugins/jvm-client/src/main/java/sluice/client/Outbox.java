package sluice.client;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;
import sluice.client.FramePool.FrameBuffer;
import sluice.codec.Frame;

/**
 * What a connection's sending thread has chosen to send next. Frames are gathered in one direct buffer, small ones many at a
 * time, which is written when it is full and at the end. Chosen with the connection's lock held, sent without it; frames are held meanwhile.
 */
final class Outbox {
  private record Part(byte[] bytes, int from, int length, FrameBuffer frame) {}

  private final ByteBuffer buffer = ByteBuffer.allocateDirect(256 << 10);
  private final List<Part> parts = new ArrayList<>();

  void add(byte[] message) {
    parts.add(new Part(message, 0, message.length, null));
  }

  void addBlocks(int stream, FrameBuffer frame, int from, int length) {
    byte[] header = new byte[Frame.HEADER_BYTES];
    Frame.writeBlocksHeader(header, 0, stream, length);
    add(header);
    frame.hold();
    parts.add(new Part(frame.bytes, from, length, frame));
  }

  boolean isEmpty() {
    return parts.isEmpty();
  }

  /** Sends all of it. When it throws, what was not sent is dropped. */
  void send(SocketChannel channel) throws IOException {
    try {
      for (Part part : parts) {
        for (int at = part.from, end = part.from + part.length; at < end; ) {
          int take = Math.min(end - at, buffer.remaining());
          buffer.put(part.bytes, at, take);
          at += take;
          if (!buffer.hasRemaining()) flush(channel);
        }
      }
      flush(channel);
    } finally {
      buffer.clear();
      for (Part part : parts) if (part.frame != null) part.frame.free();
      parts.clear();
    }
  }

  private void flush(SocketChannel channel) throws IOException {
    buffer.flip();
    while (buffer.hasRemaining()) channel.write(buffer);
    buffer.clear();
  }
}
