/**
 * The coordinator's door for executors: Fastify over the three calls of messages.ts. A poll whose socket closes before it
 * is answered means that the executor is gone, which is told at once. Opened by run.ts for the life of one job.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import fastify from 'fastify';
import { bodies } from '#manager/process/bodies.ts';
import { asSluiceError, errors, SluiceError, toJson } from '#manager/protocol/errors.ts';
import type { Coordinator } from './coordinator.ts';
import { coordinatorCalls } from './messages.ts';

export interface CoordinatorServer {
  readonly port: number;
  close(): Promise<void>;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** A body that does not parse, is too long or does not fit its schema. */
function isRefusedByFastify(thrown: unknown): boolean {
  const { statusCode = 500 } = thrown as { statusCode?: number };
  return !(thrown instanceof SluiceError) && statusCode >= 400 && statusCode < 500;
}

/** @param token  the job's, known only after the manager has been told this server's URL; '' lets nobody in */
export async function openCoordinatorServer(host: string, coordinator: Coordinator, token: () => string): Promise<CoordinatorServer> {
  const app = fastify({ bodyLimit: 256 * 1024 * 1024, forceCloseConnections: true, schemaController: bodies });
  app.setErrorHandler((thrown, _request, reply) => {
    const error = isRefusedByFastify(thrown) ? new SluiceError('REQUEST_INVALID', { what: (thrown as Error).message }) : asSluiceError(thrown);
    reply.code(errors[error.code].status).send(toJson(error));
  });
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send(toJson(new SluiceError('REQUEST_INVALID', { what: `there is no ${request.method} ${request.url}` }))),
  );
  app.addHook('onRequest', async (request) => {
    const given = request.headers.authorization ?? '';
    if (token() === '' || !timingSafeEqual(digest(given), digest(`Bearer ${token()}`)))
      throw new SluiceError('UNAUTHORIZED', { what: 'at the coordinator' });
  });
  const { join, poll, report } = coordinatorCalls;
  app.post<{ Body: { lease: string } }>(join.path, { schema: { body: join.request } }, ({ body }) => coordinator.join(body));
  app.post<{ Body: { lease: string; slots: number; waitMs: number } }>(poll.path, { schema: { body: poll.request } }, async ({ body, raw }) => {
    const gone = new AbortController();
    let answered = false;
    const closed = (): void => {
      gone.abort();
      if (!answered) coordinator.lostLease(body.lease, 'its connection closed');
    };
    raw.socket.once('close', closed);
    if (raw.socket.destroyed) closed();
    try {
      return await coordinator.poll(body, gone.signal);
    } finally {
      answered = true;
      raw.socket.off('close', closed);
    }
  });
  app.post<{ Body: Parameters<Coordinator['report']>[0] }>(report.path, { schema: { body: report.request } }, ({ body }) => coordinator.report(body));
  await app.listen({ host, port: 0 });
  const address = app.server.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0, close: () => app.close() };
}
