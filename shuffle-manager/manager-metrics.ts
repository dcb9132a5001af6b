/**
 * The manager's metrics: the rows, and how they are read from it. docs/METRICS.md is compared with the rows; server.ts
 * puts them at /metrics.
 */
import type { Manager } from './manager.ts';
import type { MetricTable, Readings } from './process/metrics.ts';

const row = <T extends 'counter' | 'gauge'>(name: string, type: T, help: string) => ({ name, type, help, labels: [] as const });

export const managerMetrics = {
  term: row('sluice_manager_term', 'gauge', 'Term of this manager: grows with every start on the same journal'),
  workers: row('sluice_manager_workers', 'gauge', 'Shuffle workers that are live'),
  executors: row('sluice_manager_executors', 'gauge', 'Executors that are live'),
  jobs: row('sluice_manager_jobs', 'gauge', 'Jobs that are open'),
  shuffles: row('sluice_manager_shuffles', 'gauge', 'Shuffle runs that are open'),
  cells: row('sluice_manager_cells', 'gauge', 'Cells of the ledger: maps times partition ranges, over open runs'),
  slotsLeased: row('sluice_manager_slots_leased', 'gauge', 'Executor slots that are leased to jobs'),
  polls: row('sluice_manager_polls', 'gauge', 'Long polls that wait'),
  jobsOverQuota: row('sluice_manager_jobs_over_quota', 'gauge', 'Jobs that store more than jobQuotaBytes'),
  jobStoredBytes: {
    name: 'sluice_manager_job_stored_bytes',
    type: 'gauge',
    help: 'Bytes a job stores over all workers: of the twenty largest, and of all others together as id other',
    // Not `job`: Prometheus calls the target by that, and would rename ours.
    labels: ['id', 'name'],
  },
  journalBytes: row('sluice_manager_journal_bytes', 'gauge', 'Length of the journal file'),
  journalRecords: row('sluice_manager_journal_records_total', 'counter', 'Records written to the journal'),
  journalBatches: row('sluice_manager_journal_batches_total', 'counter', 'Batches written and synced'),
  journalFailures: row('sluice_manager_journal_failures_total', 'counter', 'Batches the disk refused'),
  runs: row('sluice_manager_runs_total', 'counter', 'Shuffle runs opened'),
  commits: row('sluice_manager_commits_total', 'counter', 'Map attempts that won'),
  superseded: row('sluice_manager_superseded_total', 'counter', 'Map attempts that came second'),
  reports: row('sluice_manager_loss_reports_total', 'counter', 'Reports of cells that could not be read'),
  cellsVacated: row('sluice_manager_cells_vacated_total', 'counter', 'Committed cells taken back because they were lost'),
  replaced: row('sluice_manager_locations_replaced_total', 'counter', 'Locations that were given a successor'),
  jobsExpired: row('sluice_manager_jobs_expired_total', 'counter', 'Jobs released because nobody kept them'),
  callSeconds: {
    name: 'sluice_manager_call_seconds',
    type: 'histogram',
    help: 'Duration of control calls, long polls included, by call and outcome',
    labels: ['call', 'code'],
    buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 10, 60],
  },
} as const satisfies MetricTable;

export function readManager(manager: Manager): Readings<typeof managerMetrics> {
  const { journal, ...gauges } = manager.gauges();
  const jobStoredBytes = largest(manager.storedByJob());
  return {
    ...gauges,
    jobStoredBytes,
    ...manager.counters,
    journalRecords: journal.records,
    journalBatches: journal.batches,
    journalFailures: journal.failures,
  };
}

/** Jobs that have a series of their own: a cluster may see thousands of jobs in a day. */
const ownSeries = 20;

function largest(jobs: ReturnType<Manager['storedByJob']>) {
  const named = jobs.slice(0, ownSeries).map(({ job, name, bytes }) => ({ labels: { id: String(job), name }, value: bytes }));
  const rest = jobs.slice(ownSeries).reduce((sum, { bytes }) => sum + bytes, 0);
  return rest === 0 ? named : [...named, { labels: { id: 'other', name: '' }, value: rest }];
}
