/**
 * What the cluster has decided: jobs, slot leases, shuffle runs, locations, winners. It changes by records only: state' =
 * apply(state, record), in place, without clock or randomness, so that replaying a journal gives the same state to the
 * byte. What is known of who is alive is not here (workers.ts). Called by manager.ts.
 */
import assert from 'node:assert/strict';
import { createRun, type Fill, fillCells, mapsHeld, readdressCells, type ShuffleRun, vacateCells } from './cells.ts';
import type { SlotShare } from './leases.ts';
import type { ShuffleSpec } from './protocol/control.ts';
import { SluiceError } from './protocol/errors.ts';
import { jobOf, type Location, type Replica, shuffleFrom, shuffleId, shuffleText } from './protocol/ids.ts';

export interface JobEntry {
  readonly job: number;
  readonly name: string;
  /** The coordinator's, for executors; empty for jobs of other engines. */
  url: string;
  /** The coordinators that have taken it over, one after the other, by the name each gave itself. */
  readonly takers: string[];
  /** What coordinators have decided, as they wrote it down; a job without any cannot be taken over. */
  readonly log: string[];
  /** Wall clock, for showing. */
  readonly openedAt: number;
  /** Wall clock; 0 = the job lives as long as it is kept. */
  readonly expiresAt: number;
  /** Beginnings of shuffle names that have a lease of their own. */
  readonly kept: Set<string>;
  lastRun: number;
  /** The current run of each name. */
  readonly names: Map<string, { run: number; stageAttempt: number }>;
  readonly runs: Map<number, ShuffleRun>;
}

export interface Lease extends SlotShare {
  readonly lease: string;
}

export interface Ledger {
  cluster: string;
  lastJob: number;
  readonly jobs: Map<number, JobEntry>;
  leases: readonly Lease[];
  /** What workers may have to sweep, oldest first, as `job:N` or a shuffle; older ones are found out by announcing. */
  released: string[];
}

/** The journal's vocabulary. JSON: hashes are decimal text. */
export type LedgerRecord =
  | { readonly kind: 'snapshot'; readonly ledger: LedgerJson }
  | { readonly kind: 'job'; readonly job: number; readonly name: string; readonly url: string; readonly openedAt: number; readonly expiresAt: number }
  | { readonly kind: 'closed'; readonly job: number }
  /** Another coordinator at `url` has taken the job over; slots of the one before it are taken away. */
  | { readonly kind: 'resumed'; readonly job: number; readonly taker: string; readonly url: string }
  | { readonly kind: 'logged'; readonly job: number; readonly entries: readonly string[] }
  /** Shuffles of these names have a lease of their own from now on, or no longer. */
  | { readonly kind: 'kept' | 'left'; readonly job: number; readonly names: string }
  | { readonly kind: 'leases'; readonly leases: readonly Lease[] }
  | {
      readonly kind: 'run';
      readonly shuffle: string;
      readonly name: string;
      readonly stageAttempt: number;
      readonly spec: ShuffleSpec;
      readonly locations: readonly Location[];
    }
  | { readonly kind: 'located'; readonly shuffle: string; readonly locations: readonly Location[] }
  | {
      readonly kind: 'commit';
      readonly shuffle: string;
      readonly map: number;
      readonly attempt: number;
      /** Location, hash, mask of replicas. */
      readonly cells: readonly (readonly [number, string, number])[];
    }
  | {
      readonly kind: 'vacated';
      readonly shuffle: string;
      readonly location: number;
      readonly replica: number;
      /** null: all the replica keeps of the location. */
      readonly maps: readonly number[] | null;
      readonly maybeBack: boolean;
    }
  | {
      readonly kind: 'announced';
      readonly replica: Replica;
      /** Per (shuffle, location): the maps that are kept, as a bitmap from mapFrom on, base64. What is not named has none. */
      readonly kept: readonly (readonly [string, number, string])[];
    }
  | { readonly kind: 'released'; readonly shuffle: string };

/** Tombstones remembered for workers that were away. */
const maxReleased = 1000;

export const emptyLedger = (cluster: string): Ledger => ({ cluster, lastJob: 0, jobs: new Map(), leases: [], released: [] });

/** Applies one record, in place. A record that does not fit the state is a bug: records are made from judged calls. */
export function apply(ledger: Ledger, record: LedgerRecord): void {
  switch (record.kind) {
    case 'snapshot':
      restore(ledger, record.ledger);
      break;
    case 'job':
      assert(record.job > ledger.lastJob, 'a job id is never reused');
      ledger.lastJob = record.job;
      ledger.jobs.set(record.job, createJob(record));
      break;
    case 'closed':
      assert(ledger.jobs.delete(record.job), 'the job is open');
      ledger.leases = ledger.leases.filter((lease) => lease.job !== record.job);
      bury(ledger, `job:${record.job}`, (text) => !text.includes(':') && jobOf(shuffleFrom(text)) === record.job);
      break;
    case 'resumed': {
      const job = requireJob(ledger, record.job);
      assert(!job.takers.includes(record.taker), 'a coordinator takes a job over once');
      job.takers.push(record.taker);
      job.url = record.url;
      ledger.leases = ledger.leases.filter((lease) => lease.job !== record.job);
      break;
    }
    case 'logged':
      requireJob(ledger, record.job).log.push(...record.entries);
      break;
    case 'kept':
      requireJob(ledger, record.job).kept.add(record.names);
      break;
    case 'left':
      requireJob(ledger, record.job).kept.delete(record.names);
      break;
    case 'leases':
      ledger.leases = record.leases;
      break;
    case 'run': {
      const job = jobOfRun(ledger, record.shuffle);
      const run = runNumber(record.shuffle);
      assert(run === job.lastRun + 1, 'runs are numbered one after the other');
      // First: one that is too large is refused, and then nothing has changed.
      const created = createRun(record.shuffle, record.name, record.stageAttempt, record.spec, record.locations.map(copyLocation));
      job.lastRun = run;
      job.names.set(record.name, { run, stageAttempt: record.stageAttempt });
      job.runs.set(run, created);
      break;
    }
    case 'located':
      changeRun(ledger, record.shuffle, (run) => {
        for (const location of record.locations) {
          assert(location.id === run.locations.length, 'locations only grow');
          run.locations.push(copyLocation(location));
        }
      });
      break;
    case 'commit':
      changeRun(ledger, record.shuffle, (run) => {
        const fills: Fill[] = record.cells.map(([location, hash, mask]) => ({ location, hash: BigInt(hash), mask }));
        fillCells(run, record.map, record.attempt, fills);
      });
      break;
    case 'vacated':
      changeRun(ledger, record.shuffle, (run) => {
        const location = run.locations[record.location] as Location;
        vacateCells(run, location, record.replica, record.maps ?? mapsHeld(run, location, record.replica, null), record.maybeBack);
      });
      break;
    case 'announced':
      announce(ledger, record);
      break;
    case 'released': {
      const job = jobOfRun(ledger, record.shuffle);
      assert(job.runs.delete(runNumber(record.shuffle)), 'the shuffle is open');
      bury(ledger, record.shuffle, () => false);
      break;
    }
  }
}

const createJob = (facts: { job: number; name: string; url: string; openedAt: number; expiresAt: number }): JobEntry => ({
  job: facts.job,
  name: facts.name,
  url: facts.url,
  takers: [],
  log: [],
  openedAt: facts.openedAt,
  expiresAt: facts.expiresAt,
  kept: new Set(),
  lastRun: 0,
  names: new Map(),
  runs: new Map(),
});

const copyLocation = (location: Location): Location => ({ ...location, replicas: [...location.replicas] });
const runNumber = (shuffle: string): number => Number(shuffleFrom(shuffle) & 0xffff_ffffn);

function jobOfRun(ledger: Ledger, shuffle: string): JobEntry {
  const job = ledger.jobs.get(jobOf(shuffleFrom(shuffle)));
  assert(job !== undefined, 'the job is open');
  return job;
}

function changeRun(ledger: Ledger, shuffle: string, change: (run: ShuffleRun) => void): void {
  const run = jobOfRun(ledger, shuffle).runs.get(runNumber(shuffle));
  assert(run !== undefined, 'the shuffle is open');
  change(run);
  run.version++;
}

function bury(ledger: Ledger, text: string, covered: (older: string) => boolean): void {
  ledger.released = [...ledger.released.filter((older) => !covered(older)), text].slice(-maxReleased);
}

function announce(ledger: Ledger, record: LedgerRecord & { kind: 'announced' }): void {
  const keptOf = new Map(record.kept.map(([shuffle, location, bits]) => [`${shuffle} ${location}`, bits]));
  for (const run of runsOf(ledger)) {
    let changed = false;
    for (const location of run.locations) {
      const replica = staleReplica(location, record.replica);
      if (replica < 0) continue;
      const bits = keptOf.get(`${run.shuffle} ${location.id}`);
      readdressCells(run, location, replica, bits === undefined ? new Set() : mapsOfBits(bits, location.mapFrom));
      location.replicas[replica] = record.replica;
      changed = true;
    }
    if (changed) run.version++;
  }
}

/** Which replica of a location is this worker's, under an incarnation it no longer has; -1 = none. */
export const staleReplica = (location: Location, now: Replica): number =>
  location.replicas.findIndex((replica) => replica.worker === now.worker && replica.incarnation !== now.incarnation);

export function bitsOfMaps(maps: readonly number[], mapFrom: number, mapTo: number): string {
  const bits = new Uint8Array(Math.ceil((mapTo - mapFrom) / 8));
  for (const map of maps) bits[(map - mapFrom) >> 3] = (bits[(map - mapFrom) >> 3] as number) | (1 << ((map - mapFrom) & 7));
  return Buffer.from(bits).toString('base64');
}

function mapsOfBits(text: string, mapFrom: number): Set<number> {
  const maps = new Set<number>();
  Buffer.from(text, 'base64').forEach((byte, at) => {
    for (let bit = 0; bit < 8; bit++) if (byte & (1 << bit)) maps.add(mapFrom + at * 8 + bit);
  });
  return maps;
}

/** All open runs, by job and run. */
export function* runsOf(ledger: Ledger): Generator<ShuffleRun> {
  for (const job of ledger.jobs.values()) yield* job.runs.values();
}

/** @throws JOB_UNKNOWN */
/** Which coordinator a job has: 1 opened it, each that takes it over is one more. */
export const epochOf = ({ takers }: JobEntry): number => takers.length + 1;

export function requireJob(ledger: Ledger, job: number): JobEntry {
  const entry = ledger.jobs.get(job);
  if (entry === undefined) throw new SluiceError('JOB_UNKNOWN', { job });
  return entry;
}

/** `open`, `released` (it was there once) or `unknown`: three different answers. */
export function fateOf(ledger: Ledger, shuffle: string): 'open' | 'released' | 'unknown' {
  const id = shuffleFrom(shuffle);
  const job = jobOf(id);
  const entry = ledger.jobs.get(job);
  if (entry === undefined) return job >= 1 && job <= ledger.lastJob ? 'released' : 'unknown';
  const run = runNumber(shuffle);
  if (entry.runs.has(run)) return 'open';
  return run >= 1 && run <= entry.lastRun ? 'released' : 'unknown';
}

/** @throws SHUFFLE_UNKNOWN · SHUFFLE_RELEASED */
export function requireRun(ledger: Ledger, shuffle: string): ShuffleRun {
  const fate = fateOf(ledger, shuffle);
  if (fate !== 'open') throw new SluiceError(fate === 'released' ? 'SHUFFLE_RELEASED' : 'SHUFFLE_UNKNOWN', { shuffle });
  return jobOfRun(ledger, shuffle).runs.get(runNumber(shuffle)) as ShuffleRun;
}

export const nextShuffle = (job: JobEntry): string => shuffleText(shuffleId(job.job, job.lastRun + 1));

// The ledger as JSON: the journal's first record, and what tests hash. Keys are in the order in which things were made.

interface RunJson {
  shuffle: string;
  name: string;
  stageAttempt: number;
  spec: ShuffleSpec;
  locations: Location[];
  version: number;
  invalidated: boolean;
  complete: number;
  begun: string;
  places: string;
  attempts: string;
  hashes: string;
  masks: string | null;
}
export interface LedgerJson {
  cluster: string;
  lastJob: number;
  jobs: {
    job: number;
    name: string;
    url: string;
    openedAt: number;
    expiresAt: number;
    /** Absent in journals that are older than these. */
    takers?: string[];
    log?: string[];
    kept?: string[];
    lastRun: number;
    names: [string, number, number][];
    runs: RunJson[];
  }[];
  leases: readonly Lease[];
  released: string[];
}

const textOf = (array: Uint8Array | Uint16Array | Uint32Array | BigUint64Array): string =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64');
const refill = (array: Uint8Array | Uint16Array | Uint32Array | BigUint64Array, text: string): void => {
  Buffer.from(text, 'base64').copy(new Uint8Array(array.buffer));
};

export function snapshotOf(ledger: Ledger): LedgerJson {
  return {
    cluster: ledger.cluster,
    lastJob: ledger.lastJob,
    jobs: [...ledger.jobs.values()].map((job) => ({
      job: job.job,
      name: job.name,
      url: job.url,
      openedAt: job.openedAt,
      expiresAt: job.expiresAt,
      takers: [...job.takers],
      log: [...job.log],
      kept: [...job.kept],
      lastRun: job.lastRun,
      names: [...job.names].map(([name, { run, stageAttempt }]) => [name, run, stageAttempt]),
      runs: [...job.runs.values()].map((run) => ({
        shuffle: run.shuffle,
        name: run.name,
        stageAttempt: run.stageAttempt,
        spec: run.spec,
        locations: run.locations.map(copyLocation),
        version: run.version,
        invalidated: run.invalidated,
        complete: run.complete,
        begun: textOf(run.begun),
        places: textOf(run.places),
        attempts: textOf(run.attempts),
        hashes: textOf(run.hashes),
        masks: run.masks === null ? null : textOf(run.masks),
      })),
    })),
    leases: ledger.leases,
    released: [...ledger.released],
  };
}

function restore(ledger: Ledger, json: LedgerJson): void {
  ledger.cluster = json.cluster;
  ledger.lastJob = json.lastJob;
  ledger.leases = json.leases;
  ledger.released = [...json.released];
  ledger.jobs.clear();
  for (const facts of json.jobs) {
    const job = createJob(facts);
    job.lastRun = facts.lastRun;
    job.takers.push(...(facts.takers ?? []));
    job.log.push(...(facts.log ?? []));
    for (const names of facts.kept ?? []) job.kept.add(names);
    for (const [name, run, stageAttempt] of facts.names) job.names.set(name, { run, stageAttempt });
    for (const saved of facts.runs) {
      const run = createRun(saved.shuffle, saved.name, saved.stageAttempt, saved.spec, saved.locations.map(copyLocation));
      run.version = saved.version;
      run.invalidated = saved.invalidated;
      run.complete = saved.complete;
      refill(run.begun, saved.begun);
      refill(run.places, saved.places);
      refill(run.attempts, saved.attempts);
      refill(run.hashes, saved.hashes);
      if (run.masks !== null && saved.masks !== null) refill(run.masks, saved.masks);
      job.runs.set(runNumber(saved.shuffle), run);
    }
    ledger.jobs.set(job.job, job);
  }
}
