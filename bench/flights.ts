/**
 * The job of the walk, process start to end, cluster included, beside DuckDB with two threads, in one interleaved run: A B A B.
 * `npm run bench -- flights`. The exit code says whether both printed the same fifteen rows and wrote the same hours.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SluiceError } from '#manager/protocol/errors.ts';
import { type Finding, type Flags, runProgram } from './harness.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const flagTable = { runs: { default: 3, sentence: 'timed runs of each, after one that is not counted' } } as const;
const keys = ['runs', 'sluiceMs', 'duckdbMs', 'ratio', 'resultHash', 'equal'];

/** @returns the exit code */
export function flights(argv: readonly string[]): Promise<number> {
  return runProgram('npm run bench -- flights', argv, flagTable, keys, measure);
}

interface Timed {
  readonly ms: number;
  readonly rows: string;
  readonly hours: string;
  readonly hash: string;
}

function timed(args: readonly string[], out: string): Timed {
  const startedAt = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  const ms = performance.now() - startedAt;
  if (status !== 0) throw new SluiceError('JOB_FAILED', { what: stderr });
  const hash = /result hash (\S+)/.exec(stderr)?.[1] ?? '';
  return { ms, rows: alike(stdout), hours: alike(readFileSync(join(out, 'delays.csv'), 'utf8')), hash };
}

/** Without quotes; numbers with a fraction by 12 digits. */
const alike = (csv: string): string =>
  csv
    .trim()
    .replaceAll('"', '')
    .replace(/-?\d+\.\d+(e-?\d+)?/g, (number) => String(Number(Number(number).toPrecision(12))));

async function measure({ runs }: Flags<typeof flagTable>): Promise<Finding> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-flights-'));
  try {
    const [ours, theirs] = [join(folder, 'sluice'), join(folder, 'duckdb')];
    mkdirSync(theirs);
    const sluice = ['batch-runtime/cli/bin.js', 'run', 'examples/flight-delays.ts', '--param', `out=${ours}`, '--param', 'overwrite=true'];
    const duckdb = ['bench/flights-duckdb.ts', theirs];
    const pairs: { sluice: Timed; duckdb: Timed }[] = [];
    for (let run = 0; run <= runs; run++) {
      const pair = { sluice: timed(sluice, ours), duckdb: timed(duckdb, theirs) };
      if (run > 0) pairs.push(pair);
      console.error(`run ${run}: Sluice ${pair.sluice.ms.toFixed(0)} ms, DuckDB ${pair.duckdb.ms.toFixed(0)} ms${run === 0 ? ' (not counted)' : ''}`);
    }
    const spread = (of: 'sluice' | 'duckdb') => {
      const sorted = pairs.map((pair) => Math.round(pair[of].ms)).sort((a, b) => a - b);
      return { min: sorted[0] ?? 0, median: sorted[sorted.length >> 1] ?? 0, max: sorted.at(-1) ?? 0 };
    };
    const [sluiceMs, duckdbMs] = [spread('sluice'), spread('duckdb')];
    console.table({ 'Sluice, embedded cluster': sluiceMs, 'DuckDB, two threads': duckdbMs });
    const hashes = new Set(pairs.map((pair) => pair.sluice.hash));
    const equal = hashes.size === 1 && pairs.every((pair) => pair.sluice.rows === pair.duckdb.rows && pair.sluice.hours === pair.duckdb.hours);
    const ratio = Number((sluiceMs.median / duckdbMs.median).toFixed(2));
    return { right: equal, result: { runs, sluiceMs, duckdbMs, ratio, resultHash: [...hashes].join(' '), equal } };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
