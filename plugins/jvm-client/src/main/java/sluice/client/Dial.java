package sluice.client;

import java.io.EOFException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import sluice.codec.Block;

/** The beginning of a data connection: `GET /data` with an upgrade, answered by 101 and who answers, or by a refusal as JSON. */
final class Dial {
  /** What the worker says of itself. */
  record Welcome(int maxBlockBytes, int idleGrantBytes) {}

  private static final int CONNECT_MS = 10_000;
  private static final int MAX_HEAD_BYTES = 16 << 10;

  private final Welcome welcome;
  private final ByteBuffer rest;

  /** @throws SluiceException the worker refuses; @throws IOException there is none, or it is cut off */
  Dial(Connection.Hello hello, SocketChannel channel) throws IOException {
    channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
    channel.socket().connect(new InetSocketAddress(hello.host(), hello.port()), CONNECT_MS);
    String host = hello.host().contains(":") ? "[" + hello.host() + "]" : hello.host();
    String request =
        "GET /data HTTP/1.1\r\nhost: " + host + ":" + hello.port() + "\r\nconnection: Upgrade\r\nupgrade: sluice/" + Manager.PROTOCOL
            + "\r\nauthorization: Bearer " + plain(hello.token()) + "\r\nsluice-client: " + plain(hello.name()) + "\r\nsluice-incarnation: "
            + plain(hello.incarnation()) + "\r\n\r\n";
    ByteBuffer out = ByteBuffer.wrap(request.getBytes(StandardCharsets.ISO_8859_1));
    while (out.hasRemaining()) channel.write(out);
    ByteBuffer in = ByteBuffer.allocate(MAX_HEAD_BYTES);
    int end;
    while ((end = headEnd(in)) < 0) read(channel, in);
    String[] lines = new String(in.array(), 0, end, StandardCharsets.ISO_8859_1).split("\r\n");
    Map<String, String> headers = new HashMap<>();
    for (String line : lines) {
      int colon = line.indexOf(':');
      if (colon > 0) headers.put(line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 1).trim());
    }
    if (!lines[0].startsWith("HTTP/1.1 101")) throw refusal(channel, in, end, headers);
    int version = number(headers, "sluice-version");
    if (version != Manager.PROTOCOL) throw Errors.of("VERSION_UNSUPPORTED", Map.of("theirs", version, "ours", Manager.PROTOCOL), null);
    int maxBlockBytes = Math.min(number(headers, "sluice-max-block-bytes"), Block.MAX_PAYLOAD_BYTES);
    welcome = new Welcome(maxBlockBytes, number(headers, "sluice-idle-grant-bytes"));
    rest = in.flip().position(end);
  }

  Welcome welcome() {
    return welcome;
  }

  /** What came behind the answer. */
  ByteBuffer rest() {
    return rest;
  }

  private static SluiceException refusal(SocketChannel channel, ByteBuffer in, int end, Map<String, String> headers) throws IOException {
    int length = number(headers, "content-length");
    while (in.position() < end + length) read(channel, in);
    try {
      Map<String, Object> json = Json.object(Json.read(new String(in.array(), end, length, StandardCharsets.UTF_8)));
      if (json.get("code") instanceof String) {
        SluiceException error = Errors.ofJson(json);
        if (error.remedy() == Remedy.RETRY) throw new IOException(error.getMessage());
        return error;
      }
    } catch (IllegalArgumentException nonsense) {
      // Something that speaks HTTP and knows nothing of us.
    }
    throw new IOException("it is no shuffle worker");
  }

  private static void read(SocketChannel channel, ByteBuffer in) throws IOException {
    if (!in.hasRemaining()) throw new IOException("it is no shuffle worker");
    if (channel.read(in) < 0) throw new EOFException("it closed the connection");
  }

  private static int headEnd(ByteBuffer in) {
    byte[] bytes = in.array();
    for (int i = 3; i < in.position(); i++) {
      if (bytes[i] == '\n' && bytes[i - 1] == '\r' && bytes[i - 2] == '\n' && bytes[i - 3] == '\r') return i + 1;
    }
    return -1;
  }

  private static int number(Map<String, String> headers, String name) throws IOException {
    String text = headers.getOrDefault(name, "");
    if (!text.matches("\\d{1,9}")) throw new IOException("it is no shuffle worker");
    return Integer.parseInt(text);
  }

  /** What would end a header or begin another one is left out. */
  private static String plain(String text) {
    return text.replaceAll("[^\\x20-\\x7e]", "");
  }
}
