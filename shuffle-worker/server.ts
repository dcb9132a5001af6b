/**
 * The worker on HTTP: /health, /metrics, and the upgrade to the data plane, on one port. It listens before there is a
 * worker, since the worker is registered with its port; until then everything but /health is refused. Two paths without a body
 * need no framework, which a process would take 20 ms to load. Built by main.ts.
 */
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openMetrics } from '#manager/process/metrics.ts';
import { asSluiceError, errors, SluiceError, toJson } from '#manager/protocol/errors.ts';
import { acceptUpgrade } from './transport.ts';
import type { Worker } from './worker.ts';
import { readWorker, workerMetrics } from './worker-metrics.ts';

export interface WorkerServer {
  /** Answers http://host:port, with the port the system picked. @throws as net.Server does, as with EADDRINUSE */
  listen(at: { readonly host: string; readonly port: number }): Promise<string>;
  /** Ends what is asked and waits for upgraded connections to end. */
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body: string | object;
  readonly contentType?: string;
}

/** A server that is not listening yet. `worker` answers null until the worker has registered. */
export function createServer(worker: () => Worker | null): WorkerServer {
  const metrics = openMetrics(workerMetrics, () => {
    const now = worker();
    if (now === null) throw new SluiceError('CONNECTION_LOST', { what: 'the worker is starting' });
    return readWorker(now);
  });

  const answer = async (method: string, path: string): Promise<Answer> => {
    const now = worker();
    if (method !== 'GET' && method !== 'HEAD') return refusal(method, path);
    if (path === '/health') {
      if (now === null) return { status: 503, body: { ok: false, what: 'starting' } };
      return { status: 200, body: { ok: true, worker: now.id, incarnation: now.incarnation, cluster: now.cluster, draining: now.isDraining } };
    }
    if (path === '/metrics') {
      if (now === null) return { status: 503, body: '' };
      return { status: 200, ...(await metrics.text()) };
    }
    return refusal(method, path);
  };

  const server = createHttpServer((request, response) => {
    const path = request.url?.replace(/\?.*$/, '') ?? '';
    void answer(request.method ?? '', path)
      .catch((thrown): Answer => {
        const error = asSluiceError(thrown);
        return { status: errors[error.code].status, body: toJson(error) };
      })
      .then(({ status, body, contentType }) => {
        const isText = typeof body === 'string';
        response.writeHead(status, { 'content-type': contentType ?? (isText ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8') });
        response.end(isText ? body : JSON.stringify(body));
      });
  });
  server.on('upgrade', (request, socket, head) => acceptUpgrade(worker(), request, socket, head));

  return {
    listen: ({ host, port }) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port }, () => {
          const { address, family, port: own } = server.address() as AddressInfo;
          resolve(`http://${family === 'IPv6' ? `[${address}]` : address}:${own}`);
        });
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const refusal = (method: string, path: string): Answer => ({
  status: 404,
  body: toJson(new SluiceError('REQUEST_INVALID', { what: `there is no ${method} ${path}` })),
});
