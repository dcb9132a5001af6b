import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { systemClock } from '#manager/process/clock.ts';
import { silent } from '#manager/process/ports.ts';
import { createThreads, warmThreads } from '#runtime/execute/threads.ts';
import { lease } from '../schedule/job-world.ts';

const orderOf = (n: number, url: string) => ({ lease: lease(n), job: 1, url, token: 'a token', slots: 1 });

test('a lease whose coordinator is gone breaks off; one that is stopped ends, though its coordinator never answers', {
  timeout: 60_000,
}, async () => {
  warmThreads(1);
  const threads = createThreads(systemClock, silent);
  const said: string[] = [];
  const talking = createThreads(systemClock, { ...silent, warn: (_, text) => said.push(text) });
  assert.equal(await talking.begin(orderOf(1, 'http://127.0.0.1:1')).ended, false);
  assert.match(said[0] ?? '', /coordinator at http:\/\/127.0.0.1:1/);
  const asked = Promise.withResolvers<void>();
  const mute = createServer(() => asked.resolve()).listen(0, '127.0.0.1');
  await new Promise((resolve) => mute.once('listening', resolve));
  const serving = threads.begin(orderOf(2, `http://127.0.0.1:${(mute.address() as AddressInfo).port}`));
  await asked.promise;
  await serving.stop();
  assert.equal(await serving.ended, true);
  mute.closeAllConnections();
  mute.close();
  await Promise.all([threads.close(), talking.close()]);
});

test('a thread that has run the engine alone serves the next lease too; one that has loaded functions of a job ends with it', {
  timeout: 60_000,
}, async () => {
  const module = new URL('../../fixtures/jobs/words.ts', import.meta.url).href;
  const folder = tmpdir();
  const described = {
    job: 1,
    staging: 's',
    module,
    params: {},
    digest: '',
    places: {},
    folder,
    plan: {},
    stages: {},
    driver: { driver: 'local', folder },
  };
  let hasFunctions = false;
  const over = createServer((request, response) => {
    const answer = request.url?.endsWith('/join') ? { ...described, hasFunctions } : { assignments: [], cancel: [], done: true };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  }).listen(0, '127.0.0.1');
  await once(over, 'listening');
  const url = `http://127.0.0.1:${(over.address() as AddressInfo).port}`;
  const started: Worker[] = [];
  const count = (worker: Worker): void => void started.push(worker);
  process.on('worker', count);
  const threads = createThreads(systemClock, silent);
  const serve = async (n: number): Promise<void> => assert.equal(await threads.begin(orderOf(n, url)).ended, true);
  await serve(1);
  await serve(2);
  assert.equal(started.length, 1);
  hasFunctions = true;
  await serve(3);
  assert.equal(started.length, 1);
  hasFunctions = false;
  await serve(4);
  assert.equal(started.length, 2);
  // Taken away late: it is over, and the thread may have another one.
  const last = threads.begin(orderOf(5, url));
  await last.ended;
  const next = threads.begin(orderOf(6, url));
  await last.stop();
  assert.equal(await next.ended, true);
  assert.equal(started.length, 2);
  // One that dies while it waits is not given the next lease.
  const waiting = started.at(-1)!;
  await Promise.all([once(waiting, 'exit'), waiting.terminate()]);
  await serve(7);
  assert.equal(started.length, 3);
  process.off('worker', count);
  await threads.close();
  over.closeAllConnections();
  over.close();
});

test('in threads that start from now on arrays that come and go are freed with the young, and nothing else is collected for them', async () => {
  const threads = createThreads(systemClock, silent);
  const program = `
    await import(${JSON.stringify(new URL('../../../batch-runtime/execute/thread.ts', import.meta.url).href)});
    const { PerformanceObserver, constants } = await import('node:perf_hooks');
    let whole = 0;
    const count = (entries) => { for (const { detail } of entries) if (detail.kind !== constants.NODE_PERFORMANCE_GC_MINOR) whole++; };
    const observer = new PerformanceObserver((list) => count(list.getEntries()));
    observer.observe({ entryTypes: ['gc'] });
    let most = 0;
    const kept = [];
    for (let i = 0; i < 2000; i++) {
      kept[i % 4] = new Int32Array(1 << 18);
      most = Math.max(most, process.memoryUsage().arrayBuffers);
    }
    setTimeout(() => { count(observer.takeRecords()); process.getBuiltinModule('node:worker_threads').parentPort.postMessage({ whole, most }); }, 50);
  `;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
  const [{ whole, most }] = (await once(worker, 'message')) as [{ whole: number; most: number }];
  await worker.terminate();
  await threads.close();
  assert.equal(whole, 0);
  assert(most < 200e6, `${most} bytes of arrays at once`);
});
