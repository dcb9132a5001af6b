/**
 * Reading with every check there is: frame, both hashes, identity, winner, contiguous sequence, and at the end that the
 * blocks seen are those the writers counted. Only then does a read end; anything else is a typed error that names the maps.
 * It goes on where it was when a connection is cut. The remote driver and `sluice bench` call it.
 */
import type { LayoutView } from '#manager/protocol/layout.ts';
import type { WorkerClient } from './client.ts';

export interface VerifiedRange {
  readonly partitionFrom: number;
  /** Exclusive. */
  readonly partitionTo: number;
  readonly mapFrom: number;
  readonly mapTo: number;
  /** Map by map, ascending, over all locations. */
  readonly ordered: boolean;
  readonly section?: number;
}

/** Verified blocks, one behind the other; valid until the next batch is asked for. */
export interface BlockBatch {
  readonly blocks: number;
  /** Calls `visit` for each block; `payload` is a view. */
  each(visit: (partition: number, map: number, records: number, payload: Uint8Array) => void): void;
  /** One block by its place in [0, blocks). */
  at(place: number): {
    readonly partition: number;
    readonly map: number;
    readonly records: number;
    readonly codec: number;
    readonly tag: number;
    readonly payload: Uint8Array;
  };
}

/**
 * The blocks of the range's winners, each exactly once. @throws while iterating, with facts { shuffle, maps, location,
 * incarnation }: MISSING, CORRUPT_BLOCK (recompute) · WRONG_INCARNATION (refresh) · CONNECTION_LOST (retry: the worker cannot be
 * reached after several tries) · SHUFFLE_RELEASED, SHUFFLE_UNKNOWN, UNAUTHORIZED (fail).
 */
export declare function verifiedRead(client: WorkerClient, view: LayoutView, range: VerifiedRange): AsyncGenerator<BlockBatch, void, void>;
