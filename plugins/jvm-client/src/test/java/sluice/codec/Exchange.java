package sluice.codec;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.StringJoiner;

/**
 * The other side of test/integration/codec-exchange.test.ts. Reads items (a letter, a length, bytes) from a file,
 * decodes each to values, encodes it again from nothing but the values, writes that to a second file, and the values
 * as a line of text to a third. B block, M block with a manifest, F frame; X and Y are a block and a frame with a bit
 * turned, of which the fault is all there is to say.
 */
public final class Exchange {
  public static void main(String[] args) throws Exception {
    try (DataInputStream in = new DataInputStream(new BufferedInputStream(Files.newInputStream(Path.of(args[0]))));
        DataOutputStream out = new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(Path.of(args[1]))));
        PrintStream lines = new PrintStream(new BufferedOutputStream(Files.newOutputStream(Path.of(args[2]))), false, StandardCharsets.UTF_8)) {
      for (int letter = in.read(); letter >= 0; letter = in.read()) {
        byte[] bytes = in.readNBytes(in.readInt());
        byte[] again =
            switch (letter) {
              case 'B' -> block(bytes, lines, false);
              case 'M' -> block(bytes, lines, true);
              case 'F' -> frame(bytes, lines);
              case 'X' -> damagedBlock(bytes, lines);
              case 'Y' -> damagedFrame(bytes, lines);
              default -> throw new IOException("no item " + letter);
            };
        out.writeByte(letter);
        out.writeInt(again.length);
        out.write(again);
      }
    }
  }

  private static byte[] block(byte[] bytes, PrintStream lines, boolean manifest) throws CorruptException {
    Block.Fault fault = Block.check(bytes, 0, bytes.length);
    int length = Block.payloadLength(bytes, 0);
    if (fault != null || Block.bytes(length) != bytes.length) throw new CorruptException("not one whole block: " + fault);
    int kind = Block.kind(bytes, 0);
    int codec = Block.codec(bytes, 0);
    int flags = Block.flags(bytes, 0);
    int tag = Block.tag(bytes, 0);
    int rawLength = Block.rawLength(bytes, 0);
    long shuffle = Block.shuffle(bytes, 0);
    int partition = Block.partition(bytes, 0);
    int map = Block.map(bytes, 0);
    int attempt = Block.attempt(bytes, 0);
    int section = Block.section(bytes, 0);
    int sequence = Block.sequence(bytes, 0);
    int records = Block.records(bytes, 0);
    byte[] payload = Arrays.copyOfRange(bytes, Block.HEADER_BYTES, Block.HEADER_BYTES + length);
    lines.print(
        join("block", kind, codec, flags, tag, u(length), u(rawLength), u(shuffle), u(partition), u(map), u(attempt), u(section), u(sequence),
            u(records), u(Block.payloadHash(bytes, 0)), u(Block.headerHash(bytes, 0))));
    if (manifest) {
      Manifest m = Manifest.decode(payload);
      StringJoiner counts = new StringJoiner(",");
      for (int i = 0; i < m.counts().length; i++) {
        if (m.counts()[i] == 0) continue;
        counts.add(u(m.partitionFrom() + i) + ":" + u(m.counts()[i]) + ":" + Manifest.sizeOfCode(m.sizeCodes()[i]));
        if (Manifest.sizeCode(Manifest.sizeOfCode(m.sizeCodes()[i])) != (m.sizeCodes()[i] & 0xFF)) throw new CorruptException("size code");
      }
      lines.print(" " + join("manifest", u(m.partitionFrom()), u(m.partitionTo()), u(m.blocks()), u(m.records()), u(m.payloadBytes()), u(m.sum()), counts));
      payload = m.encode();
    }
    lines.print('\n');
    byte[] again = new byte[Block.bytes(payload.length)];
    System.arraycopy(payload, 0, again, Block.HEADER_BYTES, payload.length);
    Block.seal(again, 0, kind, codec, flags, tag, payload.length, rawLength, shuffle, partition, map, attempt, section, sequence, records);
    return again;
  }

  private static byte[] frame(byte[] bytes, PrintStream lines) throws CorruptException {
    Frame.Received received = Frame.decode(bytes);
    Frame.Message message = received.message();
    Object values;
    if (message instanceof Frame.OpenWrite m) {
      values = join("openWrite", u(m.shuffle()), u(m.map()), u(m.attempt()), u(m.section()), u(m.location()), u(m.partitionFrom()), u(m.partitionTo()), u(m.level()));
    } else if (message instanceof Frame.OpenRead m) {
      values =
          join("openRead", u(m.shuffle()), u(m.location()), u(m.partitionFrom()), u(m.partitionTo()), u(m.mapFrom()), u(m.mapTo()), u(m.sectionFrom()),
              u(m.ledgerVersion()), u(m.flags()), u(m.grantBytes()), u(m.cursor()), hex(m.skip()));
    } else if (message instanceof Frame.Opened m) {
      values = join("opened", u(m.accepted()), u(m.grantBytes()), u(m.ledgerVersion()), u(m.backlogBytes()));
    } else if (message instanceof Frame.Blocks m) {
      values = join("blocks", hex(m.body()));
    } else if (message instanceof Frame.Ack m) {
      values = join("ack", u(m.accepted()), u(m.level()), u(m.grantBytes()), u(m.last()));
    } else if (message instanceof Frame.Credit m) {
      values = join("credit", u(m.grantBytes()), u(m.wantedBytes()));
    } else if (message instanceof Frame.End m) {
      values = join("end", u(m.section()), u(m.more()), u(m.cursor()), hex(m.counts()));
    } else if (message instanceof Frame.Close m) {
      values = join("close", u(m.reason()));
    } else if (message instanceof Frame.Failure m) {
      StringJoiner maps = new StringJoiner(",");
      for (int map : m.maps()) maps.add(u(map));
      values = join("error", u(m.code()), u(m.retryAfterMs()), maps, hex(m.text().getBytes(StandardCharsets.UTF_8)));
    } else if (message instanceof Frame.Ping m) {
      values = join("ping", u(m.nonce()));
    } else if (message instanceof Frame.Pong m) {
      values = join("pong", u(m.nonce()));
    } else if (message instanceof Frame.GoAway m) {
      values = join("goaway", u(m.deadlineMs()));
    } else {
      throw new CorruptException("no such message");
    }
    lines.print(values + " " + u(received.stream()) + "\n");
    return Frame.encode(received.stream(), message);
  }

  private static byte[] damagedBlock(byte[] bytes, PrintStream lines) {
    Block.Fault fault = Block.check(bytes, 0, bytes.length);
    lines.print((fault == null ? "whole" : fault.toString().toLowerCase(java.util.Locale.ROOT)) + "\n");
    return bytes;
  }

  private static byte[] damagedFrame(byte[] bytes, PrintStream lines) {
    String said = "whole";
    try {
      Frame.decode(bytes);
    } catch (CorruptException corrupt) {
      said = "corrupt";
    }
    lines.print(said + "\n");
    return bytes;
  }

  private static String join(Object... values) {
    StringJoiner line = new StringJoiner(" ");
    for (Object value : values) line.add(String.valueOf(value));
    return line.toString();
  }

  private static String u(int value) {
    return Integer.toUnsignedString(value);
  }

  private static String u(long value) {
    return Long.toUnsignedString(value);
  }

  private static String hex(byte[] bytes) {
    return HexFormat.of().formatHex(bytes);
  }
}
