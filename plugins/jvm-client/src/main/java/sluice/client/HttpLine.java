package sluice.client;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;

/**
 * One kept-alive HTTP/1.1 connection to a manager, and the daemon thread that alone touches its socket: a caller hands over a
 * request and waits for the answer, so an interrupt ends the waiting and harms nothing. One call at a time. It knows what HTTP
 * needs for JSON over POST and nothing of what is called.
 */
final class HttpLine implements Runnable {
  /** What came back; body is null when it is no text of ours. */
  record Answer(int status, String body) {}

  private static final int CONNECT_MS = 3000;
  /** Shorter than the 90 s after which a manager hangs up. */
  private static final long REST_MS = 45_000;
  private static final int MAX_ANSWER_BYTES = 64 << 20;

  private final URI url;
  private Socket socket;
  private InputStream in;
  private final byte[] buffer = new byte[16 << 10];
  private int at;
  private int end;

  private byte[] request;
  private int timeoutMs;
  /** Sent twice, it does no harm. */
  private boolean repeatable;
  private Answer answer;
  private IOException failure;
  private boolean sent;
  private boolean over;

  HttpLine(URI url) {
    this.url = url;
    Thread thread = new Thread(this, "sluice-manager");
    thread.setDaemon(true);
    thread.start();
  }

  URI url() {
    return url;
  }

  /** Another call may be made. */
  synchronized boolean isOpen() {
    return !over;
  }

  /** The failed call may have reached a manager. */
  synchronized boolean wasSent() {
    return sent;
  }

  /** @throws IOException no answer came; the line is over then, as it is after an interrupt */
  synchronized Answer exchange(byte[] bytes, int waitMs, boolean mayRepeat) throws IOException, InterruptedException {
    if (over) throw new EOFException("the line is closed");
    request = bytes;
    timeoutMs = waitMs;
    repeatable = mayRepeat;
    answer = null;
    failure = null;
    sent = false;
    notifyAll();
    try {
      while (answer == null && failure == null) wait();
    } catch (InterruptedException interrupted) {
      close();
      throw interrupted;
    }
    if (failure != null) throw failure;
    return answer;
  }

  /** Hangs up, also on a call that waits. */
  void close() {
    Socket open;
    synchronized (this) {
      over = true;
      if (answer == null && failure == null) failure = new EOFException("the line was closed");
      open = socket;
      notifyAll();
    }
    closeQuietly(open);
  }

  @Override
  public void run() {
    for (;;) {
      byte[] bytes;
      synchronized (this) {
        long until = System.nanoTime() + REST_MS * 1_000_000;
        try {
          while (request == null && !over) {
            long left = (until - System.nanoTime()) / 1_000_000;
            if (left <= 0) over = true;
            else wait(left);
          }
        } catch (InterruptedException interrupted) {
          over = true;
        }
        if (over) break;
        bytes = request;
        request = null;
      }
      Answer got = null;
      IOException fault = null;
      try {
        got = call(bytes);
      } catch (IOException | RuntimeException thrown) {
        fault = thrown instanceof IOException io ? io : new IOException(thrown.toString(), thrown);
      }
      synchronized (this) {
        answer = got;
        failure = fault;
        if (fault != null) over = true;
        notifyAll();
        if (over) break;
      }
    }
    closeQuietly(socket);
  }

  private Answer call(byte[] bytes) throws IOException {
    boolean reused = socket != null;
    if (!reused) connect();
    try {
      return send(bytes);
    } catch (IOException hungUp) {
      // While it rested the manager may have hung up; nothing of an answer has come then.
      synchronized (this) {
        if (!reused || !repeatable || over || end > 0 || hungUp instanceof SocketTimeoutException) throw hungUp;
      }
      connect();
      return send(bytes);
    }
  }

  private void connect() throws IOException {
    closeQuietly(socket);
    boolean secure = "https".equals(url.getScheme());
    int port = url.getPort() >= 0 ? url.getPort() : secure ? 443 : 80;
    Socket plain = new Socket();
    try {
      plain.setTcpNoDelay(true);
      plain.connect(new InetSocketAddress(url.getHost().replaceAll("^\\[|]$", ""), port), CONNECT_MS);
      if (secure) plain = secured(plain, port);
    } catch (IOException refused) {
      closeQuietly(plain);
      throw refused;
    }
    synchronized (this) {
      socket = plain;
      if (over) throw new EOFException("the line was closed");
    }
    in = plain.getInputStream();
  }

  /** TLS by the JVM's trust store, with whom the URL names and nobody else. */
  private Socket secured(Socket plain, int port) throws IOException {
    SSLSocket socket = (SSLSocket) ((SSLSocketFactory) SSLSocketFactory.getDefault()).createSocket(plain, url.getHost(), port, true);
    SSLParameters parameters = socket.getSSLParameters();
    parameters.setEndpointIdentificationAlgorithm("HTTPS");
    socket.setSSLParameters(parameters);
    return socket;
  }

  private Answer send(byte[] bytes) throws IOException {
    at = 0;
    end = 0;
    synchronized (this) {
      sent = true;
    }
    socket.setSoTimeout(timeoutMs);
    socket.getOutputStream().write(bytes);
    String first = line();
    String[] words = first.split(" ", 3);
    if (!first.startsWith("HTTP/1.") || words.length < 2) throw new IOException("no HTTP is spoken there");
    int status = Integer.parseInt(words[1]);
    int length = -1;
    boolean chunked = false;
    boolean last = first.startsWith("HTTP/1.0");
    for (String header = line(); !header.isEmpty(); header = line()) {
      int colon = header.indexOf(':');
      if (colon < 0) continue;
      String value = header.substring(colon + 1).trim();
      switch (header.substring(0, colon).toLowerCase(java.util.Locale.ROOT)) {
        case "content-length" -> length = Integer.parseInt(value);
        case "transfer-encoding" -> chunked = value.equalsIgnoreCase("chunked");
        case "connection" -> last |= value.equalsIgnoreCase("close");
        default -> {}
      }
    }
    byte[] body = chunked ? chunks() : length >= 0 ? bytes(length) : new byte[0];
    if (last) {
      closeQuietly(socket);
      synchronized (this) {
        socket = null;
      }
    }
    return new Answer(status, new String(body, StandardCharsets.UTF_8));
  }

  private byte[] chunks() throws IOException {
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    for (;;) {
      int length = Integer.parseInt(line().split(";", 2)[0].trim(), 16);
      if (length == 0) break;
      if (body.size() + length > MAX_ANSWER_BYTES) throw new IOException("an answer that is too long");
      body.write(bytes(length));
      line();
    }
    while (!line().isEmpty()) {}
    return body.toByteArray();
  }

  private byte[] bytes(int length) throws IOException {
    if (length < 0 || length > MAX_ANSWER_BYTES) throw new IOException("an answer of " + length + " bytes");
    byte[] bytes = new byte[length];
    for (int filled = 0; filled < length; ) {
      if (at == end) fill();
      int take = Math.min(length - filled, end - at);
      System.arraycopy(buffer, at, bytes, filled, take);
      filled += take;
      at += take;
    }
    return bytes;
  }

  private String line() throws IOException {
    StringBuilder line = new StringBuilder();
    for (;;) {
      if (at == end) fill();
      char c = (char) (buffer[at++] & 0xFF);
      if (c == '\n') return line.toString();
      if (c != '\r') line.append(c);
      if (line.length() > 16 << 10) throw new IOException("no HTTP is spoken there");
    }
  }

  private void fill() throws IOException {
    int read = in.read(buffer, 0, buffer.length);
    if (read < 0) throw new EOFException("the manager hung up");
    at = 0;
    end = read;
  }

  private static void closeQuietly(Socket socket) {
    try {
      if (socket != null) socket.close();
    } catch (IOException ignored) {
      // It is of no use any more either way.
    }
  }
}
