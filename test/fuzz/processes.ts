/**
 * A cluster of processes, attacked over its sockets: frames and requests, byte by byte, half-open, and never ended. Its processes live on, stay
 * small, and serve a good client rightly all the time.
 */
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { connectManager, type ManagerClient } from '#manager/client.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { type CallName, calls } from '#manager/protocol/control.ts';
import { asSluiceError, codeOfWire } from '#manager/protocol/errors.ts';
import { type Replica, shuffleFrom } from '#manager/protocol/ids.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import { startEmbedded } from '#runtime/embedded.ts';
import { FrameParser } from '#worker/protocol/frames.ts';
import { createTransport } from '#worker/transport.ts';
import { requests } from '../shuffle-manager/requests.ts';
import { seededRandom, specOf } from '../shuffle-manager/world.ts';
import { GoodClient } from './good-client.ts';
import { HostileClient, type Targets } from './hostile-client.ts';
import { fuzzHttp } from './http-fuzz.ts';
import { holdsPlanted } from './planted.ts';
import { spoil } from './spoil.ts';
import { below, happens, type Tally } from './tally.ts';

const connectionsAtOnce = 16;
/** Frames of one connection, unless it is cut off before. */
const framesAtMost = 200;
/** Sent before answers are looked at. */
const framesAhead = 8;
/** What the other side gets to hang up. */
const hangUpMs = 5000;
/** Connections that are left open in the middle of a frame, until the end. */
const halfOpenAtMost = 200;
/** Of each process: an arena of the usual size is touched, and no more than half as much again. */
const rssAtMostBytes = 600 * 1024 ** 2;

export async function fuzzProcesses(frames: number, seed: number, tally: Tally): Promise<void> {
  const random = seededRandom(seed ^ 0x9c);
  const died = (name: string, how: string): void => tally.fault(`${name} has died: ${how}`);
  const cluster = await startEmbedded({ workers: 1, executors: 0, dataDir: null, port: 0, died });
  const connectAs = (token: () => string): Promise<ManagerClient> =>
    connectManager({ urls: [cluster.url], token, clock: systemClock, random: systemRandom });
  const all = await connectAs(tokenSource(cluster.secret, Date.now));
  const good = await all.mintToken({ name: 'good', expiresMs: 3_600_000 });
  const bad = await all.mintToken({ name: 'hostile', expiresMs: 3_600_000 });
  const calling = await connectAs(() => good.token);
  const client = new GoodClient({ calls: calling, job: good.job, token: good.token, transport: createTransport(), clock: systemClock });
  await client.round();
  const layout = await all.openShuffle({ job: bad.job, name: 'own', spec: specOf({ maps: 4, partitions: 4 }) });
  const replica = layout.locations[0]!.replicas[0]!;
  const own = shuffleFrom(layout.shuffle);
  const targets: Targets = { job: bad.job, own: [own], theirs: client.kept! };

  let isOver = false;
  const beside = (async () => {
    for (; !isOver; tally.answered('the good client of processes', 'right')) await client.round();
  })().catch((thrown: unknown) => tally.fault(`the good client of processes: ${asSluiceError(thrown).stack}`));
  const halfOpen: Socket[] = [];
  const { hostname, port } = new URL(cluster.url);
  let left = frames / 2;
  const attacks = Array.from({ length: connectionsAtOnce }, async () => {
    while (left > 0) left -= await attack(replica, bad.token, new HostileClient(random, targets), random, tally, halfOpen);
  });
  const routes = Object.entries(requests(good.job, client.kept!.toString()))
    .filter(([name]) => calls[name as CallName].scope !== 'cluster')
    .map(([name, body]) => ({ name, path: calls[name as CallName].path, body }));
  const target = { host: hostname, port: Number(port), routes, tokens: [bad.token, '', 'x'], secrets: [good.token] };
  await Promise.all([...attacks, fuzzHttp(Math.ceil(frames / 2), seed, target, tally)]);
  isOver = true;
  await beside;
  for (const { name, pid } of cluster.pids) {
    const rss = await peakOf(pid);
    tally.answered(`memory of ${name}`, `${Math.round(rss / 1024 ** 2)} MiB at most`);
    if (rss > rssAtMostBytes) tally.fault(`${name} took ${rss} bytes of memory`);
  }
  const { workers } = await all.status({});
  if (workers.filter(({ state }) => state === 'live').length !== 1) tally.fault('the worker is not there any more');
  for (const socket of halfOpen) socket.destroy();
  client.close();
  await calling.close();
  await all.close();
  await cluster.close(false);
}

/** One hostile connection; answers how many frames were sent on it. */
async function attack(
  { host, port, incarnation }: Replica,
  token: string,
  hostile: HostileClient,
  random: ReturnType<typeof seededRandom>,
  tally: Tally,
  halfOpen: Socket[],
): Promise<number> {
  const socket = connect({ host, port, noDelay: true });
  const parser = new FrameParser();
  let last = 'hello';
  let head: Buffer | null = Buffer.alloc(0);
  let isClosed = false;
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  void closed.then(() => {
    isClosed = true;
  });
  const upgraded = Promise.withResolvers<void>();
  void closed.then(() => upgraded.resolve());
  socket.on('data', (part: Buffer) => {
    if (holdsPlanted(part)) tally.fault(`${last} is answered with data of another job`);
    let frames: Uint8Array = part;
    if (head !== null) {
      head = Buffer.concat([head, part]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      frames = head.subarray(end + 4);
      hostile.granted(Number(/sluice-idle-grant-bytes: (\d+)/.exec(head.toString('latin1'))?.[1] ?? 0));
      head = null;
      upgraded.resolve();
    }
    try {
      parser.push(frames, {
        message: (message) => {
          if ('grantBytes' in message) hostile.granted(message.grantBytes);
          const answer = message.type === 'error' ? codeOfWire(message.code) : message.type;
          if (answer === 'INTERNAL') tally.fault(`${last} is answered with an error of number ${(message as { code?: number }).code}`);
          tally.answered(`${last} at a process`, answer);
        },
        beginBlocks: (_, length) => new Uint8Array(length),
        endBlocks: () => tally.answered(`${last} at a process`, 'blocks'),
      });
    } catch (thrown) {
      tally.fault(`an answer that is none: ${(thrown as Error).message}`);
    }
  });
  const lines = ['GET /data HTTP/1.1', 'host: x', 'connection: Upgrade', 'upgrade: sluice/1', `authorization: Bearer ${token}`];
  socket.write(`${[...lines, 'sluice-client: ../../x', `sluice-incarnation: ${incarnation}`].join('\r\n')}\r\n\r\n`);
  await upgraded.promise;
  let said = 0;
  for (const most = 1 + below(random, framesAtMost); said < most && !isClosed; said++) {
    const { name, frame } = hostile.next();
    const { way, pieces } = spoil(random, frame);
    last = name;
    tally.sent(way);
    if (said % framesAhead === 0) await setImmediate();
    for (const piece of pieces) {
      if (isClosed) break;
      await Promise.race([new Promise((resolve) => socket.write(piece, resolve)), closed]);
    }
    if (way === 'half' && halfOpen.length < halfOpenAtMost && happens(random, 0.5)) {
      halfOpen.push(socket);
      return said + 1;
    }
  }
  // What was said is looked at to its end; then the worker hangs up as well.
  socket.end();
  const timer = setTimeout(() => socket.destroy(), hangUpMs);
  await closed;
  clearTimeout(timer);
  return Math.max(1, said);
}

/** The most memory a process has had. */
async function peakOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmHWM:\s+(\d+) kB/.exec(text)?.[1] ?? 0) * 1024;
}
