/**
 * `sluice run`: reads and checks the command line, and lets the members of an embedded cluster load while the engine does.
 * What happens then is launch.ts's.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Level, levels } from '#manager/protocol/control.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { cool, warm } from '../embedded.ts';
import type { RunOptions } from '../run.ts';
import { credentialFor } from './credentials.ts';
import { bytes, count, interruption, readArgs, usage, type Verb } from './verb.ts';

/** Rows of a sample stand in the plan. */
const sampleMax = 100_000;
/** As a shuffle's spec has it. */
const replicasMax = 4;

export const verb: Verb = {
  help: `Usage: sluice run JOB.ts [options]

Runs the job that is the default export of JOB.ts (or .js). Without --cluster it starts a cluster for the job and stops it.

  --param k=v       a param of the job; may stand several times
  --shuffle WHERE   remote (default), local (files shared by the executors of this machine) or memory (this process only)
  --executors N     of the embedded cluster (2)
  --workers N       shuffle workers of the embedded cluster (as many as --replicas)
  --memory-budget S of each executor of the embedded cluster, as 512MiB; rows beyond it go to files (half of the machine's memory, shared)
  --replicas N      workers that keep each block of a remote shuffle (1)
  --level LEVEL     what a finished task's output survives: received (default), written (kill -9) or durable (power loss)
  --cluster URL     run on a cluster, such as one of \`sluice up\`
  --token-file F    its token or secret; else SLUICE_TOKEN, else what \`sluice up\` left for this user
  --resume JOB      go on with a job of that cluster whose process has died; \`sluice jobs\` tells which. JOB.ts and params are known then
  --sample N        try the job on the first N rows of each source; nothing is written, and a job that only writes shows the rows of its first sink
  --json            events as NDJSON on stdout, and nothing else
  --explain         print the plan, do not run
  --no-optimize     the plan as it was written; the rows are the same

Exit codes: 0 done, 1 failed, 2 bad usage or bad job module, 130 interrupted.

Example: sluice run examples/flight-delays.ts --param out=result
`,
  async run(args) {
    const { values, positionals } = readArgs(args, {
      param: { type: 'string', multiple: true },
      shuffle: { type: 'string', default: 'remote' },
      executors: { type: 'string' },
      workers: { type: 'string' },
      'memory-budget': { type: 'string' },
      replicas: { type: 'string' },
      level: { type: 'string' },
      cluster: { type: 'string' },
      'token-file': { type: 'string' },
      json: { type: 'boolean', default: false },
      resume: { type: 'string' },
      explain: { type: 'boolean', default: false },
      'no-optimize': { type: 'boolean', default: false },
      sample: { type: 'string' },
    });
    const [path, ...others] = positionals;
    const resume = count('resume', values.resume, 1);
    if ((path === undefined && resume === undefined) || others.length > 0) throw usage('sluice run takes one job module: sluice run JOB.ts');
    if (resume !== undefined && values.cluster === undefined) throw usage('--resume needs --cluster: an embedded cluster ends with its job');
    if (resume !== undefined && (values.param !== undefined || values.explain))
      throw usage('--param and --explain do not go with --resume: the job goes on as it was started');
    const shuffle = values.shuffle as NonNullable<RunOptions['shuffle']>;
    if (!['memory', 'local', 'remote'].includes(shuffle)) throw usage(`--shuffle is memory, local or remote, not '${shuffle}'`);
    const sample = count('sample', values.sample, 1);
    if (sample !== undefined && sample > sampleMax) throw usage(`--sample takes at most ${sampleMax} rows: they travel with the plan`);
    if (sample !== undefined && resume !== undefined) throw usage('--sample does not go with --resume: the job goes on as it was started');
    const executors = count('executors', values.executors, 1);
    const workers = count('workers', values.workers, 0);
    const memoryBudgetBytes = bytes('memory-budget', values['memory-budget']);
    const replicas = count('replicas', values.replicas, 1);
    const level = values.level as Level | undefined;
    if (level !== undefined && !levels.includes(level)) throw usage(`--level is received, written or durable, not '${level}'`);
    if (replicas !== undefined && replicas > replicasMax) throw usage(`--replicas takes at most ${replicasMax}, not ${replicas}`);
    if (shuffle !== 'remote' && (replicas !== undefined || level !== undefined))
      throw usage(`--shuffle ${shuffle} has no workers: leave --replicas and --level out`);
    if (shuffle !== 'remote' && values.cluster !== undefined)
      throw usage(`--shuffle ${shuffle} and --cluster do not go together: a cluster keeps shuffles in its workers`);
    if (shuffle === 'memory' && executors !== undefined && executors > 1)
      throw usage('--shuffle memory has one executor, in this process: leave --executors out');
    if (values.cluster !== undefined && (executors ?? workers ?? memoryBudgetBytes) !== undefined)
      throw usage('--executors, --workers and --memory-budget are for an embedded cluster: leave them out with --cluster');
    const module = path === undefined ? null : resolve(path);
    if (module !== null && !existsSync(module)) throw new SluiceError('JOB_MODULE_INVALID', { path: module, what: 'there is no such file' });
    const cluster =
      values.cluster === undefined ? {} : (({ url, token }) => ({ cluster: url, token }))(credentialFor(values.cluster, values['token-file']));
    const options: RunOptions = {
      params: readParams(values.param ?? []),
      shuffle,
      optimize: !values['no-optimize'],
      signal: interruption(),
      ...cluster,
      ...(module === null ? {} : { module: pathToFileURL(module).href }),
      ...(resume === undefined ? {} : { resume }),
      ...(sample === undefined ? {} : { sample }),
      ...(executors === undefined ? {} : { executors }),
      ...(workers === undefined ? {} : { workers }),
      ...(memoryBudgetBytes === undefined ? {} : { memoryBudgetBytes }),
      ...(replicas === undefined ? {} : { replicas }),
      ...(level === undefined ? {} : { level }),
    };
    const embedded = values.cluster === undefined && shuffle !== 'memory' && !values.explain;
    if (embedded) warm(shuffle === 'local' ? 0 : (workers ?? replicas ?? 1), executors ?? 2);
    try {
      // The engine loads while the members of the cluster do.
      const { explainJob, launch } = await import('./launch.ts');
      return await (values.explain ? explainJob(options) : launch(options, values.json));
    } finally {
      cool();
    }
  },
};

function readParams(given: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  for (const one of given) {
    const at = one.indexOf('=');
    if (at <= 0) throw usage(`--param takes name=value, not '${one}'`);
    params[one.slice(0, at)] = one.slice(at + 1);
  }
  return params;
}
