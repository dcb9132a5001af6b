/**
 * Hostile input, all of it: frames at a worker, frames at clients, HTTP at a manager and a coordinator in this process, and (`processes`) a small share
 * at real processes. What must never happen (something thrown, a refusal without a name, a byte of another job, a good client
 * that is served wrong, memory that is not given back) is a fault. Called by the program and by the test.
 */
import { asSluiceError } from '#manager/protocol/errors.ts';
import { fuzzClient } from './client-fuzz.ts';
import { fuzzHttp } from './http-fuzz.ts';
import { fuzzProcesses } from './processes.ts';
import { attackedCoordinator, attackedManager } from './servers.ts';
import { Tally } from './tally.ts';
import { fuzzWorker } from './worker-fuzz.ts';

/** Of the frames: a connection for each request, and real sockets, cost a hundred times as much. */
const shares = { worker: 0.9, client: 0.098, http: 0.001, processes: 0.001 } as const;
/** All of this in one process stays under it, however many frames there are. */
const rssAtMostBytes = 1024 ** 3;

export async function fuzz(frames: number, seed: number, processes: boolean, say: (text: string) => void): Promise<Tally> {
  const tally = new Tally(say);
  const crashed = (thrown: unknown): void => tally.fault(`thrown at nobody: ${asSluiceError(thrown).stack}`);
  process.on('uncaughtException', crashed);
  process.on('unhandledRejection', crashed);
  const part = async (name: keyof typeof shares, run: (count: number) => Promise<void>): Promise<void> => {
    const count = Math.max(1, Math.round(frames * shares[name]));
    const [began, cpu] = [performance.now(), process.cpuUsage()];
    await run(count).catch(crashed);
    const { user, system } = process.cpuUsage(cpu);
    const [seconds, cpuSeconds] = [(performance.now() - began) / 1000, (user + system) / 1e6];
    say(`${name}: ${count} in ${seconds.toFixed(0)} s, ${Math.round(count / cpuSeconds)} a CPU second, ${tally.faults} faults so far`);
  };
  try {
    await part('worker', (count) => fuzzWorker(count, seed, tally));
    await part('client', (count) => fuzzClient(count, seed, tally));
    await part('http', async (count) => {
      for (const open of [attackedManager, attackedCoordinator]) {
        const attacked = await open(tally);
        await fuzzHttp(Math.ceil(count / 2), seed, attacked.target, tally);
        await attacked.check().catch(crashed);
        await attacked.close();
      }
    });
    if (processes) await part('processes', (count) => fuzzProcesses(count, seed, tally));
  } finally {
    process.off('uncaughtException', crashed);
    process.off('unhandledRejection', crashed);
  }
  if (tally.peakRssBytes > rssAtMostBytes) tally.fault(`this process took ${tally.peakRssBytes} bytes of memory`);
  return tally;
}
