/**
 * The program `sluice`: picks the verb, prints what goes wrong, gives the exit code. 0 done, 1 failed, 2 bad usage or bad
 * job module, 130 interrupted. Each verb is loaded only when it is called. Called by bin.js.
 */
import { fail } from './fail.ts';
import { release } from './release.ts';
import type { Verb } from './verb.ts';

const verbs: Readonly<Record<string, { readonly summary: string; load(): Promise<Verb> }>> = {
  run: { summary: 'run a job', load: async () => (await import('./run.ts')).verb },
  peek: { summary: 'show what is in a file', load: async () => (await import('./peek.ts')).verb },
  types: { summary: 'print the schema of files as TypeScript', load: async () => (await import('./declare.ts')).verb },
  up: { summary: 'start a cluster on this machine until Ctrl-C', load: async () => (await import('./up.ts')).verb },
  manager: { summary: 'start one shuffle manager', load: async () => (await import('./manager.ts')).verb },
  worker: { summary: 'start one shuffle worker (or --shards of it)', load: async () => (await import('./worker.ts')).verb },
  executor: { summary: 'start one executor', load: async () => (await import('./executor.ts')).verb },
  status: { summary: 'show workers, executors and jobs of a cluster', load: async () => (await import('./status.ts')).verb },
  jobs: { summary: 'show what applications store and may store', load: async () => (await import('./jobs.ts')).verb },
  cancel: { summary: 'end a job and release its shuffles', load: async () => (await import('./cancel.ts')).verb },
  drain: { summary: 'take a worker out of placement', load: async () => (await import('./drain.ts')).verb },
  token: { summary: 'mint a token for another engine', load: async () => (await import('./token.ts')).verb },
  bench: { summary: 'measure shuffle throughput', load: async () => (await import('./bench.ts')).verb },
};

const help = (): string =>
  [
    'sluice: a remote shuffle service with a batch runtime',
    '',
    'Usage: sluice VERB [options]',
    '',
    ...Object.entries(verbs).map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`),
    '',
    'Example: sluice run job.ts --param out=result',
    '`sluice VERB --help` tells more of each; `sluice --version` the release.',
    '',
  ].join('\n');

/** @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(help());
    return name === undefined ? 2 : 0;
  }
  if (name === '--version') {
    process.stdout.write(`${release()}\n`);
    return 0;
  }
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
  if (verb === undefined) {
    process.stderr.write(`error USAGE: there is no verb '${name}'\n\n${help()}`);
    return 2;
  }
  // The clock's timers do not keep a process alive; a verb that has not come to its end does.
  const alive = setInterval(() => {}, 2 ** 30);
  try {
    const loaded = await verb.load();
    if (rest.includes('--help') || rest.includes('-h')) {
      process.stdout.write(loaded.help);
      return 0;
    }
    return await loaded.run(rest);
  } catch (thrown) {
    return fail(thrown);
  } finally {
    clearInterval(alive);
  }
}
