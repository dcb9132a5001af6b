package sluice.client;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Bytes per second and CPU of the client through real workers, not a test: `Bench URLS SECRET [megabytes [maps [partitions [threads
 * [rounds [blockBytes]]]]]]`. Each round writes a shuffle and reads it; the first rounds warm up. CPU is this process's, of all its threads.
 */
public final class Bench {
  private Bench() {}

  public static void main(String[] args) throws Exception {
    int[] given = {512, 16, 64, 2, 5, 64 << 10};
    for (int i = 2; i < args.length; i++) given[i - 2] = Integer.parseInt(args[i]);
    long bytes = (long) given[0] << 20;
    int maps = given[1];
    int partitions = given[2];
    int threads = given[3];
    int block = given[5];
    List<String> urls = List.of(args[0].split(","));
    byte[] source = new byte[1 << 20];
    new SplittableRandom(1).nextBytes(source);
    try (Job job = Job.open(urls, args[1], "bench");
        ShuffleClient client = ShuffleClient.open(urls, job.id(), job.token(), "bench")) {
      for (int round = 0; round < given[4]; round++) {
        ShuffleSpec spec = new ShuffleSpec(maps, partitions, 0, "received", true, 1, bytes, "");
        Layout layout = client.resolve("round-" + round, 0, spec);
        long perCell = bytes / maps / partitions;
        Measure writing = new Measure();
        parallel(threads, maps, map -> {
          MapWriter writer = client.openWriter(layout, map, 1);
          int first = writer.firstPartition();
          for (int i = 0; i < partitions; i++) {
            for (long left = perCell; left > 0; ) {
              int length = (int) Math.min(left, block);
              writer.begin((first + i) % partitions, length);
              System.arraycopy(source, (int) (left % (source.length - length)), writer.bytes(), writer.at(), length);
              writer.seal(length, 1, 0, 0, length);
              left -= length;
            }
          }
          if (!writer.commit().won()) throw new IllegalStateException("superseded");
        });
        String wrote = writing.line("write", bytes);
        Measure reading = new Measure();
        AtomicLong seen = new AtomicLong();
        AtomicLong waited = new AtomicLong();
        parallel(threads, partitions, partition -> {
          long sum = 0;
          try (BlockReader reader = client.openReader(client.layout(layout.shuffle(), true), 0, maps, partition, partition + 1, 48 << 20)) {
            for (BlockReader.Received one = reader.next(); one != null; one = reader.next()) sum += one.length;
            waited.addAndGet(reader.waitedNanos());
          }
          seen.addAndGet(sum);
        });
        if (seen.get() != perCell * maps * partitions) throw new IllegalStateException(seen + " bytes were read");
        System.out.println(wrote + "   " + reading.line("read", bytes) + String.format("  (waited %.2f s)", waited.get() / 1e9));
        job.release(layout.shuffle());
      }
      threads();
    }
  }

  /** CPU of the threads that move the data, in user mode and in the kernel. */
  private static void threads() {
    java.lang.management.ThreadMXBean all = java.lang.management.ManagementFactory.getThreadMXBean();
    for (long id : all.getAllThreadIds()) {
      String name = all.getThreadInfo(id).getThreadName();
      double user = all.getThreadUserTime(id) / 1e9;
      if (name.startsWith("sluice-")) System.out.printf("%s: %.2f s user, %.2f s kernel%n", name, user, all.getThreadCpuTime(id) / 1e9 - user);
    }
  }

  private interface Task {
    void run(int number) throws Exception;
  }

  private static void parallel(int threads, int tasks, Task task) throws Exception {
    AtomicLong next = new AtomicLong();
    List<Throwable> failures = new ArrayList<>();
    List<Thread> all = new ArrayList<>();
    for (int i = 0; i < threads; i++) {
      Thread thread =
          new Thread(
              () -> {
                try {
                  for (int number = (int) next.getAndIncrement(); number < tasks; number = (int) next.getAndIncrement()) task.run(number);
                } catch (Exception failed) {
                  synchronized (failures) {
                    failures.add(failed);
                  }
                }
              });
      thread.start();
      all.add(thread);
    }
    for (Thread thread : all) thread.join();
    if (!failures.isEmpty()) throw new IllegalStateException(failures.get(0));
  }

  private static final class Measure {
    private final long from = System.nanoTime();
    private final long cpu = cpu();

    String line(String what, long bytes) {
      double seconds = (System.nanoTime() - from) / 1e9;
      double gigabytes = bytes / 1e9;
      return String.format("%s %.0f MB/s, %.2f CPU-s/GB", what, bytes / 1e6 / seconds, (cpu() - cpu) / 1e9 / gigabytes);
    }

    private static long cpu() {
      return ((com.sun.management.OperatingSystemMXBean) java.lang.management.ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }
  }
}
