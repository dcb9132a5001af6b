/** A right request of each call, about one job and its shuffle, over a manager with worker 1: what tests of the server send, and spoil. */
import type { CallName } from '#manager/protocol/control.ts';
import { protocolVersion } from '#manager/protocol/ids.ts';
import { hex, specOf } from './world.ts';

/** The last one ends the job; the others do no harm when they are answered. */
export const requests = (job: number, shuffle: string): Readonly<Record<CallName, object>> => ({
  hello: {},
  status: {},
  mintToken: { name: 'x', expiresMs: 1000 },
  registerWorker: { worker: hex(7), incarnation: hex(7), host: 'h', port: 7, hostLabel: 'h', pid: 7, protocol: protocolVersion },
  registerExecutor: { executor: hex(8), incarnation: hex(8), host: 'h', pid: 8, slots: 1, protocol: protocolVersion },
  announce: { worker: hex(1), incarnation: hex(101), held: [] },
  orders: { id: hex(1), incarnation: hex(101), after: 0, load: {}, leaving: false, waitMs: 0 },
  openJob: { name: 'x', url: '', slots: 0 },
  drainWorker: { worker: hex(1) },
  keepJob: { job, after: 0, slots: 0, waitMs: 0 },
  openShuffle: { job, name: 'x', spec: specOf() },
  resolveShuffle: { job, name: 'x', stageAttempt: 0, spec: specOf() },
  layout: { shuffle, after: -1, waitMs: 0 },
  commit: { shuffle, map: 0, attempt: 0, cells: [{ location: 0, incarnations: [hex(101)], manifestHash: '1' }] },
  lost: { shuffle, location: 0, incarnation: hex(101), maps: [], because: 'missing' },
  release: { shuffle },
  logJob: { job, epoch: 1, from: 0, entries: ['{}'] },
  readJobLog: { job, from: 0 },
  resumeJob: { job, url: 'http://c', slots: 0, after: 1, taker: hex(9) },
  closeJob: { job },
});
