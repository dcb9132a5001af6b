/**
 * Executors as a process: makes clock, log and the manager's client, and wires them to execute/executor.ts. Called by
 * `sluice executor`; the coordinator has no process of its own, it lives where run() is called.
 */
import { tmpdir } from 'node:os';
import { connectManager } from '#manager/client.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { openLog } from '#manager/process/log.ts';
import { readSecret } from '#manager/process/secret.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import type { ExecutorConfig } from './config.ts';
import { startExecutor } from './execute/executor.ts';
import { createThreads } from './execute/threads.ts';
import { executorBudget } from './spill/budget.ts';

export interface RunningExecutor {
  close(): Promise<void>;
}

/** @param token  of the cluster, used when the configuration names no secret file. @throws CLUSTER_UNREACHABLE, UNAUTHORIZED, VERSION_UNSUPPORTED */
export async function startExecutorProcess(config: ExecutorConfig, token: string): Promise<RunningExecutor> {
  process.title = 'sluice-executor';
  const log = openLog({ name: 'executor', level: config.logLevel, ...(config.logFile === '' ? {} : { file: config.logFile }) });
  const credential = config.secretFile === '' ? token : readSecret(config.secretFile);
  const manager = await connectManager({
    urls: config.managerUrl.split(','),
    token: tokenSource(credential, () => systemClock.wall()),
    clock: systemClock,
    random: systemRandom,
  });
  const { executors: count, slots } = config;
  const memory = {
    budgetBytes: Math.floor(executorBudget(config.memoryBudgetBytes) / (count * slots)),
    folder: config.scratchDir === '' ? tmpdir() : config.scratchDir,
  };
  const server = createThreads(systemClock, log, memory, count);
  const start = () => startExecutor({ manager, server, clock: systemClock, random: systemRandom, log, slots });
  const executors = await Promise.all(Array.from({ length: count }, start));
  let closed: Promise<void> | null = null;
  return {
    close() {
      closed ??= Promise.all(executors.map((executor) => executor.close())).then(() => manager.close());
      return closed;
    },
  };
}
