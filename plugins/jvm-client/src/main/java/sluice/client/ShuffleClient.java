package sluice.client;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Shuffles as the tasks of one process see them: layouts, writers, readers. One per process and job token; thread safe. It
 * has one connection per worker, made when it is first needed, with a daemon thread for each direction: task threads wait, and
 * may be interrupted while they wait, but never touch a socket.
 */
public final class ShuffleClient implements AutoCloseable {
  /** How long the manager may be out of reach: tasks wait for one that is started again. */
  private static final long PATIENCE_MS = 60_000;
  /** A writer's layout older than this is asked for again; one that does not serve is asked for again at once. */
  private static final long LAYOUT_MAX_AGE_MS = 2000;
  private static final long SILENCE_MS = 30_000;

  final Manager manager;
  final Layouts layouts;
  final Reports reports;
  final FramePool pool = new FramePool();
  private final int job;
  private final String token;
  private final String name;
  private final long silenceMs;
  private final Map<String, Connection> connections = new HashMap<>();
  private boolean closed;

  private ShuffleClient(Manager manager, int job, String token, String name, long silenceMs) {
    this.manager = manager;
    this.job = job;
    this.token = token;
    this.name = name;
    this.silenceMs = silenceMs;
    layouts = new Layouts(manager);
    reports = new Reports(manager, layouts);
    Thread watch = new Thread(this::watch, "sluice-watch");
    watch.setDaemon(true);
    watch.start();
  }

  /** Asks nobody yet. name: who is calling, for the workers' logs. @throws SluiceException CLUSTER_UNREACHABLE: a URL that is none */
  public static ShuffleClient open(List<String> urls, int job, String token, String name) throws SluiceException {
    return open(urls, job, token, name, SILENCE_MS);
  }

  /** silenceMs: a connection that is waited for and says nothing so long is cut. */
  static ShuffleClient open(List<String> urls, int job, String token, String name, long silenceMs) throws SluiceException {
    return new ShuffleClient(new Manager(urls, () -> token, PATIENCE_MS), job, token, name, silenceMs);
  }

  /** The current run of the engine's shuffle at a stage attempt, made when there is none; one call. The layout is remembered. */
  public Layout resolve(String shuffleName, long stageAttempt, ShuffleSpec spec) throws SluiceException, InterruptedException {
    StringBuilder body = new StringBuilder("{\"job\":").append(Integer.toUnsignedString(job)).append(",\"name\":");
    Json.quote(body, shuffleName).append(",\"stageAttempt\":").append(stageAttempt);
    body.append(",\"spec\":{\"maps\":").append(spec.maps()).append(",\"partitions\":").append(spec.partitions());
    body.append(",\"order\":").append(spec.order()).append(",\"level\":");
    Json.quote(body, spec.level()).append(",\"deterministic\":").append(spec.deterministic()).append(",\"replicas\":").append(spec.replicas());
    body.append(",\"bytesHint\":").append(spec.bytesHint()).append(",\"schema\":");
    Json.quote(body, spec.schema()).append("}}");
    return layouts.put(manager.call("/v1/shuffles/resolve", body));
  }

  /**
   * The remembered layout when it serves, else the manager's as of now; threads that ask at once share one call.
   * sealed: one by which every map is committed is wanted. The answer may still not be sealed.
   */
  public Layout layout(long shuffle, boolean sealed) throws SluiceException, InterruptedException {
    return layouts.get(shuffle, 0, known -> !sealed || known.sealed());
  }

  /** The layout as of a moment after the call. */
  public Layout refresh(long shuffle) throws SluiceException, InterruptedException {
    return layouts.refresh(shuffle);
  }

  /** The layout is not remembered any longer. */
  public void forget(long shuffle) {
    layouts.forget(shuffle);
  }

  /** Maps of the range with a vacant cell in it, ascending; all of the range when the run is invalidated. Asks nobody. */
  public int[] vacant(Layout layout, int mapFrom, int mapTo, int partitionFrom, int partitionTo) {
    return layout.vacant(mapFrom, mapTo, partitionFrom, partitionTo);
  }

  /**
   * A writer of one attempt. The layout is asked for again when it is too old for that.
   * @throws SluiceException ATTEMPT_SUPERSEDED when the run is invalidated
   */
  public MapWriter openWriter(Layout layout, int map, int attempt) throws SluiceException, InterruptedException {
    if (map < 0 || map >= layout.spec().maps()) throw new IllegalArgumentException("map " + map + " of " + layout.spec().maps());
    Layout fresh = layouts.get(layout.shuffle(), LAYOUT_MAX_AGE_MS, known -> isFresh(known, map));
    if (fresh.invalidated()) throw Errors.of("ATTEMPT_SUPERSEDED", Map.of("map", map), null);
    return new MapWriter(this, fresh, map, attempt);
  }

  /** What was committed once is a repair: which cells it has to fill is not a matter for an old layout. */
  private boolean isFresh(Layout layout, int map) {
    List<Location> targets = layout.targets(map);
    if (targets.size() < layout.ranges().length) return false;
    for (Location target : targets) for (Location.Replica replica : target.replicas()) if (isLeaving(replica)) return false;
    return true;
  }

  /**
   * A reader of the winners' blocks of a rectangle; `to` exclusive, mapTo at most the shuffle's maps. It asks the workers at
   * once. Memory: at most about maxBytesInFlight, and one frame of each worker at least.
   * @throws SluiceException MISSING (RECOMPUTE, with the maps) when something of it is not committed
   */
  public BlockReader openReader(Layout layout, int mapFrom, int mapTo, int partitionFrom, int partitionTo, long maxBytesInFlight)
      throws SluiceException, InterruptedException {
    if (mapFrom < 0 || mapFrom > mapTo || mapTo > layout.spec().maps()) throw new IllegalArgumentException("maps " + mapFrom + " to " + mapTo);
    if (partitionFrom < 0 || partitionFrom > partitionTo || partitionTo > layout.spec().partitions()) {
      throw new IllegalArgumentException("partitions " + partitionFrom + " to " + partitionTo);
    }
    Layout serving = layout;
    if (layout.vacant(mapFrom, mapTo, partitionFrom, partitionTo).length > 0) {
      serving = layouts.get(layout.shuffle(), 0, known -> known.vacant(mapFrom, mapTo, partitionFrom, partitionTo).length == 0);
    }
    return new BlockReader(this, serving, new ReadRange(mapFrom, mapTo, partitionFrom, partitionTo), maxBytesInFlight);
  }

  Connection connection(Location.Replica replica) {
    synchronized (connections) {
      Connection connection = connections.get(replica.incarnation());
      if (connection == null) {
        Connection.Hello hello = new Connection.Hello(replica.host(), replica.port(), replica.incarnation(), token, name, silenceMs);
        connection = new Connection(hello, pool);
        if (closed) connection.close();
        else connections.put(replica.incarnation(), connection);
      }
      return connection;
    }
  }

  private boolean isLeaving(Location.Replica replica) {
    synchronized (connections) {
      Connection connection = connections.get(replica.incarnation());
      return connection != null && connection.isLeaving();
    }
  }

  private void watch() {
    for (;;) {
      Connection[] all;
      synchronized (connections) {
        try {
          if (!closed) connections.wait(Math.max(100, silenceMs / 12));
        } catch (InterruptedException nobodyDoes) {
          return;
        }
        if (closed) return;
        all = connections.values().toArray(Connection[]::new);
      }
      for (Connection connection : all) connection.watch();
    }
  }

  /** Cuts all connections; what is open fails with CONNECTION_LOST. */
  @Override
  public void close() {
    Connection[] all;
    synchronized (connections) {
      closed = true;
      all = connections.values().toArray(Connection[]::new);
      connections.clear();
      connections.notifyAll();
    }
    for (Connection connection : all) connection.close();
    manager.close();
  }
}
