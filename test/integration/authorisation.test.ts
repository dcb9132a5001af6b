/**
 * Message x token, all of it: each call of the manager and of the coordinator, and each frame of the data plane, over real sockets, with
 * every kind of token. What is expected stands in the tables here and nowhere else; a message without a row fails.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Channel } from '#manager/process/ports.ts';
import { silent } from '#manager/process/ports.ts';
import { type CallName, calls } from '#manager/protocol/control.ts';
import { asSluiceError, codeOfWire } from '#manager/protocol/errors.ts';
import { type ShuffleId, shuffleFrom } from '#manager/protocol/ids.ts';
import { mintToken } from '#manager/protocol/token.ts';
import { createServer } from '#manager/server.ts';
import { coordinatorCalls } from '#runtime/schedule/messages.ts';
import { openCoordinatorServer } from '#runtime/schedule/server.ts';
import { blocksFrameHeader, encodeMessage, FrameParser, type Message, type MessageName } from '#worker/protocol/frames.ts';
import { createServer as createWorkerServer } from '#worker/server.ts';
import { createTransport } from '#worker/transport.ts';
import { fixture, jobWorld, lease } from '../batch-runtime/schedule/job-world.ts';
import { requests } from '../shuffle-manager/requests.ts';
import { addWorker, openWorld, specOf } from '../shuffle-manager/world.ts';
import { join, openRead, openWorkerWorld, openWrite, payloadOf, sealStream } from '../shuffle-worker/world.ts';

const secret = 'a secret of the tests';
const whoAll = ['nobody', 'garbage', 'another secret', 'expired job', 'expired cluster', 'another job', 'the job', 'the cluster'] as const;
type Who = (typeof whoAll)[number];

/** What each of them presents, for a job of a cluster. */
function tokensOf(cluster: string, job: number, another: number, wall: number): Record<Who, string> {
  const key = { secret, cluster };
  const later = wall + 60_000;
  return {
    nobody: '',
    garbage: `v1.job.${job}.9999999999.${'A'.repeat(43)}`,
    'another secret': mintToken({ ...key, secret: 'another secret of tests' }, { scope: 'cluster' }, later),
    'expired job': mintToken(key, { scope: 'job', job }, wall - 1000),
    'expired cluster': mintToken({ secret, cluster: '' }, { scope: 'cluster' }, wall - 1000),
    'another job': mintToken(key, { scope: 'job', job: another }, later),
    'the job': mintToken(key, { scope: 'job', job }, later),
    'the cluster': mintToken({ secret, cluster: '' }, { scope: 'cluster' }, later),
  };
}

/** Who is let in; everybody else is told UNAUTHORIZED. */
const doors = {
  everyone: whoAll,
  job: ['the job', 'the cluster'],
  cluster: ['the cluster'],
  coordinator: ['the job'],
} as const satisfies Record<string, readonly Who[]>;

const managerTable: Readonly<Record<CallName, keyof typeof doors>> = {
  hello: 'everyone',
  status: 'cluster',
  mintToken: 'cluster',
  registerWorker: 'cluster',
  registerExecutor: 'cluster',
  announce: 'cluster',
  drainWorker: 'cluster',
  orders: 'cluster',
  openJob: 'cluster',
  keepJob: 'job',
  logJob: 'job',
  readJobLog: 'job',
  resumeJob: 'cluster',
  closeJob: 'job',
  openShuffle: 'job',
  resolveShuffle: 'job',
  commit: 'job',
  layout: 'job',
  lost: 'job',
  release: 'job',
};

const post = async (url: string, path: string, token: string, body: object): Promise<{ status: number; code: unknown }> => {
  const authorization: Record<string, string> = token === '' ? {} : { authorization: `Bearer ${token}` };
  const headers = { 'content-type': 'application/json', connection: 'close', ...authorization };
  const answer = await fetch(new URL(path, url), { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: answer.status, code: ((await answer.json()) as { code?: unknown }).code ?? 'ok' };
};

test('calls of the manager x tokens', async () => {
  assert.deepEqual(Object.keys(managerTable).sort(), Object.keys(calls).sort(), 'a new call needs its row');
  const world = await openWorld();
  await addWorker(world.calls, 1);
  const mine = await world.calls.openJob({ name: 'mine', url: '', slots: 0 });
  const other = await world.calls.openJob({ name: 'other', url: '', slots: 0 });
  const { shuffle } = await world.calls.openShuffle({ job: mine.job, name: 'x', spec: specOf() });
  const server = await createServer(world.manager, { log: silent, release: 'test', maxRequestBytes: 100_000 });
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const tokens = tokensOf(world.manager.cluster, mine.job, other.job, world.clock.wall());
  for (const [name, body] of Object.entries(requests(mine.job, shuffle)) as [CallName, object][]) {
    const allowed: readonly Who[] = doors[managerTable[name]];
    for (const who of whoAll) {
      const expected = allowed.includes(who) ? { status: 200, code: 'ok' } : { status: 401, code: 'UNAUTHORIZED' };
      assert.deepEqual(await post(url, calls[name].path, tokens[who], body), expected, `${name}, ${who}`);
    }
  }
  await world.manager.close();
  await server.close();
});

test('calls of the coordinator x tokens', async () => {
  const table: Readonly<Record<keyof typeof coordinatorCalls, object>> = {
    join: { lease: lease(1) },
    poll: { lease: lease(1), slots: 1, waitMs: 0 },
    report: { lease: lease(1), ended: [], progress: [] },
  };
  assert.deepEqual(Object.keys(table).sort(), Object.keys(coordinatorCalls).sort(), 'a new call needs its row');
  const { coordinator } = await jobWorld({ url: fixture('words') });
  const tokens = tokensOf('c'.repeat(32), 1, 2, Date.now());
  const server = await openCoordinatorServer('127.0.0.1', coordinator, () => tokens['the job']);
  try {
    for (const [name, body] of Object.entries(table) as [keyof typeof coordinatorCalls, object][]) {
      for (const who of whoAll) {
        const isAllowed = (doors.coordinator as readonly Who[]).includes(who);
        const expected = isAllowed ? { status: 200, code: 'ok' } : { status: 401, code: 'UNAUTHORIZED' };
        assert.deepEqual(await post(`http://127.0.0.1:${server.port}`, coordinatorCalls[name].path, tokens[who], body), expected, `${name}, ${who}`);
      }
    }
  } finally {
    coordinator.close();
    await server.close();
  }
});

/** What the job and the cluster are answered, and what another job is; all others are not let onto the connection. `silence`: nothing, and the connection goes on. */
interface FrameRow {
  readonly make: (shuffle: ShuffleId) => Uint8Array;
  readonly job: string;
  readonly another: string;
}
const frame = (message: Message) => () => encodeMessage(message);
const theirStream = 1;
const frameTable: Readonly<Record<MessageName | 'blocks', FrameRow>> = {
  openWrite: { make: (shuffle) => encodeMessage(openWrite(7, { shuffle, map: 2 })), job: 'opened', another: 'UNAUTHORIZED' },
  openRead: {
    make: (shuffle) => encodeMessage(openRead(7, shuffle, { ledgerVersion: 1, mapTo: 1 })),
    job: 'opened blocks end',
    another: 'UNAUTHORIZED',
  },
  blocks: {
    make: (shuffle) => {
      const { all } = sealStream({ shuffle, map: 1 }, [[0, payloadOf(50, 9)]]);
      return join([blocksFrameHeader(theirStream, all.length), all]);
    },
    job: 'silence',
    another: 'silence',
  },
  credit: { make: frame({ type: 'credit', stream: 0, grantBytes: 0, wantedBytes: 4096 }), job: 'credit', another: 'credit' },
  close: { make: frame({ type: 'close', stream: theirStream, reason: 1 }), job: 'silence', another: 'silence' },
  error: {
    make: frame({ type: 'error', stream: theirStream, code: 4, retryAfterMs: 0, maps: [], text: 'x' }),
    job: 'silence',
    another: 'silence',
  },
  ping: { make: frame({ type: 'ping', stream: 0, nonce: 5n }), job: 'pong', another: 'pong' },
  pong: { make: frame({ type: 'pong', stream: 0, nonce: 5n }), job: 'silence', another: 'silence' },
  opened: {
    make: frame({ type: 'opened', stream: theirStream, accepted: 9, grantBytes: 9, ledgerVersion: 9, backlogBytes: 0n }),
    job: 'CORRUPT_FRAME',
    another: 'CORRUPT_FRAME',
  },
  ack: {
    make: frame({ type: 'ack', stream: theirStream, accepted: 9, level: 0, grantBytes: 9, final: 1 }),
    job: 'CORRUPT_FRAME',
    another: 'CORRUPT_FRAME',
  },
  end: {
    make: frame({ type: 'end', stream: theirStream, section: 0, more: 0, cursor: 0n, counts: new Uint8Array(0) }),
    job: 'CORRUPT_FRAME',
    another: 'CORRUPT_FRAME',
  },
  goaway: { make: frame({ type: 'goaway', stream: 0, deadlineMs: 0 }), job: 'CORRUPT_FRAME', another: 'CORRUPT_FRAME' },
};

/** Numbers that the parser takes for a message; of a body of the wrong length it says whose it is. */
function knownTypes(): number[] {
  const types: number[] = [];
  for (let type = 0; type < 256; type++) {
    const header = blocksFrameHeader(0, 8);
    header[4] = type;
    const parser = new FrameParser();
    try {
      parser.push(header, { message() {}, beginBlocks: () => null, endBlocks() {} });
      types.push(type);
    } catch (thrown) {
      if (!/there is no message/.test((thrown as Error).message)) types.push(type);
    }
  }
  return types;
}

/** One connection over a socket: what came, by name, errors by their code. */
class Line {
  readonly heard: string[] = [];
  readonly #parser = new FrameParser();
  #channel: Channel | null = null;
  #wake: () => void = () => {};
  isClosed = false;

  async open(to: { host: string; port: number }, token: string, incarnation: string): Promise<void> {
    const { channel } = await createTransport().connect(
      to,
      { token, client: 'a test', incarnation },
      {
        data: (bytes) => {
          this.#parser.push(bytes, {
            message: (message) => void this.heard.push(message.type === 'error' ? codeOfWire(message.code) : message.type),
            beginBlocks: (_, length) => new Uint8Array(length),
            endBlocks: () => void this.heard.push('blocks'),
          });
          this.#wake();
        },
        closed: () => {
          this.isClosed = true;
          this.#wake();
        },
      },
    );
    this.#channel = channel;
  }

  async send(bytes: Uint8Array): Promise<void> {
    await this.#channel!.send([bytes]);
  }

  /** Until `isDone` of what was heard, or the connection is closed. */
  async until(isDone: (heard: readonly string[]) => boolean): Promise<void> {
    while (!isDone(this.heard) && !this.isClosed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#channel?.close();
  }
}

test('frames of the data plane x tokens', async () => {
  const numbers = Object.values(frameTable).map(({ make }) => make(1n as ShuffleId)[4]!);
  assert.deepEqual(
    numbers.sort((a, b) => a - b),
    knownTypes(),
    'a new frame needs its row',
  );
  const world = await openWorkerWorld();
  const shuffle = await world.shuffle('a');
  const committed = await world.write(shuffle, 0, [[0, payloadOf(100, 1)]]);
  const another = await world.calls.openJob({ name: 'another', url: '', slots: 0 });
  const server = createWorkerServer(() => world.worker);
  const port = Number(new URL(await server.listen({ host: '127.0.0.1', port: 0 })).port);
  const to = { host: '127.0.0.1', port };
  const tokens = tokensOf(world.worker.cluster, world.job, another.job, world.clock.wall());
  const { incarnation } = world.worker;

  // The job has a stream of its own open all the time, which nobody else's frames reach.
  const own = new Line();
  await own.open(to, tokens['the job'], incarnation);
  const sealed = sealStream({ shuffle, map: 1 }, [[0, payloadOf(100, 2)]]);
  await own.send(join([encodeMessage(openWrite(theirStream, { shuffle, map: 1 })), blocksFrameHeader(theirStream, sealed.all.length), sealed.all]));
  await own.until((heard) => heard.includes('ack'));

  for (const [name, { make, job, another: other }] of Object.entries(frameTable)) {
    for (const who of whoAll) {
      const expected = who === 'the job' || who === 'the cluster' ? job : who === 'another job' ? other : 'not let in';
      const line = new Line();
      let found = '';
      try {
        await line.open(to, tokens[who], incarnation);
        const mark = encodeMessage({ type: 'ping', stream: 0, nonce: 1n });
        await line.send(make(shuffleFrom(shuffle.toString())));
        const last = expected.split(' ').at(-1)!;
        if (last !== 'silence') await line.until((heard) => heard.includes(last));
        if (!line.isClosed && !/^[A-Z_]+$/.test(expected)) {
          const before = line.heard.length;
          await line.send(mark);
          await line.until((heard) => heard.length > before && heard.at(-1) === 'pong');
          line.heard.pop();
        }
        found = line.heard.join(' ') || 'silence';
      } catch (thrown) {
        found = asSluiceError(thrown).code === 'UNAUTHORIZED' ? 'not let in' : String(thrown);
      } finally {
        line.close();
      }
      assert.equal(found, expected, `${name}, ${who}`);
    }
  }

  await own.send(join([blocksFrameHeader(theirStream, sealed.manifest.length), sealed.manifest]));
  const before = own.heard.filter((one) => one === 'ack').length;
  await own.until((heard) => heard.filter((one) => one === 'ack').length > before);
  assert.deepEqual(
    [own.isClosed, own.heard.filter((one) => one !== 'opened' && one !== 'ack')],
    [false, []],
    'its stream went on as if it were alone',
  );
  const cells = [{ location: 0, incarnations: [incarnation], manifestHash: sealed.manifestHash.toString() }];
  assert.equal((await world.calls.commit({ shuffle: shuffle.toString(), map: 1, attempt: 1, cells })).won, true);
  assert.ok(committed.manifestHash > 0n);
  own.close();
  await world.close();
  await server.close();
});
