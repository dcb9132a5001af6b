/**
 * The shuffle interface: what the engine needs of a place that keeps repartitioned data, in bytes and partitions. Memory,
 * local files and the remote service are its drivers and pass one contract suite (test/contract/shuffle.ts). The
 * engine does not know what a block is, a driver does not know what a batch is.
 */

export type DriverName = 'memory' | 'local' | 'remote';

export interface ShuffleRequest {
  /** Unique within the job; opening the same name again gives the same shuffle. */
  readonly name: string;
  readonly maps: number;
  readonly partitions: number;
  readonly deterministic: boolean;
  /** The IPC schema message of the payloads. */
  readonly schema: Uint8Array;
  /** Expected bytes in all; 0 = not known. */
  readonly bytesHint: number;
}

/** Plain JSON; travels to executors with the task. `id` is the driver's own. */
export interface ShuffleHandle {
  readonly driver: DriverName;
  readonly id: string;
  readonly maps: number;
  readonly partitions: number;
}

export interface ReadRange {
  readonly partitionFrom: number;
  /** Exclusive. */
  readonly partitionTo: number;
  readonly mapFrom: number;
  readonly mapTo: number;
  /** True: blocks come map by map, ascending, and in the order they were written within a (map, partition). False: that holds within a (map, partition) only. */
  readonly ordered: boolean;
}

export interface ReceivedBlock {
  readonly partition: number;
  readonly map: number;
  readonly records: number;
  /** Valid until the next block is asked for. */
  readonly payload: Uint8Array;
}

/** What an attempt wrote; `won` false: another attempt of the map had committed first, which is a success. */
export interface Committed {
  readonly won: boolean;
  readonly blocks: number;
  readonly records: number;
  readonly bytes: number;
}

/** One attempt of one map task. Not concurrent: a call starts after the one before it settled. */
export interface ShuffleWriter {
  /**
   * Takes one payload (at most maxBlockBytes) for a partition; it is copied or sent before the promise settles, which
   * is the backpressure. @throws remedy retry: the attempt is lost, a new attempt may go · superseded: stop quietly.
   */
  write(partition: number, payload: Uint8Array, records: number): Promise<void>;
  /** Makes the attempt's output the map's output, whole or not at all. Again: the same answer. After it nothing may be written. */
  commit(): Promise<Committed>;
  /** Drops what was written. After a commit, or again: does nothing. */
  abort(): Promise<void>;
}

/** Blocks of committed attempts, each exactly once; the iteration ends only when all of the range was seen and verified. */
export interface ShuffleReader extends AsyncIterable<ReceivedBlock> {
  /** Frees what the reader holds; leaving the iteration does it too. Again: does nothing. */
  close(): Promise<void>;
}

export interface ShuffleDriver {
  readonly name: DriverName;
  /** Again with the same name: the same handle. */
  open(request: ShuffleRequest): Promise<ShuffleHandle>;
  /** An attempt number is never used twice for a map. Nothing is visible before commit. @throws ATTEMPT_SUPERSEDED, here or at the commit, when the run is invalidated. */
  createWriter(handle: ShuffleHandle, map: number, attempt: number): Promise<ShuffleWriter>;
  /**
   * Reads maps that are committed. @throws while iterating: MISSING with facts { shuffle, maps } (recompute) when a map of
   * the range is not committed or its data is lost or corrupt: those cells are vacant when it is thrown · SHUFFLE_RELEASED,
   * SHUFFLE_UNKNOWN (fail) · remedy retry: what was read can't be gone on with, though it is whole; read again. Never ends early, never silently.
   * A loss in a shuffle that is not deterministic invalidates the run: MISSING names all maps, and a new run is opened under another name.
   */
  createReader(handle: ShuffleHandle, range: ReadRange): ShuffleReader;
  /** Maps with a vacant cell, ascending: those that have to run (again); of an invalidated run all. */
  vacant(handle: ShuffleHandle): Promise<readonly number[]>;
  /** Frees the data. Readers and writers fail with SHUFFLE_RELEASED from then on, those of other processes within seconds. Again: does nothing. */
  release(handle: ShuffleHandle): Promise<void>;
  /** Closes connections and files of this process; shuffles stay. */
  close(): Promise<void>;
}
