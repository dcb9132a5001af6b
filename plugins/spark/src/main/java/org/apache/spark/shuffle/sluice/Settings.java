package org.apache.spark.shuffle.sluice;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.spark.SparkConf;
import scala.Tuple2;

/**
 * The settings spark.sluice.*, read once, on the driver; executors get what they need in the handles. A setting that is not known is
 * refused: a misspelt one would be a default that nobody chose. The token is never a setting itself, since Spark shows settings.
 */
record Settings(List<String> urls, String token, String level, int replicas, boolean fallback) {
  private static final String PREFIX = "spark.sluice.";
  private static final String URL = PREFIX + "manager.url";
  private static final String TOKEN_FILE = PREFIX + "token.file";
  private static final String LEVEL = PREFIX + "level";
  private static final String REPLICAS = PREFIX + "replicas";
  private static final String FALLBACK = PREFIX + "fallback";
  private static final List<String> KNOWN = List.of(URL, TOKEN_FILE, LEVEL, REPLICAS, FALLBACK);
  private static final List<String> LEVELS = List.of("received", "written", "durable");
  private static final String TOKEN_VARIABLE = "SLUICE_TOKEN";

  /** @throws IllegalArgumentException what is wrong, and what to write instead */
  static Settings of(SparkConf conf, Map<String, String> environment) {
    for (Tuple2<String, String> entry : conf.getAllWithPrefix(PREFIX)) {
      String key = PREFIX + entry._1();
      if (key.equals(PREFIX + "token")) {
        throw new IllegalArgumentException(key + " would be shown in Spark's UI: put the token into a file and set " + TOKEN_FILE + ", or set " + TOKEN_VARIABLE + " for the driver");
      }
      if (!KNOWN.contains(key)) throw new IllegalArgumentException(key + " is not a setting; there are " + String.join(", ", KNOWN));
    }
    return new Settings(urlsOf(conf), tokenOf(conf, environment), levelOf(conf), replicasOf(conf), fallbackOf(conf));
  }

  private static List<String> urlsOf(SparkConf conf) {
    String text = conf.get(URL, "").trim();
    if (text.isEmpty()) throw new IllegalArgumentException(URL + " is not set: give the manager's address, such as http://host:7070, or several with commas between");
    List<String> urls = new ArrayList<>();
    for (String part : text.split(",")) {
      String url = part.trim();
      boolean good;
      try {
        URI uri = URI.create(url);
        good = ("http".equals(uri.getScheme()) || "https".equals(uri.getScheme())) && uri.getHost() != null && (uri.getPath().isEmpty() || uri.getPath().equals("/"));
      } catch (IllegalArgumentException e) {
        good = false;
      }
      if (!good) throw new IllegalArgumentException(URL + " has '" + url + "', which is no address such as http://host:7070");
      urls.add(url.endsWith("/") ? url.substring(0, url.length() - 1) : url);
    }
    return List.copyOf(urls);
  }

  private static String tokenOf(SparkConf conf, Map<String, String> environment) {
    String file = conf.get(TOKEN_FILE, "").trim();
    String token;
    if (!file.isEmpty()) {
      try {
        token = Files.readString(Path.of(file)).trim();
      } catch (IOException e) {
        throw new IllegalArgumentException(TOKEN_FILE + " is '" + file + "', which the driver cannot read: " + e, e);
      }
      if (token.isEmpty()) throw new IllegalArgumentException(TOKEN_FILE + " is '" + file + "', which is empty");
    } else {
      token = environment.getOrDefault(TOKEN_VARIABLE, "").trim();
      if (token.isEmpty()) throw new IllegalArgumentException("there is no token: set " + TOKEN_FILE + " to a file on the driver, or " + TOKEN_VARIABLE + " in its environment");
    }
    return token;
  }

  private static String levelOf(SparkConf conf) {
    String level = conf.get(LEVEL, LEVELS.get(0));
    if (!LEVELS.contains(level)) throw new IllegalArgumentException(LEVEL + " is '" + level + "' and must be one of " + String.join(", ", LEVELS));
    return level;
  }

  private static int replicasOf(SparkConf conf) {
    String text = conf.get(REPLICAS, "1");
    if (!text.equals("1") && !text.equals("2")) throw new IllegalArgumentException(REPLICAS + " is '" + text + "' and must be 1 or 2");
    return Integer.parseInt(text);
  }

  private static boolean fallbackOf(SparkConf conf) {
    String text = conf.get(FALLBACK, "false");
    if (!text.equals("true") && !text.equals("false")) throw new IllegalArgumentException(FALLBACK + " is '" + text + "' and must be true or false");
    return text.equals("true");
  }

  /** Without the token. */
  @Override
  public String toString() {
    return "Settings(" + urls + ", level " + level + ", replicas " + replicas + ", fallback " + fallback + ")";
  }
}
