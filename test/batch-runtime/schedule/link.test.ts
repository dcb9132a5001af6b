import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { SluiceError, toJson } from '#manager/protocol/errors.ts';
import { createCoordinatorLink } from '#runtime/schedule/link.ts';
import { lease } from './job-world.ts';

test('an error of the coordinator arrives as itself, a coordinator that is gone as CONNECTION_LOST with its URL', async () => {
  const server = createServer((request, reply) => {
    assert.equal(request.headers.authorization, 'Bearer t');
    reply.statusCode = 404;
    reply.end(JSON.stringify(toJson(new SluiceError('JOB_UNKNOWN', { job: 7 }))));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const link = createCoordinatorLink(`http://127.0.0.1:${port}`, 't');
  await assert.rejects(link.join({ lease: lease(1) }), { code: 'JOB_UNKNOWN', message: /Job 7/ });
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  await assert.rejects(link.join({ lease: lease(1) }), { code: 'CONNECTION_LOST', message: new RegExp(`127.0.0.1:${port}`) });
  await link.close();
});

test('a call that is called off is not waited for', async () => {
  const server = createServer(() => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const link = createCoordinatorLink(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, 't');
  const abort = new AbortController();
  const call = link.poll({ lease: lease(1), slots: 1, waitMs: 60_000 }, abort.signal);
  setImmediate(() => abort.abort());
  await assert.rejects(call, { code: 'CONNECTION_LOST' });
  await link.close();
  server.closeAllConnections();
  server.close();
});
