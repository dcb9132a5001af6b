package sluice.client;

import java.util.ArrayDeque;
import sluice.client.FramePool.FrameBuffer;

/** What the streams of one reader have brought and it has not taken. Bounded by what the streams were granted. */
final class Mailbox {
  /** One of: a frame · the counts of END · the error that ended the stream. */
  record Mail(ReadStream stream, FrameBuffer frame, byte[] counts, SluiceException error) {}

  private final ArrayDeque<Mail> mails = new ArrayDeque<>();
  private long waitedNanos;
  private boolean closed;

  synchronized void put(Mail mail) {
    if (closed) {
      if (mail.frame != null) mail.frame.free();
      return;
    }
    mails.addLast(mail);
    notifyAll();
  }

  synchronized Mail take() throws InterruptedException {
    if (mails.isEmpty()) {
      long from = System.nanoTime();
      try {
        while (mails.isEmpty()) wait();
      } finally {
        waitedNanos += System.nanoTime() - from;
      }
    }
    return mails.pollFirst();
  }

  synchronized long waitedNanos() {
    return waitedNanos;
  }

  /** What is here, and what still comes, is dropped. */
  synchronized void close() {
    closed = true;
    for (Mail mail : mails) if (mail.frame != null) mail.frame.free();
    mails.clear();
  }
}
