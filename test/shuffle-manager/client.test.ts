// The undici client against servers on loopback: which manager, which error, what is sent again, and how it ends.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createServer as createHttp, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connectManager, type ManagerClient } from '#manager/client.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { silent } from '#manager/process/ports.ts';
import { mintToken } from '#manager/protocol/token.ts';
import { createServer } from '#manager/server.ts';
import { addWorker, hex, openWorld, specOf } from './world.ts';

const deadUrl = 'http://127.0.0.1:1';
const connect = (urls: string[], token = '', patienceMs = 2000): Promise<ManagerClient> =>
  connectManager({ urls, token: () => token, clock: systemClock, random: systemRandom, patienceMs });

async function serve(context: TestContext) {
  const world = await openWorld();
  const server = await createServer(world.manager, { log: silent, release: 'test', maxRequestBytes: 1e6 });
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  context.after(() => world.manager.close().then(() => server.close()));
  const token = mintToken({ secret: 'a secret of the tests', cluster: '' }, { scope: 'cluster' }, world.clock.wall() + 1e6);
  return { ...world, url, token };
}

/** Answers each request with what `answer` says: status and body, or nothing (the connection is cut). */
async function pretend(
  context: TestContext,
  answer: (path: string, count: number) => [number, unknown] | null,
): Promise<{ url: string; paths: string[] }> {
  const paths: string[] = [];
  const server: Server = createHttp((request, response) => {
    request.resume().on('end', () => {
      paths.push(request.url as string);
      const said = answer(request.url as string, paths.length);
      if (said === null) request.socket.destroy();
      else response.writeHead(said[0], { 'content-type': 'application/json' }).end(typeof said[1] === 'string' ? said[1] : JSON.stringify(said[1]));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, paths };
}
const hello = { protocol: 1, cluster: hex(1), term: 1, release: 'r' };

test('calls arrive with their token, answers and errors come back as they left', async (context) => {
  const { url, token, manager } = await serve(context);
  const client = await connect([url], token);
  assert.deepEqual(client.welcome, { protocol: 1, cluster: manager.cluster, term: 1, release: 'test' });
  await addWorker(client, 1);
  const { job } = await client.openJob({ name: 'j', url: '', slots: 0 });
  const layout = await client.openShuffle({ job, name: 'x', spec: specOf() });
  assert.deepEqual(await client.layout({ shuffle: layout.shuffle, after: -1, waitMs: 0 }), layout);
  await assert.rejects(client.release({ shuffle: '5' }), { code: 'SHUFFLE_UNKNOWN', facts: { shuffle: '5' } });
  const stranger = await connect([url], 'v1.nonsense');
  await assert.rejects(stranger.status({}), { code: 'UNAUTHORIZED' });
  await client.close();
  await stranger.close();
});

test('the first manager that answers is used', async (context) => {
  const { url } = await serve(context);
  const client = await connect([deadUrl, url]);
  assert.equal((await client.hello({})).term, 1);
  await client.close();
});

test('a cluster that does not answer is said so, with its URL, and the process waits for that', () => {
  const program = `
    import { connectManager } from '#manager/client.ts';
    import { systemClock as clock, systemRandom as random } from '#manager/process/clock.ts';
    await connectManager({ urls: ['${deadUrl}'], token: () => '', clock, random, patienceMs: 300 }).catch((error) => console.log(error.code, error.message));
  `;
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', program], { cwd: root, encoding: 'utf8' });
  assert.match(stdout, /^CLUSTER_UNREACHABLE No manager answers at http:\/\/127\.0\.0\.1:1: /);
  assert.equal(status, 0);
});

test('something else that answers there is no manager', async (context) => {
  const page = await pretend(context, () => [200, '<html>']);
  await assert.rejects(connect([page.url], '', 100), { code: 'CLUSTER_UNREACHABLE', message: /something else answers there/ });
  const json = await pretend(context, () => [500, { oops: 1 }]);
  await assert.rejects(connect([json.url], '', 100), { code: 'CLUSTER_UNREACHABLE', message: /something else answers there/ });
  const odd = await pretend(context, () => [200, { protocol: 'x' }]);
  await assert.rejects(connect([odd.url], '', 100), { code: 'INTERNAL', message: /answered hello with/ });
});

test('another version is VERSION_UNSUPPORTED, whether it says so by hello or by refusing the path', async (context) => {
  const newer = await pretend(context, () => [200, { ...hello, protocol: 2 }]);
  await assert.rejects(connect([newer.url]), { code: 'VERSION_UNSUPPORTED', facts: { theirs: 2, ours: 1 } });
  const refusing = await pretend(context, () => [426, { code: 'VERSION_UNSUPPORTED', message: '', facts: { theirs: 0, ours: 1 } }]);
  await assert.rejects(connect([refusing.url]), { code: 'VERSION_UNSUPPORTED' });
  assert.equal(refusing.paths.length, 1, 'which is not tried again');
});

test('a cut connection is tried again, unless the call makes something new each time', async (context) => {
  const { url, paths } = await pretend(context, (path, count) => {
    if (path === '/v1/cluster/hello') return [200, hello];
    if (path === '/v1/shuffles/release') return count < 4 ? null : [200, {}];
    return null;
  });
  const client = await connect([url], 'v1.x');
  assert.deepEqual(await client.release({ shuffle: '1' }), {});
  assert.equal(paths.filter((path) => path === '/v1/shuffles/release').length, 3);
  await assert.rejects(client.openJob({ name: '', url: '', slots: 0 }), { code: 'CLUSTER_UNREACHABLE' });
  assert.equal(paths.filter((path) => path === '/v1/jobs/open').length, 1);
  await client.close();
});

test('a manager that is closing is asked again', async (context) => {
  const closing = { code: 'LEDGER_UNAVAILABLE', message: 'closing', facts: { what: 'closing' } };
  const { url } = await pretend(context, (_path, count) => (count < 3 ? [503, closing] : [200, hello]));
  const client = await connect([url]);
  assert.deepEqual(client.welcome, hello);
  await client.close();
});

test('an abort ends a long poll with its reason, and the manager hears that nobody waits', async (context) => {
  const { url, token, manager } = await serve(context);
  const client = await connect([url], token);
  await addWorker(client, 1);
  const { version } = await client.orders({ id: hex(1), incarnation: hex(101), after: 0, load: {}, leaving: false, waitMs: 0 });
  const abort = new AbortController();
  const poll = client.orders(
    { id: hex(1), incarnation: hex(101), after: version, load: {}, leaving: false, waitMs: 60_000 },
    { signal: abort.signal },
  );
  poll.catch(() => {});
  while (manager.gauges().polls === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  abort.abort(new Error('enough'));
  await assert.rejects(poll, /enough/);
  while (manager.gauges().polls > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal((await client.status({})).workers[0]?.state, 'lost');
  await client.close();
});

test('closing ends what is under way at once', async (context) => {
  const { url, token, manager } = await serve(context);
  const client = await connect([url], token, 60_000);
  await addWorker(client, 1);
  const { job } = await client.openJob({ name: 'j', url: '', slots: 0 });
  const { version } = await client.keepJob({ job, after: 0, slots: 0, waitMs: 0 });
  const poll = client.keepJob({ job, after: version, slots: 0, waitMs: 60_000 });
  poll.catch(() => {});
  while (manager.gauges().polls === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await client.close();
  await assert.rejects(poll, { code: 'CONNECTION_LOST', message: /client of the manager is closed/ });
  await assert.rejects(client.hello({}), { code: 'CONNECTION_LOST' });
});
