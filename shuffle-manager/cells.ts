/**
 * The winners of one shuffle run, per (map, partition range), in typed arrays: 14 bytes a cell, and one more when there are
 * replicas. Judging a commit, filling, vacating and reviving cells; nothing per partition, no clock, no journal. Called
 * by ledger.ts when a record is applied and by manager.ts when a call is judged.
 */
import assert from 'node:assert/strict';
import type { CommittedCell, Layout, ShuffleSpec, Winners } from './protocol/control.ts';
import { SluiceError } from './protocol/errors.ts';
import type { Location } from './protocol/ids.ts';

/** One run of a shuffle. Only `apply` of ledger.ts changes it. */
export interface ShuffleRun {
  /** u64 as text. */
  readonly shuffle: string;
  readonly name: string;
  readonly stageAttempt: number;
  readonly spec: ShuffleSpec;
  /** Index = id; only grows; a replica's address changes when its worker restarts. */
  readonly locations: Location[];
  /** partitionFrom of each range, ascending: the columns. They never change. */
  readonly ranges: readonly number[];
  /** Grows with every change. */
  version: number;
  invalidated: boolean;
  /** Maps whose whole row is committed. */
  complete: number;
  /** Per map: 1 once a row was committed, whatever was lost since. */
  readonly begun: Uint8Array;
  /** Per cell (map x ranges + range): see `vacant`, `lostBit`. */
  readonly places: Uint16Array;
  readonly attempts: Uint32Array;
  readonly hashes: BigUint64Array;
  /** Replicas that acknowledged, a bit each; null when there is one replica. */
  readonly masks: Uint8Array | null;
}

/** A place: 0 = nothing; location + 1 = committed there; with this bit = was committed there, and counts again if its worker brings it back. */
const lostBit = 0x8000;
/** Locations of one run, at most. */
export const maxLocations = lostBit - 2;
/** Cells of one run, at most: about 240 MB. */
const maxCells = 1 << 24;
const maxHash = 0xffff_ffff_ffff_ffffn;

/** @throws REQUEST_INVALID when there would be too many cells */
export function createRun(shuffle: string, name: string, stageAttempt: number, spec: ShuffleSpec, locations: Location[]): ShuffleRun {
  const ranges = [...new Set(locations.map((location) => location.partitionFrom))].sort((a, b) => a - b);
  const cells = spec.maps * ranges.length;
  if (cells > maxCells) throw new SluiceError('REQUEST_INVALID', { what: `${spec.maps} maps over ${ranges.length} partition ranges are too many` });
  return {
    shuffle,
    name,
    stageAttempt,
    spec,
    locations,
    ranges,
    version: 1,
    invalidated: false,
    complete: 0,
    begun: new Uint8Array(spec.maps),
    places: new Uint16Array(cells),
    attempts: new Uint32Array(cells),
    hashes: new BigUint64Array(cells),
    masks: spec.replicas > 1 ? new Uint8Array(cells) : null,
  };
}

/** A cell a commit would fill. `mask`: the replicas that acknowledged. */
export interface Fill {
  readonly location: number;
  readonly hash: bigint;
  readonly mask: number;
}

export type Judgement = { readonly fills: readonly Fill[] } | { readonly won: boolean; readonly winner: number };

const isCommitted = (place: number): boolean => place !== 0 && place < lostBit;
const rangeOf = (run: ShuffleRun, location: Location): number => run.ranges.indexOf(location.partitionFrom);
const covers = (location: Location, map: number): boolean => location.mapFrom <= map && map < location.mapTo;

/**
 * What a commit does, without doing it: which vacant cells it fills, or who has won already. The first commit of a map must name
 * every range; a repair fills those of its ranges that are vacant and leaves the others to their attempt.
 * @throws REQUEST_INVALID: a cell is missing, doubled or elsewhere · WRONG_INCARNATION: a worker has restarted · ATTEMPT_SUPERSEDED: the run is invalidated
 */
export function judgeCommit(run: ShuffleRun, map: number, attempt: number, cells: readonly CommittedCell[]): Judgement {
  if (map >= run.spec.maps) throw invalid(`map ${map} of ${run.spec.maps}`);
  if (run.invalidated) throw new SluiceError('ATTEMPT_SUPERSEDED', { map });
  const columns = run.ranges.length;
  const named = new Map<number, { location: Location; cell: CommittedCell }>();
  for (const cell of cells) {
    const location = run.locations[cell.location];
    if (location === undefined || !covers(location, map)) throw invalid(`location ${cell.location} does not hold map ${map}`);
    const range = rangeOf(run, location);
    if (named.has(range)) throw invalid(`map ${map} names partitions ${location.partitionFrom} to ${location.partitionTo} twice`);
    named.set(range, { location, cell });
  }
  if (named.size === 0 || (run.begun[map] === 0 && named.size < columns)) {
    throw invalid(`the first commit of map ${map} names ${named.size} of ${columns} locations`);
  }
  const fills: Fill[] = [];
  let holds = false;
  for (const [range, { location, cell }] of named) {
    const index = map * columns + range;
    const begun = run.begun[map] === 1 && run.attempts[index] === attempt;
    holds ||= begun;
    // An attempt that lost a cell does not get it back by sending its commit again.
    if (isCommitted(run.places[index] as number) || begun) continue;
    const hash = BigInt(cell.manifestHash);
    if (hash > maxHash) throw invalid(`${cell.manifestHash} is no hash`);
    fills.push({ location: location.id, hash, mask: maskOf(location, cell) });
  }
  if (holds) return { won: true, winner: attempt };
  if (fills.length > 0) return { fills };
  return { won: false, winner: winnerOf(run, map) };
}

function maskOf(location: Location, cell: CommittedCell): number {
  let mask = 0;
  for (const incarnation of cell.incarnations) {
    const replica = location.replicas.findIndex((one) => one.incarnation === incarnation);
    if (replica < 0) throw new SluiceError('WRONG_INCARNATION', { what: `location ${location.id} is no longer kept by ${incarnation}` });
    mask |= 1 << replica;
  }
  if (mask === 0) throw invalid(`nobody acknowledged location ${location.id}`);
  return mask;
}

/** The attempt of the first committed cell of the row; the last known one when all are lost. */
function winnerOf(run: ShuffleRun, map: number): number {
  const columns = run.ranges.length;
  for (let range = 0; range < columns; range++) {
    if (isCommitted(run.places[map * columns + range] as number)) return run.attempts[map * columns + range] as number;
  }
  return run.attempts[map * columns] as number;
}

function isComplete(run: ShuffleRun, map: number): boolean {
  const columns = run.ranges.length;
  for (let range = 0; range < columns; range++) if (!isCommitted(run.places[map * columns + range] as number)) return false;
  return true;
}

/** Fills cells that `judgeCommit` found vacant. */
export function fillCells(run: ShuffleRun, map: number, attempt: number, fills: readonly Fill[]): void {
  for (const { location, hash, mask } of fills) {
    const index = map * run.ranges.length + rangeOf(run, run.locations[location] as Location);
    assert(!isCommitted(run.places[index] as number), 'a commit fills vacant cells only');
    run.places[index] = location + 1;
    run.attempts[index] = attempt;
    run.hashes[index] = hash;
    if (run.masks !== null) run.masks[index] = mask;
  }
  run.begun[map] = 1;
  if (isComplete(run, map)) run.complete++;
}

/** Maps of `wanted` (null: all of the location's) whose committed cell that replica of the location keeps. */
export function mapsHeld(run: ShuffleRun, location: Location, replica: number, wanted: readonly number[] | null): number[] {
  const columns = run.ranges.length;
  const range = rangeOf(run, location);
  const held = (map: number): boolean => {
    if (!covers(location, map)) return false;
    const index = map * columns + range;
    return run.places[index] === location.id + 1 && (run.masks === null || ((run.masks[index] as number) & (1 << replica)) !== 0);
  };
  if (wanted !== null) return [...new Set(wanted)].filter(held).sort((a, b) => a - b);
  const maps: number[] = [];
  for (let map = location.mapFrom; map < location.mapTo; map++) if (held(map)) maps.push(map);
  return maps;
}

/**
 * Takes one replica's cells away; a cell nobody else keeps becomes vacant, and invalidates a run that is not deterministic.
 * @param maybeBack  the data may still exist (a worker out of reach); false when it was seen to be missing or corrupt
 */
export function vacateCells(run: ShuffleRun, location: Location, replica: number, maps: readonly number[], maybeBack: boolean): void {
  const range = rangeOf(run, location);
  for (const map of maps) {
    const index = map * run.ranges.length + range;
    assert(run.places[index] === location.id + 1, 'only a committed cell is vacated');
    const left = run.masks === null ? 0 : (run.masks[index] as number) & ~(1 << replica);
    if (run.masks !== null) run.masks[index] = left;
    if (left !== 0) continue;
    if (isComplete(run, map)) run.complete--;
    run.places[index] = maybeBack ? lostBit | (location.id + 1) : 0;
    if (!run.spec.deterministic) run.invalidated = true;
  }
}

/** True when a manifest found on a replica is the winner's, of a cell that is committed there or only lost from sight. */
export function isWinning(run: ShuffleRun, location: Location, map: number, attempt: number, hash: bigint): boolean {
  if (!covers(location, map)) return false;
  const index = map * run.ranges.length + rangeOf(run, location);
  const place = (run.places[index] as number) & ~lostBit;
  return place === location.id + 1 && run.attempts[index] === attempt && run.hashes[index] === hash;
}

/** A worker has come back under a new incarnation: cells of `kept` are its again, its others are vacated. */
export function readdressCells(run: ShuffleRun, location: Location, replica: number, kept: ReadonlySet<number>): void {
  const gone = mapsHeld(run, location, replica, null).filter((map) => !kept.has(map));
  vacateCells(run, location, replica, gone, false);
  const range = rangeOf(run, location);
  for (const map of kept) {
    const index = map * run.ranges.length + range;
    const wasLost = (run.places[index] as number) >= lostBit;
    run.places[index] = location.id + 1;
    if (run.masks !== null) run.masks[index] = (run.masks[index] as number) | (1 << replica);
    if (wasLost && isComplete(run, map)) run.complete++;
  }
  // What was lost from sight here and was not brought back is lost.
  for (let map = location.mapFrom; map < location.mapTo; map++) {
    const index = map * run.ranges.length + range;
    if (run.places[index] === (lostBit | (location.id + 1)) && location.replicas.length === 1) run.places[index] = 0;
  }
}

/** Whether a vacant cell has this as its newest location. */
export function hasVacant(run: ShuffleRun, location: Location): boolean {
  const range = rangeOf(run, location);
  const newer = run.locations.filter((other) => other.id > location.id && other.partitionFrom === location.partitionFrom);
  for (let map = location.mapFrom; map < location.mapTo; map++) {
    const isFilled = isCommitted(run.places[map * run.ranges.length + range] as number);
    if (!isFilled && !newer.some((other) => covers(other, map))) return true;
  }
  return false;
}

/** Winners as they travel. Cost: O(maps x ranges + replaced locations x their maps). */
function winnersOf(run: ShuffleRun): Winners {
  const columns = run.ranges.length;
  const attempts: number[] = [];
  for (let map = 0; map < run.spec.maps; map++) {
    let row = -1;
    for (let range = 0; range < columns && row < 0; range++) {
      if (isCommitted(run.places[map * columns + range] as number)) row = run.attempts[map * columns + range] as number;
    }
    attempts[map] = row;
  }
  const exceptions: Winners['exceptions'] = [];
  for (const location of run.locations) {
    const range = rangeOf(run, location);
    for (let map = location.mapFrom; map < location.mapTo; map++) {
      const row = attempts[map] as number;
      if (row < 0) continue;
      const index = map * columns + range;
      const here = run.places[index] === location.id + 1 ? (run.attempts[index] as number) : -1;
      if (here !== row) exceptions.push({ map, location: location.id, attempt: here });
    }
  }
  const lacking = lackingOf(run);
  return { mapFrom: 0, attempts, exceptions, ...(lacking.length > 0 ? { lacking } : {}) };
}

/** Which replicas lack which committed cells. Cost: O(locations x maps), where there are replicas. */
function lackingOf(run: ShuffleRun): NonNullable<Winners['lacking']> {
  const { masks, places, locations, ranges } = run;
  const lacking: NonNullable<Winners['lacking']> = [];
  if (masks === null) return lacking;
  for (const location of locations) {
    const range = rangeOf(run, location);
    for (let map = location.mapFrom; map < location.mapTo; map++) {
      const index = map * ranges.length + range;
      if (places[index] !== location.id + 1) continue;
      for (let replica = 0; replica < location.replicas.length; replica++)
        if (((masks[index] as number) & (1 << replica)) === 0) lacking.push({ map, location: location.id, replica });
    }
  }
  return lacking;
}

export const isSealed = (run: ShuffleRun): boolean => run.complete === run.spec.maps;

/** The whole layout. Locations are copied: an answer does not change after it was given. */
export function layoutOf(run: ShuffleRun): Layout {
  return {
    shuffle: run.shuffle,
    spec: run.spec,
    stageAttempt: run.stageAttempt,
    version: run.version,
    sealed: isSealed(run),
    invalidated: run.invalidated,
    locations: run.locations.map((location) => ({ ...location, replicas: [...location.replicas] })),
    winners: winnersOf(run),
  };
}

const invalid = (what: string) => new SluiceError('REQUEST_INVALID', { what });
