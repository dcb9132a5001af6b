/**
 * Sluice as `npm run bench -- etl` asks it, in the manner of peer.py: a client and the cluster it has started, which lives as long as stdin is
 * open. A line asks for a workload, a line of file descriptor 3 says how long it took. Outputs are written by the job; rows of a query as canonical
 * text, outside of the time.
 */
import { createWriteStream, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { asSluiceError } from '#manager/protocol/errors.ts';
import { startEmbedded } from '#runtime/embedded.ts';
import type { Job } from '#runtime/job.ts';
import { run } from '#runtime/run.ts';
import { jobOf, paramsOf } from './engines.ts';
import type { Installed } from './install.ts';

const told = JSON.parse(process.argv[2] ?? '{}') as { threads: number; data: Installed['data'] };
const answers = createWriteStream('', { fd: 3 });
const say = (answer: object): void => void answers.write(`${JSON.stringify(answer)}\n`);

/** As peer.py writes it: numbers with a fraction by 4 places, without trailing zeros. */
function field(value: unknown): string {
  if (value === null) return '\\N';
  const text = String(value);
  if (typeof value === 'number' && !Number.isInteger(value)) return trimmed(value.toFixed(4));
  return typeof value === 'object' && /^-?\d+\.\d+$/.test(text) ? trimmed(rounded(text)) : text;
}
const trimmed = (text: string): string => text.replace(/\.?0+$/, '').replace(/^-0$/, '0');
/** The text of a decimal, to 4 places, half up. */
function rounded(text: string): string {
  const [, sign = '', whole = '0', fraction = ''] = /^(-?)(\d+)\.(\d+)$/.exec(text) ?? [];
  if (fraction.length <= 4) return text;
  const scaled = BigInt(whole + fraction.slice(0, 4)) + (fraction[4]! >= '5' ? 1n : 0n);
  const digits = String(scaled).padStart(5, '0');
  return `${sign}${digits.slice(0, -4)}.${digits.slice(-4)}`;
}

const cluster = await startEmbedded({ workers: 2, executors: told.threads, dataDir: null, port: 0, died: (name, how) => console.error(name, how) });
say({ ready: true });
try {
  for await (const line of createInterface({ input: process.stdin })) {
    const { workload, out } = JSON.parse(line) as { workload: string; out: string };
    try {
      const module = pathToFileURL(jobOf(workload)).href;
      const { default: job } = (await import(module)) as { default: Job<never, Record<string, unknown>> };
      const isQuery = /^q\d/.test(workload);
      const params = isQuery ? { data: join(told.data['lineitem']!, '..') } : { ...paramsOf(workload, told.data), out };
      rmSync(out, { recursive: true, force: true });
      const rows: Record<string, unknown>[] = [];
      const startedAt = performance.now();
      {
        await using r = await run(job, { params, cluster: cluster.url, token: cluster.secret, module });
        if (isQuery) for await (const row of r.rows()) rows.push(row as Record<string, unknown>);
        await r.done();
      }
      const seconds = (performance.now() - startedAt) / 1000;
      if (isQuery) {
        mkdirSync(out, { recursive: true });
        writeFileSync(join(out, 'rows.tsv'), rows.map((row) => `${Object.values(row).map(field).join('\t')}\n`).join(''));
      }
      say({ seconds });
    } catch (thrown) {
      say({ failed: asSluiceError(thrown).message });
    }
  }
} finally {
  await cluster.close(false);
  process.exit(0);
}
