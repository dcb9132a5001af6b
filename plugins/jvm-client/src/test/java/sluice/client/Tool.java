package sluice.client;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/**
 * The client as test/integration/jvm-client.test.ts drives it: commands come line by line, each answered by one line, `ok ..` or
 * `error CODE REMEDY maps message`. What is written and expected is made from a seed as the test does it.
 */
public final class Tool {
  private static final long SILENCE_MS = 1500;
  private ShuffleClient client;
  private Job job;

  private Tool() {}

  public static void main(String[] args) throws Exception {
    Tool tool = new Tool();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String answer;
      try {
        answer = "ok " + tool.run(line.split(" "));
      } catch (SluiceException error) {
        String maps = Arrays.toString(error.maps()).replaceAll("[\\[\\] ]", "");
        answer = "error " + error.code() + " " + error.remedy() + " " + (maps.isEmpty() ? "-" : maps) + " " + error.getMessage();
      } catch (Exception | AssertionError wrong) {
        answer = "wrong " + wrong;
      }
      System.out.println(answer.replace('\n', ' '));
    }
    if (tool.client != null) tool.client.close();
    if (tool.job != null) tool.job.close();
  }

  private String run(String[] words) throws Exception {
    String name = words[0];
    String[] text = Arrays.copyOfRange(words, 1, words.length);
    switch (name) {
      case "errors":
        StringBuilder rows = new StringBuilder();
        for (Errors.Row row : Errors.rows()) rows.append(row.code()).append('|').append(row.remedy()).append('|').append(row.wire()).append('|').append(row.text()).append('~');
        return rows.toString();
      case "job":
        job = Job.open(List.of(text[0].split(",")), text[1], "tool", text.length > 2 ? text[2] : null);
        return job.id() + " " + job.token();
      case "endJob":
        job.close();
        return "";
      case "release":
        job.release(Long.parseUnsignedLong(text[0]));
        return "";
      case "open":
        if (client != null) client.close();
        client = ShuffleClient.open(List.of(text[0].split(",")), Integer.parseInt(text[1]), text[2], "tool", SILENCE_MS);
        return "";
      // name stageAttempt maps partitions replicas order level
      case "resolve":
        ShuffleSpec spec =
            new ShuffleSpec(
                Integer.parseInt(text[2]), Integer.parseInt(text[3]), Integer.parseInt(text[5]), text[6], true, Integer.parseInt(text[4]), 0, "");
        return Long.toUnsignedString(client.resolve(text[0], Long.parseLong(text[1]), spec).shuffle());
      case "vacant":
        Layout layout = client.refresh(Long.parseUnsignedLong(text[0]));
        return Arrays.toString(client.vacant(layout, 0, layout.spec().maps(), 0, layout.spec().partitions())).replaceAll("[\\[\\] ]", "");
      case "write":
        return write(Long.parseUnsignedLong(text[0]), numbers(text));
      case "read":
        return read(Long.parseUnsignedLong(text[0]), numbers(text));
      case "interrupt":
        return interrupt(Long.parseUnsignedLong(text[0]), numbers(text));
      default:
        throw new IllegalArgumentException(name);
    }
  }

  private static int[] numbers(String[] text) {
    int[] numbers = new int[text.length];
    for (int i = 1; i < text.length; i++) numbers[i] = Integer.parseInt(text[i]);
    return numbers;
  }

  /** shuffle seed size mapFrom mapTo attempt: `won` or `lost:winner` for each map. */
  private String write(long shuffle, int[] n) throws Exception {
    StringBuilder outcomes = new StringBuilder();
    for (int map = n[3]; map < n[4]; map++) {
      Layout layout = client.layout(shuffle, false);
      MapWriter writer = client.openWriter(layout, map, n[5]);
      int partitions = layout.spec().partitions();
      int first = writer.firstPartition();
      for (int i = 0; i < partitions; i++) {
        int partition = (first + i) % partitions;
        if (writer.skips(partition)) continue;
        Content content = new Content(n[1], n[2], map, partition);
        for (byte[] payload = content.next(); payload != null; payload = content.next()) {
          writer.begin(partition, payload.length);
          System.arraycopy(payload, 0, writer.bytes(), writer.at(), payload.length);
          writer.seal(payload.length, payload.length % 7, 0, payload.length & 0xFFFF, payload.length + 1);
          // A block that is begun and has nothing is none.
          writer.begin(partition, 10);
          writer.seal(0, 0, 0, 0, 0);
        }
      }
      MapWriter.Committed committed = writer.commit();
      outcomes.append(committed.won() ? " won" : " lost:" + committed.winner());
    }
    return outcomes.toString().trim();
  }

  /** shuffle seed size mapFrom mapTo partitionFrom partitionTo maxBytes pauseMs: blocks and bytes, all as they were written. */
  private String read(long shuffle, int[] n) throws Exception {
    int partitions = n[6] - n[5];
    Content[] expected = new Content[Math.max(0, (n[4] - n[3]) * partitions)];
    for (int i = 0; i < expected.length; i++) expected[i] = new Content(n[1], n[2], n[3] + i / partitions, n[5] + i % partitions);
    int blocks = 0;
    long bytes = 0;
    try (BlockReader reader = client.openReader(client.layout(shuffle, true), n[3], n[4], n[5], n[6], n[7])) {
      for (BlockReader.Received block = reader.next(); block != null; block = reader.next()) {
        byte[] payload = expected[(block.map - n[3]) * partitions + block.partition - n[5]].next();
        String where = "map " + block.map + ", partition " + block.partition;
        if (payload == null) throw new AssertionError("a block too many of " + where);
        if (!Arrays.equals(payload, Arrays.copyOfRange(block.bytes, block.at, block.at + block.length))) throw new AssertionError("other bytes of " + where);
        if (block.records != payload.length % 7) throw new AssertionError("other records of " + where);
        if (blocks++ == 0 && n[8] > 0) System.out.println("begun");
        bytes += block.length;
        if (n[8] > 0) Thread.sleep(n[8]);
      }
    }
    for (Content content : expected) if (content.next() != null) throw new AssertionError("a block is missing");
    return blocks + " " + bytes;
  }

  /** As read, by a task that is interrupted while it waits: how it ended. */
  private String interrupt(long shuffle, int[] n) throws Exception {
    Layout layout = client.layout(shuffle, true);
    String[] ended = {"it goes on"};
    Thread task =
        new Thread(
            () -> {
              try (BlockReader reader = client.openReader(layout, n[3], n[4], n[5], n[6], n[7])) {
                while (reader.next() != null) {}
                ended[0] = "it was read";
              } catch (InterruptedException interrupted) {
                ended[0] = "interrupted";
              } catch (SluiceException error) {
                ended[0] = error.getMessage();
              }
            });
    task.start();
    while (task.getState() != Thread.State.WAITING && task.isAlive()) Thread.onSpinWait();
    task.interrupt();
    task.join();
    return ended[0];
  }

  /** The blocks of one map and partition, made from a seed; the same numbers as in the test. */
  static final class Content {
    private int state;
    private final int size;
    private int left;

    Content(int seed, int size, int map, int partition) {
      state = seed ^ map * 0x9E3779B1 ^ partition * 0x85EBCA6B;
      this.size = size;
      left = (random() >>> 1) % 4;
    }

    byte[] next() {
      if (left == 0) return null;
      left--;
      int length = 1 + (random() >>> 1) % size;
      ByteBuffer words = ByteBuffer.allocate(length + 3 & ~3).order(ByteOrder.LITTLE_ENDIAN);
      while (words.hasRemaining()) words.putInt(random());
      return Arrays.copyOf(words.array(), length);
    }

    private int random() {
      state += 0x6D2B79F5;
      int t = (state ^ state >>> 15) * (1 | state);
      t = t + (t ^ t >>> 7) * (61 | t) ^ t;
      return t ^ t >>> 14;
    }
  }
}
