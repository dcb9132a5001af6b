/** A manager and a coordinator in this process, listening, with a job that is attacked and a job whose token the attackers have. */

import { silent } from '#manager/process/ports.ts';
import { type CallName, calls } from '#manager/protocol/control.ts';
import { mintToken } from '#manager/protocol/token.ts';
import { createServer } from '#manager/server.ts';
import { coordinatorCalls } from '#runtime/schedule/messages.ts';
import { openCoordinatorServer } from '#runtime/schedule/server.ts';
import { fixture, jobWorld, lease } from '../batch-runtime/schedule/job-world.ts';
import { requests } from '../shuffle-manager/requests.ts';
import { addWorker, openWorld, specOf } from '../shuffle-manager/world.ts';
import type { HttpTarget, Route } from './http-fuzz.ts';
import type { Tally } from './tally.ts';

const secret = 'a secret of the tests';
/** Names that stand nowhere else. */
const planted = 'planted-name-of-the-good-job';

export interface Attacked {
  readonly target: HttpTarget;
  /** @throws when what the good job has is not what it was */
  check(): Promise<void>;
  close(): Promise<void>;
}

export async function attackedManager(tally: Tally): Promise<Attacked> {
  const world = await openWorld();
  await addWorker(world.calls, 1);
  const good = await world.calls.openJob({ name: planted, url: `http://${planted}`, slots: 0 });
  const bad = await world.calls.openJob({ name: 'hostile', url: '', slots: 0 });
  const { shuffle } = await world.calls.openShuffle({ job: good.job, name: planted, spec: specOf({ schema: planted }) });
  const own = await world.calls.openShuffle({ job: bad.job, name: 'own', spec: specOf() });
  const log = {
    ...silent,
    error: (facts: object, text: string) => 'stack' in facts && tally.fault(`the manager says: ${text} ${String(facts.stack)}`),
  };
  const server = await createServer(world.manager, { log, release: 'test', maxRequestBytes: 100_000 });
  const port = Number(new URL(await server.listen({ host: '127.0.0.1', port: 0 })).port);
  const key = { secret, cluster: world.manager.cluster };
  const wall = world.clock.wall();
  const layout = { shuffle, after: -1, waitMs: 0 };
  const before = JSON.stringify(await world.calls.layout(layout));
  // Those of the good job are asked for with the hostile one's token. Its own job stays open.
  const routes: Route[] = [
    ...Object.entries(requests(good.job, shuffle)),
    ...Object.entries(requests(bad.job, own.shuffle)).filter(([name]) => name !== 'closeJob' && name !== 'release'),
  ].map(([name, body]) => ({ name, path: calls[name as CallName].path, body }));
  return {
    target: {
      host: '127.0.0.1',
      port,
      routes,
      tokens: [
        bad.token,
        bad.token,
        bad.token,
        '',
        'x',
        good.token.slice(0, -1),
        bad.token.replace(`.${bad.job}.`, `.${good.job}.`),
        mintToken(key, { scope: 'job', job: good.job }, wall - 1000),
        mintToken({ ...key, secret: 'another secret' }, { scope: 'cluster' }, wall + 1e9),
      ],
      secrets: [planted, good.token],
    },
    async check() {
      const now = JSON.stringify(await world.calls.layout(layout));
      if (now !== before) throw new Error(`the good job's shuffle was ${before}, and is ${now}`);
    },
    async close() {
      await world.manager.close();
      await server.close();
    },
  };
}

export async function attackedCoordinator(): Promise<Attacked> {
  const { coordinator, serve } = await jobWorld({ url: fixture('words') });
  const server = await openCoordinatorServer('127.0.0.1', coordinator, () => 'the right token');
  const bodies: Record<keyof typeof coordinatorCalls, object> = {
    join: { lease: lease(7) },
    poll: { lease: lease(7), slots: 0, waitMs: 0 },
    report: {
      lease: lease(7),
      ended: [{ stage: 0, task: 0, attempt: 9, ms: 1, outcome: null, error: { code: 'MISSING', message: 'x', facts: { shuffle: '1', maps: [0] } } }],
      progress: [{ stage: 0, task: 0, attempt: 9, rows: 1, bytes: 1 }],
    },
  };
  const routes = Object.entries(bodies).map(([name, body]) => ({
    name: `${name} of the coordinator`,
    path: coordinatorCalls[name as 'join'].path,
    body,
  }));
  return {
    target: { host: '127.0.0.1', port: server.port, routes, tokens: ['the right token', 'the right token', '', 'wrong'], secrets: [] },
    /** The job still comes to its end. */
    async check() {
      const served = serve(lease(1));
      await coordinator.finished;
      coordinator.close();
      await served;
    },
    async close() {
      coordinator.close();
      await server.close();
    },
  };
}
