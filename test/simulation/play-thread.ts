/** A thread that plays seeds: each message is a seed, each answer its outcome. Started by many.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import type { FaultKind } from './faults.ts';
import { playSeed } from './play-seed.ts';

parentPort?.on('message', async (seed: number) => {
  parentPort?.postMessage(await playSeed(seed, workerData as FaultKind[]));
});
