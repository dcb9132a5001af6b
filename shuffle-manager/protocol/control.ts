/**
 * The control plane, one row a call: path, who may call it, request and answer. Fastify's routes, the undici client,
 * the OpenAPI document, the token test and the simulator's messages are all made from this table. Every call is a
 * POST of JSON and may be sent twice: its docstring says what the second one answers.
 */
import { type Static, type TSchema, Type } from 'typebox';
import { hex128, Location, u32, u64Text } from './ids.ts';

/** Who may call: anyone · any process that knows the cluster secret · the holder of that job's token (or of the secret). */
export type Scope = 'open' | 'cluster' | 'job';

interface Call<Q extends TSchema, A extends TSchema> {
  readonly path: string;
  readonly scope: Scope;
  readonly request: Q;
  readonly answer: A;
}
const call = <Q extends TSchema, A extends TSchema>(path: string, scope: Scope, request: Q, answer: A): Call<Q, A> => ({
  path,
  scope,
  request,
  answer,
});
const closed = { additionalProperties: false };
const version = Type.Integer({ minimum: 0 });
/** The engine's; never falls in the life of a shuffle's name. An engine that gives one shuffle to several stages counts them in too. */
const stageAttempt = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** Which coordinator of a job speaks: 1 opened it, each that takes it over is one more. One that has been overtaken gets FENCED. */
const epoch = Type.Integer({ minimum: 1, maximum: 0xffff });
/** What the names of one application's shuffles begin with. */
const names = Type.String({ minLength: 1, maxLength: 200 });
/** A token that outlives this does not fit its form. */
const tenYearsMs = 10 * 365 * 24 * 3_600_000;

/** `received` = in the worker's memory · `written` = survives kill -9 · `durable` = survives power loss. */
export const Level = Type.Union([Type.Literal('received'), Type.Literal('written'), Type.Literal('durable')]);
export type Level = Static<typeof Level>;
export const levels: readonly Level[] = ['received', 'written', 'durable'];

/** What a shuffle is, said once, at `open`. order: 0 partition, 1 map, 2 arrival. */
export const ShuffleSpec = Type.Object(
  {
    maps: u32,
    partitions: u32,
    order: Type.Union([Type.Literal(0), Type.Literal(1), Type.Literal(2)]),
    level: Level,
    /** False: never re-run in part; a loss invalidates the run. */
    deterministic: Type.Boolean(),
    replicas: Type.Integer({ minimum: 1, maximum: 4 }),
    /** Bytes expected in all, 0 = not known: a hint for placement. */
    bytesHint: Type.Integer({ minimum: 0 }),
    /** The schema of the payloads, base64; opaque here. */
    schema: Type.String(),
  },
  closed,
);
export type ShuffleSpec = Static<typeof ShuffleSpec>;

/** What one writer stream has been acknowledged for: the cells of one map in one location. */
export const CommittedCell = Type.Object({ location: u32, incarnations: Type.Array(hex128), manifestHash: u64Text }, closed);
export type CommittedCell = Static<typeof CommittedCell>;

/**
 * Who won, run-length coded: `attempts` are the winners of maps [mapFrom, mapFrom + attempts.length); -1 = not committed.
 * It holds for every location that covers the map, except where `exceptions` name another winner (a repaired cell) or none
 * (-1: a lost cell, or a location the map did not write to). `lacking`: replicas, by their place in the location, that do not have a cell
 * which is committed there; absent when every replica has all. Read it through viewLayout (layout.ts), not by hand.
 */
export const Winners = Type.Object({
  mapFrom: u32,
  attempts: Type.Array(Type.Integer({ minimum: -1, maximum: 0xffffffff })),
  exceptions: Type.Array(Type.Object({ map: u32, location: u32, attempt: Type.Integer({ minimum: -1, maximum: 0xffffffff }) })),
  lacking: Type.Optional(Type.Array(Type.Object({ map: u32, location: u32, replica: u32 }))),
});
export type Winners = Static<typeof Winners>;

export const Layout = Type.Object({
  shuffle: u64Text,
  spec: ShuffleSpec,
  /** The stage attempt that opened this run. A writer of an older one, where the spec is not deterministic, has been overtaken. */
  stageAttempt,
  /** Grows with every commit, loss, repair and new location. */
  version,
  sealed: Type.Boolean(),
  invalidated: Type.Boolean(),
  locations: Type.Array(Location),
  /** The whole ledger as it stands at `version`. */
  winners: Winners,
});
export type Layout = Static<typeof Layout>;

const Orders = Type.Object({
  version,
  term: u32,
  /** Jobs and shuffles to be swept, u64 text; a whole job is its shuffle prefix `job:N`. */
  released: Type.Array(Type.String()),
  /** Slots this executor now has to serve; absent ones are to be dropped. */
  leases: Type.Array(Type.Object({ lease: hex128, job: u32, url: Type.String(), token: Type.String(), slots: u32 })),
  drain: Type.Boolean(),
  /** All jobs that store more than they may, and a sentence about each: a worker takes no new streams of theirs. */
  overQuota: Type.Array(Type.Object({ job: u32, what: Type.String() })),
});
export type Orders = Static<typeof Orders>;

const WorkerStatus = Type.Object({
  worker: hex128,
  incarnation: hex128,
  host: Type.String(),
  port: Type.Integer(),
  hostLabel: Type.String(),
  pid: Type.Integer(),
  state: Type.Union([Type.Literal('live'), Type.Literal('draining'), Type.Literal('lost')]),
  load: Type.Record(Type.String(), Type.Number()),
});
const ExecutorStatus = Type.Object({ executor: hex128, incarnation: hex128, host: Type.String(), pid: Type.Integer(), slots: u32, used: u32 });

export const calls = {
  /** Version, cluster id and term; what a client asks first. */
  hello: call(
    '/v1/cluster/hello',
    'open',
    Type.Object({}, closed),
    Type.Object({ protocol: Type.Integer(), cluster: hex128, term: u32, release: Type.String() }),
  ),
  status: call(
    '/v1/cluster/status',
    'cluster',
    Type.Object({}, closed),
    Type.Object({
      cluster: hex128,
      term: u32,
      uptimeMs: Type.Number(),
      workers: Type.Array(WorkerStatus),
      executors: Type.Array(ExecutorStatus),
      jobs: Type.Array(
        Type.Object({
          job: u32,
          name: Type.String(),
          shuffles: u32,
          slots: u32,
          url: Type.String(),
          ageMs: Type.Number(),
          /** Over all workers, losers' data included, as of the last second. */
          storedBytes: Type.Integer({ minimum: 0 }),
          /** 0 = no limit. */
          quotaBytes: Type.Integer({ minimum: 0 }),
          /** Wall clock; 0 = the job lives as long as it is kept. */
          expiresAt: Type.Number(),
          /** Its coordinator is gone, and another may take it over (`resumeJob`) until then, wall clock; 0 = no. */
          resumableUntil: Type.Number(),
          epoch,
        }),
      ),
    }),
  ),
  /** Mints a token for one new job of another engine; `expiresMs` from now. The job lives as long as its token, kept or not; its shuffles may end sooner (`keepJob`). */
  mintToken: call(
    '/v1/cluster/token',
    'cluster',
    Type.Object({ name: Type.String(), expiresMs: Type.Integer({ minimum: 1000, maximum: tenYearsMs }) }, closed),
    Type.Object({ job: u32, token: Type.String(), expiresAt: Type.Number() }),
  ),

  /** A worker or executor makes itself known. The same incarnation again: the same answer. Another incarnation of the same id replaces it: its cells are vacated unless announced. */
  registerWorker: call(
    '/v1/workers/register',
    'cluster',
    Type.Object(
      {
        worker: hex128,
        incarnation: hex128,
        cluster: Type.Optional(hex128),
        host: Type.String(),
        port: Type.Integer(),
        hostLabel: Type.String(),
        pid: Type.Integer(),
        protocol: Type.Integer(),
      },
      closed,
    ),
    Type.Object({ cluster: hex128, term: u32, leaseMs: Type.Integer() }),
  ),
  registerExecutor: call(
    '/v1/workers/executor',
    'cluster',
    Type.Object({ executor: hex128, incarnation: hex128, host: Type.String(), pid: Type.Integer(), slots: u32, protocol: Type.Integer() }, closed),
    Type.Object({ cluster: hex128, term: u32, leaseMs: Type.Integer() }),
  ),
  /** After a restart: the manifests this worker still holds. Cells announced move to the new incarnation, the worker's others become vacant. Again: same answer. */
  announce: call(
    '/v1/workers/announce',
    'cluster',
    Type.Object(
      {
        worker: hex128,
        incarnation: hex128,
        held: Type.Array(Type.Object({ shuffle: u64Text, map: u32, attempt: u32, location: u32, manifestHash: u64Text })),
      },
      closed,
    ),
    Type.Object({ kept: u32, released: Type.Array(u64Text) }),
  ),
  /** No new data for this worker: it says so to its clients, and stays readable until it is stopped. Forgotten when it starts anew. Again: same answer. @throws WORKER_UNKNOWN */
  drainWorker: call(
    '/v1/workers/drain',
    'cluster',
    Type.Object({ worker: hex128 }, closed),
    Type.Object({ state: Type.Union([Type.Literal('draining'), Type.Literal('lost')]) }),
  ),
  /** Long poll (30 s): answers when `version` is newer than `after`. Its arrival is the heartbeat. `leaving` = a graceful goodbye. */
  orders: call(
    '/v1/workers/orders',
    'cluster',
    Type.Object(
      {
        id: hex128,
        incarnation: hex128,
        after: version,
        load: Type.Record(Type.String(), Type.Number()),
        /** A worker's: stored bytes by job, all that is not 0. */
        stored: Type.Optional(Type.Array(Type.Object({ job: u32, bytes: Type.Integer({ minimum: 0 }) }, closed))),
        leaving: Type.Boolean(),
        waitMs: Type.Integer({ minimum: 0, maximum: 60000 }),
      },
      closed,
    ),
    Orders,
  ),

  /** A new job: its id, its token. `url` is the coordinator's, for executors: empty, with 0 slots, for a job of another engine. Not idempotent: a job nobody keeps is released after its lease. */
  openJob: call(
    '/v1/jobs/open',
    'cluster',
    Type.Object({ name: Type.String(), url: Type.String(), slots: u32 }, closed),
    Type.Object({ job: u32, token: Type.String(), term: u32, leaseMs: Type.Integer() }),
  ),
  /**
   * Keeps the job's lease and says which slots it has; long poll on `after`. `slots`: how many it wishes from now on; absent = as before.
   * `names`: keeps the shuffles whose names begin so, too. Several applications share one minted job: when nobody has kept
   * these names for a lease, these shuffles are released and the job goes on.
   */
  keepJob: call(
    '/v1/jobs/keep',
    'job',
    Type.Object(
      {
        job: u32,
        after: version,
        slots: Type.Optional(u32),
        names: Type.Optional(names),
        epoch: Type.Optional(epoch),
        waitMs: Type.Integer({ minimum: 0, maximum: 60000 }),
      },
      closed,
    ),
    Type.Object({
      version,
      term: u32,
      workers: u32,
      leases: Type.Array(Type.Object({ lease: hex128, executor: hex128, incarnation: hex128, slots: u32 })),
    }),
  ),
  /**
   * Ends the job, whosever it is: slots are freed, its shuffles released, its token is of no more use. Again: same answer.
   * @throws FENCED with the epoch of a coordinator that has been overtaken
   */
  closeJob: call('/v1/jobs/close', 'job', Type.Object({ job: u32, epoch: Type.Optional(epoch) }, closed), Type.Object({})),
  /**
   * Adds to the log of the job what its coordinator has decided: entries `from`, `from + 1` .., text that only coordinators understand.
   * A job that has a log outlives its coordinator for a while. Again: same answer. @throws FENCED
   */
  logJob: call(
    '/v1/jobs/log',
    'job',
    Type.Object({ job: u32, epoch, from: version, entries: Type.Array(Type.String()) }, closed),
    Type.Object({ length: version }),
  ),
  /** The log from entry `from` on, about 8 MiB at a time. */
  readJobLog: call(
    '/v1/jobs/entries',
    'job',
    Type.Object({ job: u32, from: version }, closed),
    Type.Object({ length: version, entries: Type.Array(Type.String()) }),
  ),
  /** A coordinator at `url` takes over a job with a log: the one before it is fenced, and its slots are given anew. `after` is the
   * epoch it takes the job over from, `taker` a name of its own; again: same epoch. @throws FENCED when another one has taken it over from there, JOB_UNKNOWN, JOB_NOT_RESUMABLE */
  resumeJob: call(
    '/v1/jobs/resume',
    'cluster',
    Type.Object({ job: u32, url: Type.String(), slots: u32, after: epoch, taker: hex128 }, closed),
    Type.Object({ epoch, name: Type.String(), token: Type.String(), term: u32, leaseMs: Type.Integer() }),
  ),

  /** A new run, journalled, with its first locations; `name` makes it idempotent within the job: the same name and spec give the same shuffle. @throws QUOTA_EXCEEDED for a new run of a job that stores more than it may */
  openShuffle: call('/v1/shuffles/open', 'job', Type.Object({ job: u32, name: Type.String(), spec: ShuffleSpec }, closed), Layout),
  /**
   * The current run of an engine's shuffle at a stage attempt. The first call opens it. A stage attempt above the run's opens a new one,
   * and releases the old, where the spec is not deterministic or the run is over (invalidated, released); a
   * deterministic run that stands goes on, its vacant cells are refilled. The same or a lower stage attempt gets the
   * current run as it is: readers ask with 0, and a writer sees in the layout's `stageAttempt` that it has been overtaken. Again: same answer.
   */
  resolveShuffle: call(
    '/v1/shuffles/resolve',
    'job',
    Type.Object({ job: u32, name: Type.String(), stageAttempt, spec: ShuffleSpec }, closed),
    Layout,
  ),
  /** Compare-and-set on the map's vacant cells, whole or not at all. Again: the winner again. Another attempt: won = false, a success for its task. Refused (REQUEST_INVALID, WRONG_INCARNATION) when a cell is missing or an incarnation is no longer the location's. */
  commit: call(
    '/v1/shuffles/commit',
    'job',
    Type.Object({ shuffle: u64Text, map: u32, attempt: u32, cells: Type.Array(CommittedCell) }, closed),
    Type.Object({ won: Type.Boolean(), winner: u32, version, sealed: Type.Boolean() }),
  ),
  /** The layout, at once when its version is newer than `after`, else when it becomes so (long poll). The whole of it: under 100 KB for 10,000 x 10,000. */
  layout: call(
    '/v1/shuffles/layout',
    'job',
    Type.Object({ shuffle: u64Text, after: Type.Integer({ minimum: -1 }), waitMs: Type.Integer({ minimum: 0, maximum: 60000 }) }, closed),
    Layout,
  ),
  /** Cells that could not be read. gone: the worker answered MISSING, CORRUPT or another incarnation, or its poll is closed: vacated at once; else after 3 reports 1 s apart. An empty `maps` = all of the location. Again: same answer. */
  lost: call(
    '/v1/shuffles/lost',
    'job',
    Type.Object(
      {
        shuffle: u64Text,
        location: u32,
        incarnation: hex128,
        maps: Type.Array(u32),
        because: Type.Union([Type.Literal('missing'), Type.Literal('corrupt'), Type.Literal('incarnation'), Type.Literal('unreachable')]),
      },
      closed,
    ),
    Type.Object({ version, vacated: Type.Boolean() }),
  ),
  /** Tombstone; swept after the grace. Again: same answer. */
  release: call('/v1/shuffles/release', 'job', Type.Object({ shuffle: u64Text }, closed), Type.Object({})),
} as const;

export type CallName = keyof typeof calls;
export type Request<N extends CallName> = Static<(typeof calls)[N]['request']>;
export type Answer<N extends CallName> = Static<(typeof calls)[N]['answer']>;

/** The manager as its clients see it: the undici client and the simulator's both are one of these. */
export type ManagerCalls = { readonly [N in CallName]: (request: Request<N>, options?: { signal?: AbortSignal }) => Promise<Answer<N>> };

/** Makes one call of the table a route; the server gives it, routes/ say which calls and why. */
export type AddCall = (name: CallName, summary: string) => void;
