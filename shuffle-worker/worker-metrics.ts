/**
 * The worker's metrics: the rows, and how they are read from it. docs/METRICS.md is compared with the rows; server.ts puts
 * them at /metrics.
 */
import type { MetricTable, Readings } from '#manager/process/metrics.ts';
import type { Worker } from './worker.ts';

const row = <T extends 'counter' | 'gauge'>(name: string, type: T, help: string) => ({ name, type, help, labels: [] as const });

export const workerMetrics = {
  arenaBytes: row('sluice_worker_arena_bytes', 'gauge', 'Size of the arena'),
  arenaUsedBytes: row('sluice_worker_arena_used_bytes', 'gauge', 'Arena in use, by whole chunks; with granted bytes never above its size'),
  grantedBytes: row('sluice_worker_granted_bytes', 'gauge', 'Granted to writers and not yet come'),
  indexBytes: row('sluice_worker_index_bytes', 'gauge', 'Index entries of blocks in memory'),
  accountBytes: row('sluice_worker_account_bytes', 'gauge', 'Accounts of open streams'),
  readBytes: row('sluice_worker_read_bytes', 'gauge', 'Pieces of files and frames on their way to readers'),
  diskBytes: row('sluice_worker_disk_bytes', 'gauge', 'All segments, free ones included'),
  sessions: row('sluice_worker_sessions', 'gauge', 'Data connections that are open'),
  streams: row('sluice_worker_streams', 'gauge', 'Write and read streams that are open'),
  shuffles: row('sluice_worker_shuffles', 'gauge', 'Shuffles with data here'),
  cells: row('sluice_worker_cells', 'gauge', 'Finished streams that can be read: one per map and location'),
  isDraining: row('sluice_worker_draining', 'gauge', '1 while this worker takes no new attempts'),
  isFull: row('sluice_worker_full', 'gauge', '1 while memory is short and the disk takes nothing'),
  failedFolders: row('sluice_worker_failed_folders', 'gauge', 'Data folders that have failed'),
  connections: row('sluice_worker_connections_total', 'counter', 'Data connections admitted'),
  refused: row('sluice_worker_refused_total', 'counter', 'Data connections refused: token, incarnation'),
  framesReceived: row('sluice_worker_frames_received_total', 'counter', 'Frames with blocks received'),
  blocks: row('sluice_worker_blocks_received_total', 'counter', 'Blocks taken'),
  bytes: row('sluice_worker_bytes_received_total', 'counter', 'Bytes of blocks taken'),
  blocksSent: row('sluice_worker_blocks_sent_total', 'counter', 'Blocks sent to readers'),
  bytesSent: row('sluice_worker_bytes_sent_total', 'counter', 'Bytes of blocks sent to readers'),
  regions: row('sluice_worker_regions_total', 'counter', 'Regions written'),
  regionBytes: row('sluice_worker_region_bytes_total', 'counter', 'Bytes of blocks written in regions'),
  flushFailures: row('sluice_worker_flush_failures_total', 'counter', 'Flushes the disk refused'),
  streamErrors: row('sluice_worker_errors_sent_total', 'counter', 'Errors sent to clients, by stream or connection'),
  released: row('sluice_worker_releases_total', 'counter', 'Shuffles and jobs whose data were dropped by order'),
} as const satisfies MetricTable;

export const readWorker = (worker: Worker): Readings<typeof workerMetrics> => ({ ...worker.gauges(), ...worker.counters, ...worker.store.counters });
