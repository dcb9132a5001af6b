package sluice.test;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A place where a task waits until the harness lets it go on, so that faults happen at a known moment: the task makes
 * `<name>.reached`, the harness makes `<name>.open`. Only the first that comes waits; those after it (retries) pass.
 */
final class Gate {
  static void pass(String folder, String name) {
    if (folder.isEmpty()) return;
    try {
      Files.createFile(Path.of(folder, name + ".reached"));
    } catch (FileAlreadyExistsException later) {
      return;
    } catch (IOException thrown) {
      throw new IllegalStateException(thrown);
    }
    await(folder, name);
  }

  /** Waits for the gate however many came before. */
  static void await(String folder, String name) {
    Path open = Path.of(folder, name + ".open");
    try {
      for (int i = 0; i < 30_000 && !Files.exists(open); i++) Thread.sleep(20);
    } catch (InterruptedException thrown) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted at a gate");
    }
    if (!Files.exists(open)) throw new IllegalStateException("nobody opened the gate " + name);
  }

  private Gate() {}
}
