/**
 * What a coordinator and its executors say to each other: executors call, the coordinator answers. `join` tells a lease
 * about the job, `poll` waits for tasks, `report` brings ends and progress home. The server, the executor's client and the
 * in-process link of the memory driver all speak these.
 */
import { type Static, Type } from 'typebox';
import { ErrorJson } from '#manager/protocol/errors.ts';
import { hex128, u32 } from '#manager/protocol/ids.ts';

const AttemptId = { stage: u32, task: u32, attempt: u32 };

/** A shuffle as its driver names it; see spi.ts. */
const Handle = Type.Object({
  driver: Type.Union([Type.Literal('memory'), Type.Literal('local'), Type.Literal('remote')]),
  id: Type.String(),
  maps: u32,
  partitions: u32,
});

export const Assignment = Type.Object({
  ...AttemptId,
  /** Of a scan: what the task reads. */
  split: Type.Union([
    Type.Null(),
    Type.Object({ bytes: Type.Number(), rows: Type.Number(), parts: Type.Unsafe<readonly unknown[]>(Type.Array(Type.Unknown())) }),
  ]),
  /** Of fetched edges: partitions [from, to). */
  partitionFrom: u32,
  partitionTo: u32,
  /** Shuffles of the edges the stage reads and writes. */
  shuffles: Type.Record(Type.String(), Handle),
  /** Outputs still wanted: indexes of `store` and `sink` operators. A repair wants fewer than all. */
  outputs: Type.Array(u32),
  /** Range bounds by edge, as makeBounds gives them. */
  bounds: Type.Record(Type.String(), Type.Unknown()),
});
export type Assignment = Static<typeof Assignment>;

const Digest = Type.Object({ rows: Type.Number(), sum: Type.String(), xor: Type.String() });

/** What a successful attempt has to say; plain numbers of bytes and rows. */
export const Outcome = Type.Object({
  rowsRead: Type.Number(),
  rowsWritten: Type.Number(),
  bytesShuffled: Type.Number(),
  /** By operator index: what a sink wrote. */
  written: Type.Record(Type.String(), Type.Object({ rows: Type.Number(), bytes: Type.Number(), files: Type.Array(Type.String()) })),
  /** By operator index, of sinks and of the result's store. */
  digests: Type.Record(Type.String(), Digest),
  /** By operator index of a store: the partitions it wrote to, and the bytes. */
  partitionBytes: Type.Record(Type.String(), Type.Array(Type.Tuple([u32, Type.Number()]))),
  /** By operator index: samples for range bounds. */
  samples: Type.Record(Type.String(), Type.Unknown()),
});
export type Outcome = Static<typeof Outcome>;

export const Ended = Type.Object({
  ...AttemptId,
  ms: Type.Number(),
  outcome: Type.Union([Type.Null(), Outcome]),
  error: Type.Union([Type.Null(), ErrorJson]),
});
export type Ended = Static<typeof Ended>;

export const Progress = Type.Object({ ...AttemptId, rows: Type.Number(), bytes: Type.Number() });
export type Progress = Static<typeof Progress>;

/** What a lease needs to know once: what to run, which module has its functions and what it must build to, how to reach the shuffles. */
export const JobDescription = Type.Object({
  job: u32,
  /** Names what the job stages beside its outputs. */
  staging: Type.String(),
  /** file: URL of the job module. */
  module: Type.String(),
  params: Type.Record(Type.String(), Type.Unknown()),
  digest: Type.String(),
  /** False: all of the job is in this message, and its module is not loaded. */
  hasFunctions: Type.Boolean(),
  /** Where each node's verb stands in the module, by uid. */
  places: Type.Record(Type.String(), Type.String()),
  /** Folder that relative paths of the job are meant from. */
  folder: Type.String(),
  plan: Type.Unknown(),
  stages: Type.Unknown(),
  driver: Type.Unknown(),
});
export type JobDescription = Static<typeof JobDescription>;

const closed = { additionalProperties: false };
export const coordinatorCalls = {
  join: { path: '/v1/tasks/join', request: Type.Object({ lease: hex128 }, closed), answer: JobDescription },
  poll: {
    path: '/v1/tasks/poll',
    request: Type.Object({ lease: hex128, slots: u32, waitMs: Type.Integer({ minimum: 0, maximum: 60000 }) }, closed),
    /** At most `slots` attempts run at once. `done`: the job has ended, the lease is over. `cancel`: attempts whose end nobody waits for. */
    answer: Type.Object({ assignments: Type.Array(Assignment), cancel: Type.Array(Type.Object(AttemptId)), done: Type.Boolean() }),
  },
  report: {
    path: '/v1/tasks/report',
    request: Type.Object({ lease: hex128, ended: Type.Array(Ended), progress: Type.Array(Progress) }, closed),
    answer: Type.Object({}),
  },
} as const;

type Calls = typeof coordinatorCalls;
/** The coordinator as an executor sees it. */
export type CoordinatorLink = {
  readonly [N in keyof Calls]: (request: Static<Calls[N]['request']>, signal?: AbortSignal) => Promise<Static<Calls[N]['answer']>>;
};
