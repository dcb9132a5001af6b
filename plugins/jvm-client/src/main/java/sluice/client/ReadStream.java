package sluice.client;

import sluice.client.FramePool.FrameBuffer;
import sluice.codec.Frame;

/**
 * A rectangle of one location as it comes from one worker: frames, not verified, within what was granted. What comes goes to its
 * reader's mailbox. Everything but `free` and `close` happens with the connection's lock held.
 */
final class ReadStream {
  private enum State { NEW, OPEN, OVER }

  final int id;
  /** Of the layout the worker goes by; it is there before the first part. */
  long ledgerVersion;
  private final Connection connection;
  private final Frame.OpenRead request;
  private final Mailbox mailbox;
  private State state = State.NEW;
  private final long window;
  /** Granted and not yet come; freed and not yet granted again. */
  private long granted;
  private long owed;

  ReadStream(Connection connection, int id, Frame.OpenRead request, Mailbox mailbox) {
    this.connection = connection;
    this.id = id;
    this.request = request;
    this.mailbox = mailbox;
    window = request.grantBytes();
    granted = window;
  }

  String shuffleText() {
    return Long.toUnsignedString(request.shuffle());
  }

  /** Adds OPEN_READ when it is due. */
  void open(Outbox out) {
    if (state != State.NEW) return;
    state = State.OPEN;
    out.add(Frame.encode(id, request));
  }

  boolean isNew() {
    return state == State.NEW;
  }

  void opened(int version) {
    ledgerVersion = version & 0xFFFFFFFFL;
  }

  /** A frame is about to come; false: more than was granted. */
  boolean arriving(int bytes) {
    granted -= bytes;
    return granted >= 0;
  }

  void arrived(FrameBuffer frame) {
    mailbox.put(new Mailbox.Mail(this, frame, null, null));
  }

  void ended(byte[] counts) {
    if (state == State.OVER) return;
    end();
    mailbox.put(new Mailbox.Mail(this, null, counts, null));
  }

  /** The worker has a block that does not fit the window. */
  void widen(int bytes) {
    if (state != State.OPEN) return;
    int more = Math.min(bytes, Frame.MAX_BLOCKS_BYTES);
    granted += more;
    connection.tell(id, new Frame.Credit(more, 0));
  }

  void fail(SluiceException error) {
    if (state == State.OVER) return;
    end();
    mailbox.put(new Mailbox.Mail(this, null, null, error));
  }

  private void end() {
    state = State.OVER;
    connection.forget(this);
  }

  /** The reader does not need the frame any more: it may be granted anew. */
  void free(FrameBuffer frame) {
    int bytes = frame.length;
    frame.free();
    connection.lock();
    try {
      if (state != State.OPEN) return;
      owed += bytes;
      if (owed < window / 4) return;
      granted += owed;
      connection.tell(id, new Frame.Credit((int) owed, 0));
      owed = 0;
    } finally {
      connection.unlock();
    }
  }

  /** Nothing more is wanted. */
  void close() {
    connection.lock();
    try {
      if (state == State.OPEN) connection.tell(id, new Frame.Close(0));
      if (state != State.OVER) end();
    } finally {
      connection.unlock();
    }
  }
}
