import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Answer } from '#manager/protocol/control.ts';
import { workerNamed } from '#runtime/cli/drain.ts';
import { sluice } from './captured.ts';
import { type Home, openHome } from './home.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
let home: Home;
before(async () => {
  home = await openHome(folder, { workerWaitMs: 0 });
});
after(async () => {
  await home.close();
  rmSync(folder, { recursive: true });
});
const stateNow = async () => (await home.calls.status({})).workers[0]?.state;

test('a worker nobody knows is said, and so is bad usage; nothing is drained', async () => {
  for (const name of ['127.0.0.1:1', 'ffffffff', 'zz', '']) {
    const { code, stderr } = await sluice('drain', name);
    assert.deepEqual([code, /^error WORKER_UNKNOWN: .*sluice status/.test(stderr)], [1, true], name);
  }
  for (const args of [[], ['a', 'b']]) assert.equal((await sluice('drain', ...args)).code, 2);
  assert.equal(await stateNow(), 'live');
});

test('drain takes a worker out of placement; it waits for it to hold nothing when asked to', async () => {
  const first = await sluice('drain', '127.0.0.1:7999');
  assert.deepEqual(first, { code: 0, stdout: `worker ${home.worker} is draining: it stays readable until it is stopped\n`, stderr: '' });
  assert.equal(await stateNow(), 'draining');
  const { job } = await home.calls.openJob({ name: 'a', url: '', slots: 0 });
  await assert.rejects(home.calls.openShuffle({ job, name: 'x', spec: home.spec }), { code: 'NO_WORKERS' });
  await home.report([], { isDraining: 1, cells: 3, streams: 0 });
  const held = await sluice('drain', home.worker, '--json');
  assert.deepEqual([held.code, JSON.parse(held.stdout)], [0, { worker: home.worker, state: 'draining', held: 3 }]);
  let done = false;
  const waiting = sluice('drain', home.worker.slice(0, 8), '--wait').finally(() => {
    done = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 700));
  assert.equal(done, false);
  await home.report([], { isDraining: 1, cells: 0, streams: 0 });
  const { code, stdout } = await waiting;
  assert.deepEqual([code, stdout], [0, `worker ${home.worker} is draining and holds nothing: it can be stopped\n`]);
});

test('a worker is named by its address, its id or the beginning of it; what may be two is refused', () => {
  const worker = (id: string, port: number, state: 'live' | 'lost'): Answer<'status'>['workers'][number] => ({
    worker: id.padEnd(32, '0'),
    incarnation: '1'.padStart(32, '0'),
    host: 'h',
    port,
    hostLabel: 'h',
    pid: 1,
    state,
    load: {},
  });
  const workers = [worker('abcd1', 1, 'live'), worker('abcd2', 2, 'live'), worker('ee01', 3, 'lost'), worker('ee02', 3, 'live')];
  assert.equal(workerNamed('h:2', workers), workers[1]);
  assert.equal(workerNamed('abcd1', workers), workers[0]);
  assert.equal(workerNamed('h:3', workers), workers[3]);
  assert.equal(workerNamed('ee01', workers), workers[2]);
  assert.throws(() => workerNamed('abcd', workers), { code: 'USAGE', message: /abcd10* or abcd20*/ });
  assert.throws(() => workerNamed('abc', workers), { code: 'WORKER_UNKNOWN' });
});
