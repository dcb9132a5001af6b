/** Faults of real processes while Spark writes and reads: every job ends with the right answer, or with an error that says what to do. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, type Group, sluiceConf } from '../check.ts';
import { bytesBelow, type Cluster, type ClusterOptions } from '../cluster.ts';
import { type Conf, type Driver, patienceMs } from '../driver.ts';
import { until } from '../processes.ts';

const job: Conf = { maps: '8', records: '20000', partitions: '6' };
/** One failure of a task is one too many: what a worker does must not count. */
const strict: Conf = { 'spark.task.maxFailures': '1' };

/** Runs the job to a gate, lets `fault` happen, opens the gate, and compares the answer. */
async function survives(
  { settings, cluster, spark, gates }: Bench,
  options: ClusterOptions,
  conf: Conf,
  gate: 'map' | 'reduce',
  fault: (cluster: Cluster) => Promise<unknown>,
  more: Conf = {},
): Promise<string> {
  const workers = await cluster(options);
  const session = await spark(workers, { ...strict, ...conf });
  const at = gates();
  // Both slots stand still while it is read, so that the other partitions are not read yet.
  const asked = { ...job, ...(gate === 'map' ? { map: '3' } : { reduces: '2' }), ...more };
  const names = gate === 'map' ? ['map'] : ['reduce-0', 'reduce-1'];
  const running = session.run('gated', { ...asked, gates: at.folder });
  running.catch(() => {});
  for (const name of names) await at.reached(name);
  await fault(workers);
  for (const name of names) at.open(name);
  const result = await running;
  const { answer, head } = await settings.answers.of('gated', asked);
  assert.deepEqual([result.head, result.answer], [head, answer], "the answer differs from Spark's own shuffle");
  const again = result.stages.filter(({ attempt }) => attempt > 0).length;
  return `${again} stage attempts again`;
}

async function jobsOpen(cluster: Cluster): Promise<number> {
  return (await cluster.status()).jobs.length;
}

/** What a driver says that cannot open its Spark, and how long it took. */
async function refused(driver: Driver, conf: Conf): Promise<{ said: string; seconds: number }> {
  const begin = performance.now();
  const said = await driver.open(conf).then(
    () => '',
    (error: Error) => error.message,
  );
  return { said, seconds: (performance.now() - begin) / 1000 };
}

/** A server that gives the same answer to whatever comes. */
async function listening(answer: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

export const faults: Group = {
  name: 'faults',
  about: 'workers, managers and drivers that are killed, stopped, full, or not who they should be',
  quick: true,
  everyVersion: true,
  async check(bench) {
    const { settings, cluster, spark, driver, step, gates } = bench;
    if (settings.own) return;
    const signal =
      (name: NodeJS.Signals) =>
      async (workers: Cluster): Promise<void> =>
        (await workers.holder()).kill(name);
    const kill = signal('SIGKILL');

    await step('worker-killed-while-maps-write', () => survives(bench, { workers: 2 }, {}, 'map', kill));
    if (!settings.whole) return;
    await step('worker-killed-while-read', async () => {
      const said = await survives(bench, { workers: 3 }, {}, 'reduce', kill);
      assert.notEqual(said, '0 stage attempts again', 'nothing that was lost had to be read: it proves nothing');
      return said;
    });
    await step('worker-killed-while-read-with-replicas', async () => {
      const said = await survives(bench, { workers: 3 }, { 'spark.sluice.replicas': '2' }, 'reduce', kill);
      assert.equal(said, '0 stage attempts again', 'with a replica nothing needs to be done again');
      return said;
    });
    if (settings.quick) return;
    await step('manager-restarted-while-maps-write', () =>
      survives(bench, { workers: 2 }, {}, 'map', async ({ manager, settled }) => {
        await manager.kill('SIGKILL');
        await manager.restart();
        await settled(2);
      }),
    );
    await step('manager-unreachable-at-start', async () => {
      const alone = await driver();
      const conf = {
        'spark.shuffle.manager': 'org.apache.spark.shuffle.sluice.SluiceShuffleManager',
        'spark.sluice.manager.url': 'http://127.0.0.1:9',
      };
      const tokenFile = join(settings.folder, 'any-token');
      writeFileSync(tokenFile, 'a'.repeat(64));
      const { said, seconds } = await refused(alone, { ...conf, 'spark.sluice.token.file': tokenFile });
      assert.match(said, /127\.0\.0\.1:9/);
      assert.match(said, /spark\.sluice\.(fallback|manager\.url)/, 'it does not say what to do');
      assert.ok(seconds < 60, `it took ${seconds} s`);
      const opened = await alone.open({ ...conf, 'spark.sluice.token.file': tokenFile, 'spark.sluice.fallback': 'true' });
      assert.ok(opened.application);
      const result = await alone.run('groupByKey');
      assert.equal(result.answer, (await settings.answers.of('groupByKey')).answer);
      assert.match(readFileSync(alone.log, 'utf8'), /WARN.*(fall|own shuffle)/i, 'it does not say that it fell back');
      await alone.kill();
      return `refused in ${seconds.toFixed(1)} s`;
    });
    await step('wrong-token', async () => {
      const workers = await cluster();
      const alone = await driver();
      const wrong = join(settings.folder, 'wrong-token');
      writeFileSync(wrong, 'f'.repeat(64));
      chmodSync(wrong, 0o600);
      const { said } = await refused(alone, { ...sluiceConf(workers), 'spark.sluice.token.file': wrong });
      assert.match(said, /UNAUTHORIZED|token/i);
      // A wrong token is no absence of a manager: there is nothing to fall back from.
      await alone.kill();
    });
    await step('worker-killed-while-maps-write-with-replicas', () => survives(bench, { workers: 3 }, { 'spark.sluice.replicas': '2' }, 'map', kill));
    await step('worker-killed-after-some-was-sent', () =>
      survives(bench, { workers: 2 }, { 'spark.shuffle.spill.numElementsForceSpillThreshold': '2000' }, 'map', kill, { mapAt: '15000' }),
    );
    await step('worker-killed-before-the-first-write', () =>
      survives(bench, { workers: 2 }, {}, 'map', ({ workers }) => workers[0]!.kill('SIGKILL'), { map: '0', mapAt: '0' }),
    );
    await step('worker-stopped-while-maps-write', () => survives(bench, { workers: 2 }, {}, 'map', signal('SIGSTOP')));
    await step('worker-stopped-while-read', () => survives(bench, { workers: 2 }, {}, 'reduce', signal('SIGSTOP')));
    await step('worker-stopped-and-continued', () =>
      survives(bench, { workers: 2 }, {}, 'map', async (workers) => {
        const victim = await workers.holder();
        await victim.kill('SIGSTOP');
        setTimeout(() => void victim.kill('SIGCONT'), 1500);
      }),
    );
    await step('worker-restarted-while-read', () =>
      survives(bench, { workers: 2 }, {}, 'reduce', async (workers) => {
        const victim = await workers.holder();
        await victim.kill('SIGKILL');
        await victim.restart();
      }),
    );
    await step('workers-drained-while-maps-write', () =>
      survives(bench, { workers: 3 }, {}, 'map', async (workers) => {
        void (await workers.holder()).kill('SIGTERM');
      }),
    );
    await step('manager-restarted-while-read', () =>
      survives(bench, { workers: 2 }, {}, 'reduce', async ({ manager, settled }) => {
        await manager.kill('SIGKILL');
        await manager.restart();
        await settled(2);
      }),
    );
    await step('one-worker-is-full', async () => {
      const workers = await cluster({ workers: 1 });
      await workers.addWorker({ diskBytes: 8 << 20, segmentBytes: 4 << 20, arenaBytes: 8 << 20 });
      await workers.settled(2);
      const session = await spark(workers, strict);
      const options = { maps: '8', records: '60000', partitions: '6' };
      const result = await session.run('gated', options);
      assert.equal(result.answer, (await settings.answers.of('gated', options)).answer);
    });
    await step('every-worker-is-full', async () => {
      const workers = await cluster({ workers: 2, worker: { diskBytes: 8 << 20, segmentBytes: 4 << 20, arenaBytes: 8 << 20 } });
      const session = await spark(workers, { 'spark.task.maxFailures': '2' });
      const said = await session.run('gated', { maps: '8', records: '200000', partitions: '6' }).then(
        () => '',
        (error: Error) => error.message,
      );
      assert.match(said, /NO_SPACE|No space/i, `the job must fail and say why, not: ${said.slice(0, 300)}`);
    });
    await step('another-protocol-version', async () => {
      const alone = await driver();
      const workers = await cluster({ workers: 0 });
      const body = JSON.stringify({
        code: 'VERSION_UNSUPPORTED',
        message: 'The other side speaks protocol version 0, this one 9: run the same release on both',
        facts: { theirs: 0, ours: 9 },
      });
      const server = await listening(
        `HTTP/1.1 426 Upgrade Required\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
      );
      const { port } = server.address() as { port: number };
      const { said } = await refused(alone, { ...sluiceConf(workers), 'spark.sluice.manager.url': `http://127.0.0.1:${port}` });
      assert.match(said, /version/i, said.slice(0, 500));
      server.close();
      await alone.kill();
    });
    await step('no-workers', async () => {
      const workers = await cluster({ workers: 0, manager: { workerWaitMs: 1000 } });
      const session = await spark(workers, { 'spark.task.maxFailures': '2' });
      const said = await session.run('groupByKey', {}).then(
        () => '',
        (error: Error) => error.message,
      );
      assert.match(said, /NO_WORKERS|worker/i, `the job must fail and say why, not: ${said.slice(0, 300)}`);
    });
    await step('job-cancelled-releases', async () => {
      const workers = await cluster();
      const session = await spark(workers);
      const at = gates();
      const running = session.run('gated', { ...job, reduces: '2', gates: at.folder }).then(
        () => 'done',
        () => 'cancelled',
      );
      await at.reached('reduce-0');
      await session.driver.order({ do: 'cancel' });
      for (const name of ['reduce-0', 'reduce-1']) at.open(name);
      assert.equal(await running, 'cancelled');
      // Spark lets go of a shuffle when nothing refers to its RDD.
      await until('the shuffle is released', patienceMs, async () => {
        await session.driver.order({ do: 'collect' });
        return (await workers.metric('sluice_worker_cells')) === 0;
      });
      await session.same('groupByKey');
    });
    await step('killed-while-waiting', async () => {
      const workers = await cluster({ workers: 1 });
      const session = await spark(workers);
      await session.same('groupByKey');
      // Nothing is acknowledged any more, so that every map task waits in the end; the client would cut the connection after 30 s only.
      for (const worker of workers.workers) await worker.kill('SIGSTOP');
      const options = { records: '20000', interrupt: 'true' };
      const running = session.run('groupByKey', options).then(
        () => 'done',
        () => 'cancelled',
      );
      const tasks = async (): Promise<number> => Number(await session.driver.order({ do: 'running' }));
      await until('map tasks run', patienceMs, async () => (await tasks()) > 0);
      // By then they are through their records.
      await sleep(5000);
      assert.ok((await tasks()) > 0, 'no task waits for the worker');
      await session.driver.order({ do: 'cancel' });
      assert.equal(await running, 'cancelled');
      await until('tasks have ended though no worker answers', 20_000, async () => (await tasks()) === 0);
      for (const worker of workers.workers) await worker.kill('SIGCONT');
      await session.same('groupByKey');
    });
    await step('stop-releases', async () => {
      const workers = await cluster();
      const alone = await driver();
      await alone.open(sluiceConf(workers));
      await alone.run('groupByKey');
      assert.equal(await jobsOpen(workers), 1);
      await alone.close();
      await until('the job is closed', patienceMs, async () => (await jobsOpen(workers)) === 0);
      await until('no cell is left', patienceMs, async () => (await workers.metric('sluice_worker_cells')) === 0);
      await alone.kill();
    });
    await step('driver-killed', async () => {
      const workers = await cluster();
      const alone = await driver();
      await alone.open(sluiceConf(workers));
      await alone.run('gated', { ...job, records: '60000' });
      assert.equal(await jobsOpen(workers), 1);
      await alone.kill();
      await until('the job is expired', patienceMs, async () => (await jobsOpen(workers)) === 0);
      await until('no cell is left', patienceMs, async () => (await workers.metric('sluice_worker_cells')) === 0);
      assert.equal(await workers.metric('sluice_manager_jobs_expired_total'), 1);
      const left = workers.workers.flatMap(({ folder }) => readdirSync(folder));
      return `${bytesBelow(workers.workers[0]!.folder) >> 20} MiB of free segments stay in ${left.length} entries`;
    });
  },
};
