/**
 * The manager on HTTP: every call of protocol/control.ts becomes a route, checked by its schema and its token's scope;
 * errors leave as {code, message, facts} with the table's status. Also /health, /metrics and /openapi.json. It decides
 * nothing itself: manager.ts does. Built by main.ts.
 */
import swagger from '@fastify/swagger';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Caller, Manager } from './manager.ts';
import { managerMetrics, readManager } from './manager-metrics.ts';
import { bodies } from './process/bodies.ts';
import { openMetrics } from './process/metrics.ts';
import type { Log } from './process/ports.ts';
import { type AddCall, calls, type Request } from './protocol/control.ts';
import { asSluiceError, ErrorJson, errors, SluiceError, toJson } from './protocol/errors.ts';
import { protocolVersion } from './protocol/ids.ts';
import type { Grant } from './protocol/token.ts';
import { addClusterRoutes } from './routes/cluster.ts';
import { addJobRoutes } from './routes/jobs.ts';
import { addShuffleRoutes } from './routes/shuffles.ts';
import { addWorkerRoutes } from './routes/workers.ts';

export interface ServerOptions {
  readonly log: Log;
  readonly release: string;
  readonly maxRequestBytes: number;
}

/** A server that is not listening yet. */
export async function createServer(manager: Manager, options: ServerOptions): Promise<FastifyInstance> {
  const app = Fastify({ bodyLimit: options.maxRequestBytes, forceCloseConnections: true, keepAliveTimeout: 90_000, schemaController: bodies });
  const metrics = openMetrics(managerMetrics, () => readManager(manager));
  app.setErrorHandler((thrown: FastifyError, request, reply) => {
    const error = isRefusedByFastify(thrown) ? new SluiceError('REQUEST_INVALID', { what: thrown.message }) : asSluiceError(thrown);
    if (error.code === 'INTERNAL') options.log.error({ url: request.url, stack: thrown.stack }, error.message);
    return reply.code(errors[error.code].status).send(toJson(error));
  });
  app.setNotFoundHandler((request, reply) => {
    const theirs = /^\/v(\d+)\//.exec(request.url)?.[1];
    if (theirs !== undefined && Number(theirs) !== protocolVersion) throw new SluiceError('VERSION_UNSUPPORTED', { theirs, ours: protocolVersion });
    return reply.code(404).send(toJson(new SluiceError('REQUEST_INVALID', { what: `there is no ${request.method} ${request.url}` })));
  });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Sluice shuffle manager', version: options.release },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    },
  });

  const add: AddCall = (name, summary) => {
    const { path, scope, request: body, answer } = calls[name];
    const grants = new WeakMap<FastifyRequest, Grant | null>();
    app.post(path, {
      schema: {
        operationId: name,
        summary,
        tags: [path.split('/')[2] as string],
        ...(scope === 'open' ? {} : { security: [{ token: [] }] }),
        body,
        response: { 200: answer, '4xx': ErrorJson, '5xx': ErrorJson },
      },
      // Before the body is read, and again when it says which job it is about.
      onRequest: async (request) => void grants.set(request, manager.admit(name, bearerOf(request))),
      preHandler: async (request) => manager.reach(name, grants.get(request) ?? null, request.body as object),
      onResponse: async (_request, reply) => metrics.observe('callSeconds', { call: name, code: String(reply.statusCode) }, reply.elapsedTime / 1000),
      handler: (request, reply) => manager.handle(name, request.body as Request<typeof name>, callerOf(reply)),
    });
  };
  await app.register(async () => {
    addClusterRoutes(add);
    addWorkerRoutes(add);
    addJobRoutes(add);
    addShuffleRoutes(add);
  });
  app.get('/health', { schema: { hide: true } }, () => manager.handle('hello', {}).then(({ term, cluster }) => ({ ok: true, term, cluster })));
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) => {
    const { body, contentType } = await metrics.text();
    return reply.header('content-type', contentType).serializer(String).send(body);
  });
  return app;
}

/** Most calls do not wait: what tells of a hang-up is made for those who ask. */
function callerOf(reply: FastifyReply): Caller {
  let signal: AbortSignal | undefined;
  return {
    get signal() {
      signal ??= hangUpOf(reply);
      return signal;
    },
  };
}

/** Aborted when the connection closes before the answer is out: a long poll whose caller has died. */
function hangUpOf(reply: FastifyReply): AbortSignal {
  const abort = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) abort.abort();
  });
  return abort.signal;
}

const bearerOf = (request: FastifyRequest): string => /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';

/** A body that does not parse, is too long or does not fit its schema. */
const isRefusedByFastify = (thrown: FastifyError): boolean =>
  thrown.validation !== undefined || (typeof thrown.code === 'string' && thrown.code.startsWith('FST_ERR_CTP')) || thrown instanceof SyntaxError;
