package sluice.client;

import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import sluice.codec.Frame;

/**
 * The client's side of one worker's data connection: streams on it, credits both ways, and a new socket when it is cut.
 * Writes go on where the worker says it is; reads fail with CONNECTION_LOST and are begun anew by their reader. A sending thread
 * dials and writes, a receiving thread (Receiver) reads; other threads only take the lock for a moment. It knows nothing of
 * layouts or hashes.
 */
final class Connection implements Runnable {
  /** Who is asked, and as whom. */
  record Hello(String host, int port, String incarnation, String token, String name, long silenceMs) {}

  /** What a bulk writer asks for at once. */
  private static final long ASK_BYTES = 2 << 20;
  private static final long BULK_BYTES = 64 << 10;
  /** Chosen at most before the lock is given back and the bytes are sent. */
  private static final long BATCH_BYTES = 1 << 20;
  /** How often it is dialled anew without progress while writes wait; a refused dial counts twice. */
  private static final int RECONNECTS = 5;
  private static final long FIRST_PAUSE_MS = 50;
  private static final long LAST_PAUSE_MS = 1000;
  /** A connection nobody uses is cut after this. */
  private static final long REST_MS = 60_000;
  /** What is granted and not used after this goes back. */
  private static final long IDLE_MS = 1000;
  private static final long DIAL_MS = 10_000;

  final Hello hello;
  final FramePool pool;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition work = lock.newCondition();
  private final Map<Integer, WriteStream> writes = new LinkedHashMap<>();
  private final Map<Integer, ReadStream> reads = new HashMap<>();
  private final ArrayDeque<ReadStream> newReads = new ArrayDeque<>();
  private final ArrayDeque<byte[]> told = new ArrayDeque<>();
  /** The socket in use or being dialled; which one counts is said by the turn. */
  private SocketChannel channel;
  private boolean open;
  private int turn;
  private boolean running;
  private boolean closed;
  private Dial.Welcome welcome;
  private int failures;
  private int tries;
  private long notBefore;
  private long credit;
  private long asked;
  private int nextStream = 1;
  private long heardAt;
  private long usedAt;
  private long pingedAt;
  private long failedAt = Long.MIN_VALUE;
  private volatile boolean leaving;

  Connection(Hello hello, FramePool pool) {
    this.hello = hello;
    this.pool = pool;
  }

  void lock() {
    lock.lock();
  }

  void unlock() {
    lock.unlock();
  }

  /** The worker has said goodbye: no new attempts go there. */
  boolean isLeaving() {
    return leaving;
  }

  /** It could not be reached a moment ago. */
  boolean isAiling() {
    lock.lock();
    try {
      return !open && failedAt != Long.MIN_VALUE && System.nanoTime() - failedAt < 5_000_000_000L;
    } finally {
      lock.unlock();
    }
  }

  WriteStream openWrite(Location location, Location.Replica replica, Frame.OpenWrite request, WriteProgress progress) {
    lock.lock();
    try {
      WriteStream stream = new WriteStream(this, nextStream++, location, replica, request, progress);
      progress.opened();
      if (closed) stream.fail(closedError());
      else writes.put(stream.id, stream);
      return stream;
    } finally {
      lock.unlock();
    }
  }

  ReadStream openRead(Frame.OpenRead request, Mailbox mailbox) {
    lock.lock();
    try {
      ReadStream stream = new ReadStream(this, nextStream++, request, mailbox);
      if (closed) {
        stream.fail(closedError());
        return stream;
      }
      reads.put(stream.id, stream);
      newReads.add(stream);
      wake();
      return stream;
    } finally {
      lock.unlock();
    }
  }

  void push(WriteStream stream, FramePool.FrameBuffer frame) {
    lock.lock();
    try {
      stream.push(frame);
      wake();
    } finally {
      lock.unlock();
    }
  }

  void abort(WriteStream stream) {
    lock.lock();
    try {
      stream.abort();
    } finally {
      lock.unlock();
    }
  }

  void close() {
    lock.lock();
    try {
      closed = true;
      drop();
      failAll(closedError());
      work.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private static SluiceException closedError() {
    return Errors.of("CONNECTION_LOST", "this client is closed");
  }

  // With the lock held, from here on down to run().

  /** Puts a message in line; there is nobody to tell on a connection that is cut. */
  void tell(int stream, Frame.Message message) {
    if (!open) return;
    told.add(Frame.encode(stream, message));
    work.signal();
  }

  void forget(WriteStream stream) {
    writes.remove(stream.id);
  }

  void forget(ReadStream stream) {
    reads.remove(stream.id);
  }

  private void wake() {
    usedAt = System.nanoTime();
    if (!running) {
      running = true;
      Thread sender = new Thread(this, "sluice-send-" + hello.host + ":" + hello.port);
      sender.setDaemon(true);
      sender.start();
    }
    work.signal();
  }

  private boolean hasWork() {
    return !writes.isEmpty() || !newReads.isEmpty();
  }

  /** Forgets the socket without telling anyone. */
  private void drop() {
    turn++;
    open = false;
    told.clear();
    closeQuietly(channel);
    channel = null;
  }

  static void closeQuietly(SocketChannel channel) {
    try {
      if (channel != null) channel.close();
    } catch (IOException ignored) {
      // It is of no use any more either way.
    }
  }

  private void failAll(SluiceException error) {
    failures = 0;
    tries = 0;
    for (ReadStream stream : new ArrayList<>(reads.values())) stream.fail(error);
    for (WriteStream stream : new ArrayList<>(writes.values())) stream.fail(error);
    newReads.clear();
  }

  /** The socket of that turn is of no use any more. */
  void lost(int ofTurn, String what, boolean refused) {
    if (ofTurn != turn) return;
    drop();
    failedAt = System.nanoTime();
    SluiceException error = Errors.of("CONNECTION_LOST", hello.host + ":" + hello.port + ": " + what);
    for (ReadStream stream : new ArrayList<>(reads.values())) stream.fail(error);
    newReads.clear();
    work.signalAll();
    if (closed || writes.isEmpty()) return;
    failures += refused ? 2 : 1;
    if (failures > RECONNECTS) {
      failAll(error);
      return;
    }
    for (WriteStream stream : writes.values()) stream.pause();
    long pause = Math.min(FIRST_PAUSE_MS * (long) Math.pow(3, tries++), LAST_PAUSE_MS);
    notBefore = failedAt + (pause / 2 + ThreadLocalRandom.current().nextLong(pause / 2 + 1)) * 1_000_000;
  }

  /** A frame of blocks begins to come: the stream it is for, or null to pass it by. False in `granted[0]`: it was not granted. */
  ReadStream arriving(int stream, int bytes, boolean[] granted) {
    ReadStream reading = reads.get(stream);
    granted[0] = reading == null || reading.arriving(bytes);
    return reading;
  }

  boolean isCurrent(int ofTurn) {
    return ofTurn == turn;
  }

  boolean has(ReadStream stream) {
    return reads.get(stream.id) == stream;
  }

  void heard() {
    heardAt = System.nanoTime();
  }

  /** Handles one message; a fault of the protocol's is answered in words. */
  String message(int ofTurn, int stream, Frame.Message message) {
    WriteStream writing = writes.get(stream);
    ReadStream reading = reads.get(stream);
    if (message instanceof Frame.Ack m) {
      failures = 0;
      tries = 0;
      credit += m.grantBytes() & 0xFFFFFFFFL;
      if (writing != null) writing.acknowledged(m.accepted(), m.last() == 1);
      work.signal();
    } else if (message instanceof Frame.Credit m) {
      if (stream == 0) {
        credit += m.grantBytes() & 0xFFFFFFFFL;
        // A wish is answered once, by less than was asked for when the worker is small.
        asked = 0;
        work.signal();
      } else if (m.wantedBytes() != 0 && reading != null) reading.widen(m.wantedBytes());
    } else if (message instanceof Frame.Opened m) {
      credit += m.grantBytes() & 0xFFFFFFFFL;
      if (writing != null) writing.opened(m.accepted());
      if (reading != null) reading.opened(m.ledgerVersion());
      work.signal();
    } else if (message instanceof Frame.End m) {
      if (reading != null) reading.ended(m.counts());
    } else if (message instanceof Frame.Failure m) failure(ofTurn, stream, m, writing, reading);
    else if (message instanceof Frame.Ping m) tell(0, new Frame.Pong(m.nonce()));
    else if (message instanceof Frame.GoAway) leaving = true;
    else if (!(message instanceof Frame.Pong)) return "a worker does not send " + message.getClass().getSimpleName();
    return null;
  }

  private void failure(int ofTurn, int stream, Frame.Failure failure, WriteStream writing, ReadStream reading) {
    String shuffle = writing != null ? writing.shuffleText() : reading != null ? reading.shuffleText() : "?";
    SluiceException error = Errors.ofWire(failure.code(), failure.text(), failure.maps(), shuffle, writing == null ? -1 : writing.map);
    if (stream == 0) {
      if (error.remedy() == Remedy.RETRY) lost(ofTurn, error.getMessage(), false);
      else {
        drop();
        failAll(error);
      }
      return;
    }
    if (reading != null) reading.fail(error);
    if (writing == null) return;
    if (!writing.resends(error)) {
      writing.fail(error);
      return;
    }
    // Damaged on its way: the worker has all before it, and is told to take the rest again.
    writes.remove(writing.id);
    writing.id = nextStream++;
    writes.put(writing.id, writing);
    writing.pause();
    work.signal();
  }

  /** Chooses what is sent next. */
  private void choose(Outbox out) {
    for (byte[] message = told.poll(); message != null; message = told.poll()) out.add(message);
    for (ReadStream stream = newReads.poll(); stream != null; stream = newReads.poll()) stream.open(out);
    long batch = 0;
    long unsent = 0;
    int blocked = 0;
    for (WriteStream stream : writes.values()) {
      if (!stream.open(out)) continue;
      while (batch < BATCH_BYTES) {
        int taken = stream.take(credit, out);
        if (taken == 0) break;
        credit -= taken;
        batch += taken;
      }
      unsent += stream.unsentBytes;
      blocked = Math.max(blocked, stream.nextBytes());
    }
    if (blocked > sluice.codec.Block.bytes(welcome.maxBlockBytes())) {
      refuseTooLarge(out);
      return;
    }
    if (batch >= BATCH_BYTES) turnWrites();
    if (unsent > credit && asked == 0) ask(unsent, blocked, out);
  }

  /** Asks before the credit is used up, so that a bulk writer never waits for it. */
  private void ask(long unsent, int blocked, Outbox out) {
    long most = Math.max(blocked, Math.min(ASK_BYTES, welcome.maxBlockBytes()));
    if (blocked <= credit && credit > most / 2) return;
    long wanted = blocked > credit ? Math.max(blocked, unsent > BULK_BYTES ? most : unsent) - credit : most - credit;
    if (wanted <= 0) return;
    asked = wanted;
    out.add(Frame.encode(0, new Frame.Credit(0, (int) wanted)));
  }

  /** Who has sent most goes to the end of the line. */
  private void turnWrites() {
    WriteStream first = writes.values().iterator().next();
    writes.remove(first.id);
    writes.put(first.id, first);
  }

  private void refuseTooLarge(Outbox out) {
    for (WriteStream stream : new ArrayList<>(writes.values())) {
      if (stream.nextBytes() <= sluice.codec.Block.bytes(welcome.maxBlockBytes())) continue;
      out.add(Frame.encode(stream.id, new Frame.Close(1)));
      stream.fail(Errors.of("NO_SPACE", "a block of " + stream.nextBytes() + " bytes is more than this worker takes"));
    }
  }

  private boolean isIdle(long now) {
    for (WriteStream stream : writes.values()) if (stream.unsentBytes > 0) return false;
    return now - usedAt > IDLE_MS * 1_000_000;
  }

  private void giveBack(long now, Outbox out) {
    long surplus = credit - welcome.idleGrantBytes();
    if (surplus <= 0 || !isIdle(now)) return;
    credit -= surplus;
    out.add(Frame.encode(0, new Frame.Credit((int) surplus, 0)));
  }

  /** Called now and then, by a thread of the client's: a thread of this connection may be stuck in its socket. */
  void watch() {
    lock.lock();
    try {
      long now = System.nanoTime();
      long silentMs = (now - heardAt) / 1_000_000;
      if (channel == null) return;
      if (!open) {
        if (silentMs > DIAL_MS) lost(turn, "it does not answer", false);
      } else if (!writes.isEmpty() || !reads.isEmpty()) {
        if (silentMs > hello.silenceMs) lost(turn, "no word for " + hello.silenceMs + " ms", false);
        else if (silentMs > hello.silenceMs / 3 && now - pingedAt > hello.silenceMs / 3 * 1_000_000) {
          pingedAt = now;
          tell(0, new Frame.Ping(now));
        }
      } else if (now - usedAt > REST_MS * 1_000_000) {
        drop();
        work.signalAll();
      }
    } finally {
      lock.unlock();
    }
  }

  /** The sending thread: from one socket to the next. It ends when nothing is to be done for a while. */
  @Override
  public void run() {
    Outbox out = new Outbox();
    for (;;) {
      int mine;
      SocketChannel socket;
      lock.lock();
      try {
        if (!awaitWork()) {
          running = false;
          return;
        }
        mine = turn;
        heardAt = System.nanoTime();
        socket = SocketChannel.open();
        channel = socket;
      } catch (IOException noSocket) {
        lost(turn, noSocket.toString(), false);
        continue;
      } finally {
        lock.unlock();
      }
      dialAndServe(mine, socket, out);
    }
  }

  /** False: there was none for long. */
  private boolean awaitWork() {
    long until = System.nanoTime() + REST_MS * 1_000_000;
    for (;;) {
      long now = System.nanoTime();
      if (closed || !hasWork() && now >= until) return false;
      if (hasWork() && now >= notBefore) return true;
      await(hasWork() ? notBefore - now : until - now);
    }
  }

  private void await(long nanos) {
    try {
      work.await(nanos, TimeUnit.NANOSECONDS);
    } catch (InterruptedException nobodyDoes) {
      // The thread is this connection's own.
    }
  }

  private void dialAndServe(int mine, SocketChannel socket, Outbox out) {
    try {
      Dial dial = new Dial(hello, socket);
      lock.lock();
      try {
        if (mine != turn) return;
        welcome = dial.welcome();
        open = true;
        credit = welcome.idleGrantBytes();
        asked = 0;
        heard();
        Thread receiver = new Thread(new Receiver(this, mine, socket, dial.rest()), "sluice-receive-" + hello.host + ":" + hello.port);
        receiver.setDaemon(true);
        receiver.start();
      } finally {
        lock.unlock();
      }
      serve(mine, socket, out);
    } catch (SluiceException refusal) {
      lock.lock();
      try {
        if (mine != turn) return;
        drop();
        failedAt = System.nanoTime();
        failAll(refusal);
      } finally {
        lock.unlock();
      }
    } catch (IOException | RuntimeException cut) {
      lock.lock();
      try {
        lost(mine, cut.getMessage() == null ? cut.toString() : cut.getMessage(), cut instanceof java.net.ConnectException);
      } finally {
        lock.unlock();
      }
    }
  }

  private void serve(int mine, SocketChannel socket, Outbox out) throws IOException {
    for (;;) {
      lock.lock();
      try {
        for (;;) {
          if (mine != turn) return;
          choose(out);
          if (!out.isEmpty()) break;
          long now = System.nanoTime();
          giveBack(now, out);
          if (!out.isEmpty()) break;
          await(credit > welcome.idleGrantBytes() ? IDLE_MS * 1_000_000 : REST_MS * 1_000_000);
        }
      } finally {
        lock.unlock();
      }
      out.send(socket);
    }
  }
}
