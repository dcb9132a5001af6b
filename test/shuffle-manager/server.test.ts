// The manager on HTTP, without a socket: who may call what, what is refused before it is read, and the documents it serves.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Log } from '#manager/process/ports.ts';
import { type CallName, calls } from '#manager/protocol/control.ts';
import { errors } from '#manager/protocol/errors.ts';
import { mintToken } from '#manager/protocol/token.ts';
import { createServer } from '#manager/server.ts';
import { requests } from './requests.ts';
import { addWorker, hex, openWorld, specOf } from './world.ts';

const secret = 'a secret of the tests';

async function open(maxRequestBytes = 100_000) {
  const lines: string[] = [];
  const keep = (facts: object, text: string) => void lines.push(`${JSON.stringify(facts)} ${text}`);
  const log: Log = { info: keep, warn: keep, error: keep };
  const world = await openWorld();
  await addWorker(world.calls, 1);
  const mine = await world.calls.openJob({ name: 'mine', url: '', slots: 0 });
  const other = await world.calls.openJob({ name: 'other', url: '', slots: 0 });
  const { shuffle } = await world.calls.openShuffle({ job: mine.job, name: 'x', spec: specOf() });
  const server = await createServer(world.manager, { log, release: '9.9.9', maxRequestBytes });
  const key = { secret, cluster: world.manager.cluster };
  const later = world.clock.wall() + 60_000;
  const tokens = {
    none: '',
    wrong: mintToken({ ...key, secret: 'another secret of tests' }, { scope: 'cluster' }, later),
    expired: mintToken(key, { scope: 'cluster' }, world.clock.wall() - 1000),
    'other job': mintToken(key, { scope: 'job', job: other.job }, later),
    job: mintToken(key, { scope: 'job', job: mine.job }, later),
    'cluster secret': mintToken({ secret, cluster: '' }, { scope: 'cluster' }, later),
  };
  const post = (path: string, body: unknown, token: string) =>
    server.inject({
      method: 'POST',
      url: path,
      headers: { 'content-type': 'application/json', ...(token === '' ? {} : { authorization: `Bearer ${token}` }) },
      payload: typeof body === 'string' ? body : JSON.stringify(body),
    });
  return { ...world, server, tokens, post, lines, job: mine.job, shuffle };
}

test('every call with every token: who may, is answered; who may not, is refused and told nothing else', async () => {
  const { tokens, post, manager, job, shuffle, server } = await open();
  const table = Object.entries(requests(job, shuffle)) as [CallName, object][];
  assert.deepEqual(table.map(([name]) => name).sort(), Object.keys(calls).sort(), 'a new call needs its row here');
  const may = {
    open: ['none', 'wrong', 'expired', 'other job', 'job', 'cluster secret'],
    job: ['job', 'cluster secret'],
    cluster: ['cluster secret'],
  };
  for (const [name, body] of table) {
    const { path, scope } = calls[name];
    for (const [who, token] of Object.entries(tokens)) {
      const allowed = may[scope].includes(who);
      const before = JSON.stringify(manager.snapshot());
      const response = await post(path, body, token);
      if (allowed) {
        assert.equal(response.statusCode, 200, `${name} with ${who}: ${response.body}`);
        continue;
      }
      assert.equal(response.statusCode, 401, `${name} with ${who}: ${response.body}`);
      assert.equal(response.json().code, 'UNAUTHORIZED');
      assert.match(response.json().message, /--token-file or SLUICE_TOKEN/);
      assert.equal(JSON.stringify(manager.snapshot()), before, `${name} with ${who} changes nothing`);
      // A body that is no JSON, of a caller who may not: he hears of the token, not of his body.
      if (who !== 'other job') assert.equal((await post(path, '{', token)).statusCode, 401, name);
    }
  }
  await server.close();
});

test('a job token reaches no shuffle or job but its own, however the number is written', async () => {
  const { tokens, post, job, shuffle } = await open();
  const spec = specOf();
  for (const body of [{ shuffle: '0' }, { shuffle: ((BigInt(job + 1) << 32n) | 1n).toString() }, { shuffle: '99999999999999999999' }]) {
    assert.equal((await post(calls.release.path, body, tokens.job)).statusCode, 401, JSON.stringify(body));
  }
  assert.equal((await post(calls.openShuffle.path, { job: job + 1, name: 'y', spec }, tokens.job)).statusCode, 401);
  assert.equal((await post(calls.release.path, { shuffle: `0${shuffle}` }, tokens.job)).statusCode, 200, 'a zero in front is the same shuffle');
});

test('tokens are compared in constant time', () => {
  const source = readFileSync(fileURLToPath(new URL('../../shuffle-manager/protocol/token.ts', import.meta.url)), 'utf8');
  const verify = source.slice(source.indexOf('export function verifyToken'), source.indexOf('export function requireGrant'));
  assert.match(verify, /timingSafeEqual\(given, mac\)/);
  assert.doesNotMatch(verify, /(mac|given|right)\s*(===|!==|==)\s*(mac|given|right)\b/);
});

test('neither a token nor the secret is ever logged or answered', async () => {
  const { tokens, post, lines, job, shuffle, server, manager } = await open();
  const answers: string[] = [];
  for (const token of Object.values(tokens)) {
    for (const [name, body] of Object.entries(requests(job, shuffle))) answers.push((await post(calls[name as CallName].path, body, token)).body);
    answers.push((await post('/v1/cluster/status', '{"a', token)).body, (await post(`/v1/nowhere?token=x`, {}, token)).body);
  }
  await manager.close();
  for (const [name, body] of Object.entries(requests(job, shuffle))) await post(calls[name as CallName].path, body, tokens['cluster secret']);
  const minted = (text: string) => text.replace(/"token":"[^"]+"/g, '');
  for (const text of [...lines, ...answers.map(minted)]) {
    for (const token of Object.values(tokens)) assert.ok(token === '' || !text.includes(token), text);
    assert.ok(!text.includes(secret), text);
  }
  await server.close();
});

test('a body that is too long is refused by its length, before it is read', async () => {
  const { post, tokens, server } = await open(2000);
  const long = await post(calls.announce.path, { worker: hex(1), incarnation: hex(101), held: [], more: 'x'.repeat(2000) }, tokens['cluster secret']);
  assert.equal(long.json().code, 'REQUEST_INVALID');
  const claimed = await server.inject({
    method: 'POST',
    url: calls.announce.path,
    headers: { 'content-type': 'application/json', 'content-length': '999999999999', authorization: `Bearer ${tokens['cluster secret']}` },
    payload: '{}',
  });
  assert.equal(claimed.json().code, 'REQUEST_INVALID');
  assert.match(claimed.json().message, /too large|length/i);
  const stranger = await post(calls.announce.path, 'x'.repeat(3000), '');
  assert.equal(stranger.statusCode, 401, 'a stranger is refused before that');
});

test('what does not fit its schema says where', async () => {
  const { post, tokens, shuffle } = await open();
  const refused = async (path: string, body: unknown, words: RegExp) => {
    const response = await post(path, body, tokens['cluster secret']);
    assert.equal(response.statusCode, 400, response.body);
    assert.equal(response.json().code, 'REQUEST_INVALID');
    assert.match(response.json().message, words);
  };
  await refused(calls.commit.path, { shuffle, map: -1, attempt: 0, cells: [] }, /map/);
  await refused(calls.commit.path, { shuffle, map: 2 ** 32, attempt: 0, cells: [] }, /map/);
  await refused(
    calls.commit.path,
    { shuffle, map: 0, attempt: 0, cells: [{ location: 0, incarnations: ['x'], manifestHash: '1' }] },
    /cells\.0\.incarnations\.0/,
  );
  await refused(calls.commit.path, { shuffle, map: 0, attempt: 0, cells: [], surprise: 1 }, /surprise|additional/);
  await refused(calls.release.path, {}, /shuffle|required/);
  await refused(calls.release.path, { shuffle: '-1' }, /shuffle/);
  await refused(calls.layout.path, { shuffle, after: 0, waitMs: 60_001 }, /waitMs/);
  await refused(calls.release.path, '{"shuffle":', /JSON/);
  const tenYears = 10 * 365 * 24 * 3_600_000;
  await refused(calls.mintToken.path, { name: 'x', expiresMs: tenYears + 1 }, /expiresMs/);
  const { job, token } = (await post(calls.mintToken.path, { name: 'x', expiresMs: tenYears }, tokens['cluster secret'])).json();
  assert.equal((await post(calls.closeJob.path, { job }, token)).statusCode, 200, 'the longest one is good');
});

test('errors leave with the status of the table, their code and their facts', async () => {
  const { post, tokens } = await open();
  const unknown = await post(calls.release.path, { shuffle: '77' }, tokens['cluster secret']);
  assert.equal(unknown.statusCode, errors.SHUFFLE_UNKNOWN.status);
  assert.deepEqual(unknown.json(), { code: 'SHUFFLE_UNKNOWN', message: 'Shuffle 77 is unknown to this cluster', facts: { shuffle: '77' } });
});

test('another version of the protocol is answered as such, another path is not there', async () => {
  const { server } = await open();
  const newer = await server.inject({ method: 'POST', url: '/v2/cluster/hello', payload: {} });
  assert.deepEqual([newer.statusCode, newer.json().code, newer.json().facts], [426, 'VERSION_UNSUPPORTED', { theirs: '2', ours: 1 }]);
  for (const url of ['/v1/cluster/nothing', '/elsewhere']) {
    const nowhere = await server.inject({ method: 'POST', url, payload: {} });
    assert.deepEqual([nowhere.statusCode, nowhere.json().code], [404, 'REQUEST_INVALID'], url);
  }
});

test('/health is for anyone, and says when the manager is over', async () => {
  const { server, manager } = await open();
  const well = await server.inject('/health');
  assert.deepEqual([well.statusCode, well.json()], [200, { ok: true, term: 1, cluster: manager.cluster }]);
  await manager.close();
  const over = await server.inject('/health');
  assert.deepEqual([over.statusCode, over.json().code], [503, 'LEDGER_UNAVAILABLE']);
});

test('/openapi.json has every call with its request, answer and scope', async () => {
  const { server } = await open();
  const document = (await server.inject('/openapi.json')).json();
  assert.equal(document.openapi, '3.1.0');
  assert.equal(document.info.version, '9.9.9');
  assert.deepEqual(
    Object.keys(document.paths).sort(),
    Object.values(calls)
      .map((call) => call.path)
      .sort(),
  );
  for (const [name, { path, scope, request, answer }] of Object.entries(calls)) {
    const { post } = document.paths[path];
    assert.equal(post.operationId, name);
    assert.ok(post.summary.length > 5);
    assert.equal(post.security === undefined, scope === 'open', name);
    const sent = post.requestBody?.content['application/json'].schema.properties ?? {};
    assert.deepEqual(Object.keys(sent), Object.keys(request.properties), name);
    assert.deepEqual(Object.keys(post.responses['200'].content['application/json'].schema.properties), Object.keys(answer.properties), name);
    assert.ok(post.responses['4XX'] ?? post.responses['4xx'], name);
  }
});

test('/metrics shows the numbers, and each call by its outcome', async () => {
  const { server, post, tokens, shuffle, job } = await open();
  await post(calls.commit.path, requests(job, shuffle).commit, tokens.job);
  await post(calls.commit.path, requests(job, shuffle).commit, '');
  const response = await server.inject('/metrics');
  assert.match(String(response.headers['content-type']), /^text\/plain/);
  assert.match(response.body, /^sluice_manager_commits_total 1$/m);
  assert.match(response.body, /^sluice_manager_workers 1$/m);
  assert.match(response.body, /^sluice_manager_call_seconds_count\{call="commit",code="200"\} 1$/m);
  assert.match(response.body, /^sluice_manager_call_seconds_count\{call="commit",code="401"\} 1$/m);
});
