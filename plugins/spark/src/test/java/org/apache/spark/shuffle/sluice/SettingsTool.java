package org.apache.spark.shuffle.sluice;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.HashMap;
import java.util.Map;
import org.apache.spark.SparkConf;

/**
 * For test/spark/checks/plugin.ts: reads settings from each line of stdin, key=value with tabs between, those that begin with `env.` from
 * the environment, and prints what they come to: the settings or the error.
 */
final class SettingsTool {
  private SettingsTool() {}

  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      SparkConf conf = new SparkConf(false);
      Map<String, String> environment = new HashMap<>();
      for (String pair : line.split("\t")) {
        int equals = pair.indexOf('=');
        if (equals < 0) continue;
        String key = pair.substring(0, equals);
        String value = pair.substring(equals + 1);
        if (key.startsWith("env.")) environment.put(key.substring(4), value);
        else conf.set(key, value);
      }
      String answer;
      try {
        answer = Settings.of(conf, environment).toString();
      } catch (IllegalArgumentException e) {
        answer = "refused: " + e.getMessage();
      }
      System.out.println("> " + answer.replace('\n', ' '));
    }
  }
}
