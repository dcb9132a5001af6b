/**
 * The worker on HTTP: /health, /metrics, and the upgrade to the data plane, on one port. It listens before there is a
 * worker, since the worker is registered with its port; until then everything but /health is refused. Built by main.ts.
 */
import Fastify, { type FastifyInstance } from 'fastify';
import { openMetrics } from '#manager/process/metrics.ts';
import { SluiceError, toJson } from '#manager/protocol/errors.ts';
import { acceptUpgrade } from './transport.ts';
import type { Worker } from './worker.ts';
import { readWorker, workerMetrics } from './worker-metrics.ts';

/** A server that is not listening yet. `worker` answers null until the worker has registered. */
export function createServer(worker: () => Worker | null): FastifyInstance {
  const app = Fastify({ forceCloseConnections: true });
  const metrics = openMetrics(workerMetrics, () => {
    const now = worker();
    if (now === null) throw new SluiceError('CONNECTION_LOST', { what: 'the worker is starting' });
    return readWorker(now);
  });
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send(toJson(new SluiceError('REQUEST_INVALID', { what: `there is no ${request.method} ${request.url}` }))),
  );
  app.get('/health', async (_request, reply) => {
    const now = worker();
    if (now === null) return reply.code(503).send({ ok: false, what: 'starting' });
    return { ok: true, worker: now.id, incarnation: now.incarnation, cluster: now.cluster, draining: now.isDraining };
  });
  app.get('/metrics', async (_request, reply) => {
    if (worker() === null) return reply.code(503).send('');
    const { body, contentType } = await metrics.text();
    return reply.header('content-type', contentType).send(body);
  });
  app.server.on('upgrade', (request, socket, head) => acceptUpgrade(worker(), request, socket, head));
  return app;
}
