package sluice.test;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;

/** Short names of long answers. */
final class Digests {
  static String of(List<String> lines) throws Exception {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    for (String line : lines) {
      digest.update(line.getBytes(StandardCharsets.UTF_8));
      digest.update((byte) '\n');
    }
    return HexFormat.of().formatHex(digest.digest()).substring(0, 32);
  }

  /** A hash whose sum over rows does not depend on their order, yet changes when a row is lost, doubled or altered. */
  static long of(String text) {
    long hash = 0xcbf29ce484222325L;
    for (int i = 0; i < text.length(); i++) hash = (hash ^ text.charAt(i)) * 0x100000001b3L;
    return mix(hash);
  }

  static long of(byte[] bytes) {
    long hash = 0xcbf29ce484222325L;
    for (byte one : bytes) hash = (hash ^ one) * 0x100000001b3L;
    return mix(hash);
  }

  static long mix(long hash) {
    long mixed = (hash ^ (hash >>> 30)) * 0xbf58476d1ce4e5b9L;
    return (mixed ^ (mixed >>> 27)) * 0x94d049bb133111ebL;
  }

  private Digests() {}
}
