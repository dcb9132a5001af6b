/**
 * Sizes that both ends of a data connection go by. They are agreements of one release, not settings; what differs between
 * workers (the largest block, the idle grant) is said in the 101.
 */
import { KiB, MiB } from '#manager/protocol/ids.ts';

/** What a connection may send before it asks, while idle grants fit an eighth of the worker's arena. */
export const idleGrantBytes = 64 * KiB;
/** A writer cuts its frames to this unless a single block is larger. */
export const frameBytes = 256 * KiB;
/** What a read stream may have on its way; a worker sends at most half of it in one frame unless a single block is larger. */
export const readWindowBytes = 2 * MiB;
/** (partition, map) pairs of one OPEN_READ: 1 MiB of counters on each side. Larger reads are several streams. */
export const maxReadPairs = 256 * KiB;
/** Partitions of one OPEN_WRITE. */
export const maxWritePartitions = 1024 * KiB;
/** Open streams of one connection. */
export const maxStreams = 4096;
