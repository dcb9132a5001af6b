/**
 * Where a shuffle's cells go: one pure function from sizes and workers to rectangles, and one that picks workers for a
 * rectangle that has to be replaced. Contiguous partition ranges, never hashed slots. Called by manager.ts, which turns
 * indexes into addresses; nothing here knows a worker's state or a clock.
 */
import { KiB, MiB } from './protocol/ids.ts';

/** A worker as placement sees it. */
export interface Place {
  readonly worker: string;
  /** Replicas of one rectangle go to different hosts while there are enough. */
  readonly hostLabel: string;
}

export interface PlaceRequest {
  readonly maps: number;
  readonly partitions: number;
  readonly replicas: number;
  /** 2 (arrival) and 0 (partition) are cut by partition; 1 (map) is not. */
  readonly order: 0 | 1 | 2;
  /** Bytes expected in all; 0 = not known. */
  readonly bytesHint: number;
  /** Which worker comes first; any integer, so that shuffles do not all start at the same one. */
  readonly turn: number;
}

export interface Rectangle {
  readonly mapFrom: number;
  readonly mapTo: number;
  readonly partitionFrom: number;
  readonly partitionTo: number;
  /** Indexes into the workers given. */
  readonly workers: readonly number[];
}

/** Up to this many cells one worker is enough when the bytes are not known: 16 map tasks of 128 MiB are 2 GiB. */
const unknownCells = 256;
/** Up to this many cells, or bytes, when they are known. */
const smallCells = 4096;
const smallBytes = 4 * MiB;
/** Above this a hint outweighs a small number of cells. */
const largeBytes = 64 * MiB;
/** The extent a reader should find per partition on flash, and what a worker flushes at most at once. */
const extentBytes = 128 * KiB;
const flushBytes = 256 * MiB;

/**
 * Rectangles that tile maps x partitions, without gap or overlap, column by column.
 * @param workers  at least one
 * Cost: O(workers). 20 workers, 10,000 x 10,000: a grid of 4 x 5.
 */
export function place(request: PlaceRequest, workers: readonly Place[]): Rectangle[] {
  const { maps, partitions } = request;
  const { groups, slices } = grid(request, workers.length);
  const rectangles: Rectangle[] = [];
  for (let slice = 0; slice < slices; slice++) {
    for (let group = 0; group < groups; group++) {
      rectangles.push({
        mapFrom: cut(maps, groups, group),
        mapTo: cut(maps, groups, group + 1),
        partitionFrom: cut(partitions, slices, slice),
        partitionTo: cut(partitions, slices, slice + 1),
        workers: pick(request.replicas, request.turn + slice * groups + group, workers),
      });
    }
  }
  return rectangles;
}

const cut = (whole: number, pieces: number, piece: number): number => Math.floor((whole * piece) / pieces);

/** G map groups bound what a lost worker costs to 1/G of the maps; P partition slices keep extents long. */
function grid(request: PlaceRequest, workers: number): { groups: number; slices: number } {
  const { maps, partitions, replicas, bytesHint } = request;
  const cells = maps * partitions;
  const small = bytesHint > 0 ? bytesHint <= smallBytes || (cells <= smallCells && bytesHint <= largeBytes) : cells <= unknownCells;
  if (small) return { groups: 1, slices: 1 };
  if (request.order === 1) return { groups: replicas > 1 ? 1 : atMost(workers, maps), slices: 1 };
  if (replicas > 1) return { groups: 1, slices: atMost(workers, partitions) };
  const slices = atMost(Math.max(Math.ceil(Math.sqrt(workers)), Math.ceil((partitions * extentBytes) / flushBytes)), Math.min(workers, partitions));
  return { groups: atMost(Math.floor(workers / slices), maps), slices };
}

const atMost = (wanted: number, most: number): number => Math.max(1, Math.min(wanted, most));

/** `replicas` different workers from `turn` on, other hosts first; fewer when there are not as many. */
export function pick(replicas: number, turn: number, workers: readonly Place[]): number[] {
  const chosen: number[] = [];
  const hosts = new Set<string>();
  for (const otherHostOnly of [true, false]) {
    for (let i = 0; i < workers.length && chosen.length < replicas; i++) {
      const index = (turn + i) % workers.length;
      const host = (workers[index] as Place).hostLabel;
      if (chosen.includes(index) || (otherHostOnly && hosts.has(host))) continue;
      chosen.push(index);
      hosts.add(host);
    }
  }
  return chosen;
}
