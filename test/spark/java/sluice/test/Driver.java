package sluice.test;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.SparkExecutorInfo;
import org.apache.spark.sql.SparkSession;

/**
 * One Spark driver that lives through many checks: it takes orders as lines of JSON on stdin and answers each with one line on
 * stdout that begins with `@ `. Orders: open (a new Spark with these settings), run (a job by name), cancel, running (how many tasks), executors, close.
 * Each order runs in a thread of its own; when stdin ends, the process does. It knows nothing of any shuffle manager.
 */
public final class Driver {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final PrintStream OUT = System.out;

  private static volatile SparkSession spark;
  private static volatile Watch watch;

  public static void main(String[] args) throws Exception {
    say(Map.of("id", 0, "ready", true));
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      JsonNode order = JSON.readTree(line);
      Thread thread = new Thread(() -> answer(order), "order-" + order.get("id"));
      thread.setDaemon(true);
      thread.start();
    }
    // The harness went away: nothing of this process may stay, and nobody waits for an orderly stop.
    Runtime.getRuntime().halt(3);
  }

  private static void answer(JsonNode order) {
    Map<String, Object> said = new LinkedHashMap<>();
    said.put("id", order.get("id").asInt());
    try {
      said.put("result", carryOut(order));
    } catch (Throwable thrown) {
      StringWriter trace = new StringWriter();
      thrown.printStackTrace(new PrintWriter(trace));
      said.put("error", trace.toString());
    }
    say(said);
  }

  private static synchronized void say(Map<String, Object> said) {
    try {
      OUT.println("@ " + JSON.writeValueAsString(said));
      OUT.flush();
    } catch (Exception thrown) {
      throw new IllegalStateException(thrown);
    }
  }

  private static Object carryOut(JsonNode order) throws Exception {
    switch (order.get("do").asText()) {
      case "open":
        return open(strings(order.get("conf")));
      case "close":
        if (spark != null) spark.stop();
        spark = null;
        return Map.of();
      case "cancel":
        spark.sparkContext().cancelAllJobs();
        return Map.of();
      case "running":
        int running = 0;
        for (SparkExecutorInfo executor : spark.sparkContext().statusTracker().getExecutorInfos()) running += executor.numRunningTasks();
        return running;
      case "collect":
        // Shuffles of what nobody refers to any more are cleaned after a collection.
        System.gc();
        return Map.of();
      case "executors":
        return Executors.change(spark.sparkContext(), order.get("how").asText());
      case "run":
        return run(order.get("job").asText(), strings(order.get("with")));
      default:
        throw new IllegalArgumentException(order.toString());
    }
  }

  private static Map<String, String> strings(JsonNode node) {
    Map<String, String> found = new HashMap<>();
    node.fields().forEachRemaining(field -> found.put(field.getKey(), field.getValue().asText()));
    return found;
  }

  private static Object open(Map<String, String> settings) throws InterruptedException {
    SparkSession.Builder builder = SparkSession.builder();
    settings.forEach(builder::config);
    spark = builder.getOrCreate();
    watch = new Watch();
    spark.sparkContext().addSparkListener(watch);
    if (!settings.getOrDefault("spark.master", "").startsWith("local["))
      watch.awaitExecutors(spark.sparkContext(), Integer.parseInt(settings.getOrDefault("sluice.test.executors", "2")));
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("application", spark.sparkContext().applicationId());
    facts.put("ui", spark.sparkContext().uiWebUrl().isDefined() ? spark.sparkContext().uiWebUrl().get() : "");
    facts.put("spark", spark.version());
    facts.put("pid", ProcessHandle.current().pid());
    Map<String, String> conf = new LinkedHashMap<>();
    for (var pair : spark.sparkContext().getConf().getAll()) conf.put(pair._1(), pair._2());
    facts.put("conf", conf);
    return facts;
  }

  private static Object run(String name, Map<String, String> with) throws Exception {
    Job job = Jobs.named(name);
    Context context = new Context(spark, with, new LinkedHashMap<>());
    spark.sparkContext().setLocalProperty("spark.job.interruptOnCancel", with.getOrDefault("interrupt", "false"));
    int before = watch.mark(spark.sparkContext());
    List<String> lines = new ArrayList<>();
    for (Object line : job.run(context)) lines.add(String.valueOf(line));
    Map<String, Object> result = new LinkedHashMap<>();
    result.put("lines", lines.size());
    result.put("answer", Digests.of(lines));
    result.put("head", lines.subList(0, Math.min(lines.size(), 5)));
    result.put("facts", context.facts());
    result.put("stages", watch.since(before, spark.sparkContext()));
    return result;
  }

  private Driver() {}
}
