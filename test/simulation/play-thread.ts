/** A thread that plays seeds: each message is a seed, each answer its outcome. Started by many.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import type { FaultKind } from './faults.ts';
import { play } from './run.ts';

parentPort?.on('message', async (seed: number) => {
  parentPort?.postMessage(await play(seed, workerData as FaultKind[]));
});
