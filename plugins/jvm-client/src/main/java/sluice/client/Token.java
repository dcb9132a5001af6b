package sluice.client;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.Base64;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** Tokens as in shuffle-manager/protocol/token.ts: whoever knows the cluster's secret mints cluster tokens of his own. */
final class Token {
  private static final Pattern JOB = Pattern.compile("v1\\.job\\.(\\d{1,10})\\.\\d{1,12}\\.[\\w-]{43}");
  private static final long LIFE_S = 3600;

  private Token() {}

  /** The job a job token is for; -1: it is none. */
  static long jobOf(String secretOrToken) {
    Matcher token = JOB.matcher(secretOrToken);
    return token.matches() ? Long.parseLong(token.group(1)) : -1;
  }

  /** What to send with cluster calls: a token as it is, of a secret a new one in time. */
  static Supplier<String> source(String secretOrToken) {
    if (secretOrToken.startsWith("v1.")) return () -> secretOrToken;
    return new Supplier<>() {
      private String token = "";
      private long freshUntil;

      @Override
      public synchronized String get() {
        long now = System.currentTimeMillis() / 1000;
        if (now >= freshUntil) {
          token = mint(secretOrToken, now + LIFE_S);
          freshUntil = now + LIFE_S / 2;
        }
        return token;
      }
    };
  }

  /** Of a file of several secrets the first one mints. */
  private static String mint(String secrets, long expiresSeconds) {
    String secret = secrets.lines().map(String::trim).filter(line -> !line.isEmpty()).findFirst().orElse("");
    String text = "v1.cluster.0." + expiresSeconds;
    // An empty key is none for Java; it is wrong in any case.
    byte[] key = secret.isEmpty() ? new byte[1] : secret.getBytes(StandardCharsets.UTF_8);
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(key, "HmacSHA256"));
      byte[] sum = mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
      return text + "." + Base64.getUrlEncoder().withoutPadding().encodeToString(sum);
    } catch (GeneralSecurityException impossible) {
      throw new IllegalStateException(impossible);
    }
  }
}
