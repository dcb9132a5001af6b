/** `sluice drain WORKER`: takes a worker out of placement before it is stopped. */
import { systemClock } from '#manager/process/clock.ts';
import { sleep } from '#manager/process/retry.ts';
import type { Answer } from '#manager/protocol/control.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { clusterFlags, connect } from './cluster.ts';
import { interruption, readArgs, usage, type Verb } from './verb.ts';

type Worker = Answer<'status'>['workers'][number];

const lookMs = 500;

/** The worker that `text` names: its id, the beginning of it (as `sluice status` shows), or host:port. @throws WORKER_UNKNOWN · USAGE */
export function workerNamed(text: string, workers: readonly Worker[]): Worker {
  const at = workers.filter(({ host, port }) => `${host}:${port}` === text);
  const found = at.length > 0 ? at : /^[0-9a-f]{4,32}$/.test(text) ? workers.filter(({ worker }) => worker.startsWith(text)) : [];
  // One that was started anew with another folder leaves its lost namesake behind.
  const [first, ...more] = found.length > 1 ? found.filter(({ state }) => state !== 'lost') : found;
  if (first === undefined) throw new SluiceError('WORKER_UNKNOWN', { worker: text });
  if (more.length > 0) throw usage(`${text} may be ${[first, ...more].map(({ worker }) => worker).join(' or ')}`);
  return first;
}

export const verb: Verb = {
  help: `Usage: sluice drain WORKER [--wait] [--cluster URL] [--token-file FILE] [--json]

Takes a worker out of placement: new data goes elsewhere, clients are told, and what it holds stays readable until it is stopped. WORKER is its id,
the first digits of it as \`sluice status\` shows them, or host:port. --wait returns when it holds nothing any more, so that it can be stopped
for good without a map task running again. A worker that is stopped by SIGTERM drains by itself, for drainTimeoutMs at most.

Example: sluice drain 10.0.0.7:7071 --wait
`,
  async run(args) {
    const { values, positionals } = readArgs(args, {
      ...clusterFlags,
      json: { type: 'boolean' },
      wait: { type: 'boolean' },
    });
    const [text, ...more] = positionals;
    if (text === undefined || more.length > 0) throw usage('drain takes one worker: its id, the first digits of it, or host:port');
    await using manager = await connect(values);
    const { worker } = workerNamed(text, (await manager.status({})).workers);
    let { state }: { state: Worker['state'] } = await manager.drainWorker({ worker });
    /** Streams that are open or can be read; null: it has not said so since it drains. */
    let held: number | null = null;
    const look = async (): Promise<void> => {
      const now = (await manager.status({})).workers.find((one) => one.worker === worker);
      state = now?.state ?? 'lost';
      const { isDraining = 0, cells = 0, streams = 0 } = now?.load ?? {};
      held = state === 'lost' || isDraining === 0 ? null : cells + streams;
    };
    await look();
    const signal = interruption();
    while (values.wait === true && state !== 'lost' && held !== 0) {
      await sleep(systemClock, lookMs, signal).catch(() => {
        throw new SluiceError('INTERRUPTED');
      });
      await look();
    }
    if (values.json === true) process.stdout.write(`${JSON.stringify({ worker, state, held })}\n`);
    else if (state === 'lost') process.stdout.write(`worker ${worker} is gone: nothing is placed there\n`);
    else if (held === 0) process.stdout.write(`worker ${worker} is draining and holds nothing: it can be stopped\n`);
    else process.stdout.write(`worker ${worker} is draining: it stays readable until it is stopped\n`);
    return 0;
  },
};
