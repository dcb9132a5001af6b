/**
 * A standalone Spark cluster whose two workers have host names of their own (loopback addresses): Spark starts no speculative
 * attempt on a host where the task runs already, and in local-cluster all executors are on one.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { homeOf, patienceMs, shortLived, sparkEnv } from './driver.ts';
import { end, start, until } from './processes.ts';

export interface Standalone {
  /** For spark.master. */
  readonly url: string;
  close(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

export async function startStandalone(sparkHome: string, folder: string): Promise<Standalone> {
  mkdirSync(folder, { recursive: true });
  const home = homeOf(sparkHome, folder);
  const log = openSync(join(folder, 'standalone.log'), 'a');
  const children: ChildProcess[] = [];
  const launch = (name: string, host: string, ...args: string[]): void => {
    const env = { ...sparkEnv(home), SPARK_LOCAL_IP: host, SPARK_DAEMON_JAVA_OPTS: shortLived, SPARK_DAEMON_MEMORY: '512m' };
    const all = [`org.apache.spark.deploy.${name}`, '--host', host, '--webui-port', '0', ...args];
    children.push(start(join(home, 'bin/spark-class'), all, { cwd: folder, env, stdio: ['ignore', log, log] }));
  };
  const port = await freePort();
  launch('master.Master', '127.0.0.1', '--port', String(port));
  await until('the standalone master', patienceMs, () => listens(port));
  const url = `spark://127.0.0.1:${port}`;
  for (const host of ['127.0.0.2', '127.0.0.3'])
    launch('worker.Worker', host, '--cores', '1', '--memory', '1536m', '--work-dir', join(folder, `work-${host}`), url);
  return {
    url,
    async close() {
      await Promise.all(children.map(end));
    },
  };
}
