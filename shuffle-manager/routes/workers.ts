/**
 * Routes of workers and executors: who is there, what they keep, what they should do. Paths, schemas and scopes are those of
 * protocol/control.ts; manager.ts answers.
 */
import type { AddCall } from '../protocol/control.ts';

export function addWorkerRoutes(add: AddCall): void {
  add('registerWorker', 'Makes a worker known to the manager');
  add('registerExecutor', 'Makes an executor known to the manager');
  add('announce', 'After a restart: the manifests a worker still holds');
  add('drainWorker', 'Takes a worker out of placement; it stays readable');
  add('orders', 'What this worker or executor should do; long poll and heartbeat');
}
