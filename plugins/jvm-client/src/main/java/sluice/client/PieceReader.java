package sluice.client;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.IntStream;
import sluice.codec.Block;
import sluice.codec.CorruptException;
import sluice.codec.Counts;
import sluice.codec.Frame;

/**
 * One piece, over as many streams and replicas as it takes, with every check there is: both hashes, identity, winner, contiguous
 * sequence, and at the end that the blocks seen are those the writers counted. Its account lives from the first stream to the last. Memory:
 * 4 bytes a (partition, map).
 */
final class PieceReader {
  /** How often in a row, with nothing read in between, it is asked for again: of workers that do not answer, and after damage. */
  private static final int TRIES = 4;
  private static final int DAMAGES = 2;
  private static final long FIRST_PAUSE_MS = 100;

  final ReadPlan.Piece piece;
  final Layout layout;
  private final ShuffleClient client;
  private final Mailbox mailbox;
  private final int window;
  /** Winners by map; blocks taken by (partition, map), the map running faster. */
  private final int[] winners;
  private final int[] taken;
  private boolean hasTaken;
  private ReadStream stream;
  private boolean resumed;
  private int tries;
  private int damages;
  /** Replicas that have not failed for good, the one in use first. */
  private final List<Location.Replica> replicas = new ArrayList<>();
  private SluiceException firstError;
  private Location.Replica firstFailed;

  PieceReader(ShuffleClient client, Layout layout, ReadPlan.Piece piece, Mailbox mailbox, int window) {
    this.client = client;
    this.layout = layout;
    this.piece = piece;
    this.mailbox = mailbox;
    this.window = window;
    winners = IntStream.range(piece.mapFrom(), piece.mapTo()).map(map -> layout.winner(map, piece.location().id())).toArray();
    taken = new int[piece.pairs()];
    // Those that could not be reached a moment ago come last.
    for (Location.Replica replica : piece.replicas()) if (!client.connection(replica).isAiling()) replicas.add(replica);
    for (Location.Replica replica : piece.replicas()) if (!replicas.contains(replica)) replicas.add(replica);
  }

  /** Some of its blocks have been given out. */
  boolean hasTaken() {
    return hasTaken;
  }

  /** The stream is the one in use; others have ended. */
  boolean isOf(ReadStream one) {
    return stream == one;
  }

  /** Asks the worker, from where the account is. */
  void open() {
    resumed = hasTaken;
    Frame.OpenRead request =
        new Frame.OpenRead(
            layout.shuffle(), piece.location().id(), piece.partitionFrom(), piece.partitionTo(), piece.mapFrom(), piece.mapTo(), 0,
            (int) layout.version(), 0, window, 0, resumed ? Counts.encode(taken) : new byte[0]);
    stream = client.connection(replicas.get(0)).openRead(request, mailbox);
  }

  void close() {
    if (stream != null) stream.close();
    stream = null;
  }

  /** LAYOUT_MOVED when a read that was cut goes on by another layout: the rest may be another attempt's. Null: it is well. */
  SluiceException movedFault() {
    if (!resumed || stream.ledgerVersion == layout.version()) return null;
    return error("LAYOUT_MOVED", all(), "a read that was cut cannot go on");
  }

  /** Verifies the block at bytes[at, limit). Null: it is the next of its pair, or (`isNext` answers) one that was resent. */
  SluiceException faultOf(byte[] bytes, int at, int limit) {
    Block.Fault fault = Block.check(bytes, at, limit);
    // Its header says whose block it is only when the header's own hash holds.
    if (fault != null) return error("CORRUPT_BLOCK", fault == Block.Fault.PAYLOAD ? ofMap(bytes, at) : all(), "its " + fault + where());
    int partition = Block.partition(bytes, at) - piece.partitionFrom();
    int map = Block.map(bytes, at) - piece.mapFrom();
    boolean isOurs = partition >= 0 && partition < piece.partitionTo() - piece.partitionFrom() && map >= 0 && map < piece.maps();
    if (!isOurs || Block.shuffle(bytes, at) != layout.shuffle() || Block.section(bytes, at) != 0 || Block.kind(bytes, at) == Block.MANIFEST) {
      return error("MISSING", all(), "a block that was not asked for" + where());
    }
    if (Block.attempt(bytes, at) != winners[map]) {
      boolean isMoved = stream.ledgerVersion > layout.version();
      return error(isMoved ? "LAYOUT_MOVED" : "MISSING", ofMap(bytes, at), "a block of another attempt" + where());
    }
    int due = taken[partition * piece.maps() + map];
    if (Integer.compareUnsigned(Block.sequence(bytes, at), due) > 0) return error("MISSING", ofMap(bytes, at), "a gap in the blocks" + where());
    return null;
  }

  /** Takes the verified block into the account; false: it was taken before. */
  boolean isNext(byte[] bytes, int at) {
    int place = (Block.partition(bytes, at) - piece.partitionFrom()) * piece.maps() + Block.map(bytes, at) - piece.mapFrom();
    if (Block.sequence(bytes, at) != taken[place]) return false;
    taken[place]++;
    hasTaken = true;
    tries = 0;
    damages = 0;
    return true;
  }

  /** Null when the blocks taken are those that the writers counted. */
  SluiceException faultOfCounts(byte[] counts) {
    int[] expected = new int[taken.length];
    ByteBuffer coded = ByteBuffer.wrap(counts);
    try {
      Counts.decode(coded, expected);
    } catch (CorruptException nonsense) {
      return error("INCOMPLETE", all(), "the worker's counts are no counts");
    }
    if (coded.hasRemaining()) return error("INCOMPLETE", all(), "the worker's counts are no counts");
    TreeSet<Integer> wrong = new TreeSet<>();
    for (int i = 0; i < taken.length; i++) if (taken[i] != expected[i]) wrong.add(piece.mapFrom() + i % piece.maps());
    if (wrong.isEmpty()) return null;
    int[] maps = wrong.stream().mapToInt(Integer::intValue).toArray();
    return error("INCOMPLETE", maps, "blocks that their writers have counted did not come, or more did");
  }

  /** Goes on after a failure, in a while or elsewhere. isOurs: it was found here, not told by the worker. @throws SluiceException that is of no use */
  void failed(SluiceException error, boolean isOurs) throws SluiceException, InterruptedException {
    close();
    if (error.remedy() == Remedy.FAIL || error.code().equals("LAYOUT_MOVED")) throw blame(error);
    if (error.remedy() == Remedy.RETRY) {
      if (++tries > TRIES * replicas.size()) throw firstError == null ? blame(error) : firstError;
      // Another replica may be there while this one is not.
      if (replicas.size() > 1) replicas.add(replicas.remove(0));
      int round = (tries - 1) / replicas.size();
      if (tries % replicas.size() == 0) Thread.sleep(FIRST_PAUSE_MS << round);
    } else if (!isOurs || damages++ >= DAMAGES) {
      // Not damaged on its way, but for good.
      damages = 0;
      if (firstError == null) firstError = blame(error);
      replicas.remove(0);
      if (replicas.isEmpty()) throw firstError;
    }
    open();
  }

  private SluiceException blame(SluiceException error) {
    if (firstFailed == null) firstFailed = replicas.get(0);
    return error;
  }

  /** Who is to be reported after `failed` has thrown. */
  Location.Replica blamed() {
    return firstFailed;
  }

  private SluiceException error(String code, int[] maps, String what) {
    return Errors.of(code, Map.of("shuffle", Long.toUnsignedString(layout.shuffle()), "maps", maps, "what", what), null);
  }

  private String where() {
    return ", from location " + piece.location().id();
  }

  /** Nothing says which maps are whole before the end. */
  int[] all() {
    return IntStream.range(piece.mapFrom(), piece.mapTo()).toArray();
  }

  private static int[] ofMap(byte[] bytes, int at) {
    return new int[] {Block.map(bytes, at)};
  }
}
