import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createListener } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Channel, ChannelHandlers, Hello } from '#manager/process/ports.ts';
import { type ErrorCode, SluiceError } from '#manager/protocol/errors.ts';
import { MiB, protocolVersion } from '#manager/protocol/ids.ts';
import { acceptUpgrade, createTransport } from '#worker/transport.ts';
import type { Admission, Worker } from '#worker/worker.ts';
import { hex } from '../shuffle-manager/world.ts';
import { payloadOf } from './world.ts';

const welcome = { version: protocolVersion, cluster: hex(1), incarnation: hex(2), maxBlockBytes: MiB, idleGrantBytes: 4096 };
const hello = { token: 'good', client: 'a test\r\nevil: 1', incarnation: hex(2) };
const isCode = (code: ErrorCode) => (thrown: unknown) => thrown instanceof SluiceError && thrown.code === code;
const quiet: ChannelHandlers = { data() {}, closed() {} };

/** A worker that echoes, behind a real server. */
async function serve(how: 'reused buffer' | 'events' = 'reused buffer') {
  const seen: Hello[] = [];
  const events = { closed: 0, attached: 0, bufferBytes: 0 };
  let channel: Channel | null = null;
  const worker = {
    admit(given: Hello) {
      seen.push(given);
      if (given.token !== 'good') throw new SluiceError('UNAUTHORIZED', { what: 'wrong token' });
      return { welcome } as Admission;
    },
    attach(attached: Channel): ChannelHandlers {
      channel = attached;
      events.attached++;
      return {
        data: (bytes) => {
          events.bufferBytes = bytes.buffer.byteLength;
          attached.send([Uint8Array.from(bytes)]).catch(() => {});
        },
        closed: () => events.closed++,
      };
    },
  } as unknown as Worker;
  const state: { worker: Worker | null } = { worker };
  const server = createServer();
  server.on('upgrade', (request, socket, head) => {
    // A Node that does not have what is wrapped.
    if (how === 'events') Object.assign((socket as unknown as { _handle: object })._handle, { useUserBuffer: null });
    acceptUpgrade(state.worker, request, socket, head);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { to: { host: '127.0.0.1', port }, server, seen, events, state, channel: () => channel! };
}
const ended = (server: Server): Promise<void> => new Promise((resolve) => void server.close(() => resolve()));
const until = async (condition: () => boolean): Promise<void> => {
  for (let i = 0; i < 500 && !condition(); i++) await sleep(10);
  assert.ok(condition());
};

for (const how of ['reused buffer', 'events'] as const) {
  test(`an upgrade says who calls and who answers; then bytes go both ways, whole and in order: ${how}`, async () => {
    const world = await serve(how);
    const got: Uint8Array[] = [];
    let bytes = 0;
    let closed = 0;
    const { channel, welcome: said } = await createTransport().connect(world.to, hello, {
      data: (part) => {
        got.push(part.slice());
        bytes += part.length;
      },
      closed: () => closed++,
    });
    assert.deepEqual(said, welcome);
    assert.deepEqual(world.seen, [{ ...hello, client: 'a testevil: 1' }]);
    const parts = [payloadOf(3, 1), payloadOf(MiB, 2), payloadOf(700_001, 3), new Uint8Array(8)];
    await channel.send(parts);
    await channel.send([payloadOf(5, 9)]);
    const all = Buffer.concat([...parts, payloadOf(5, 9)]);
    await until(() => bytes === all.length);
    assert.ok(Buffer.concat(got).equals(all));
    if (how === 'reused buffer') assert.equal(world.events.bufferBytes, 256 * 1024);
    channel.close();
    await until(() => closed === 1 && world.events.closed === 1);
    await assert.rejects(channel.send([new Uint8Array(8)]), isCode('CONNECTION_LOST'));
    // Nothing is left of the connection: the server ends by itself.
    await ended(world.server);
    assert.equal(closed, 1);
  });
}

test('what was said before the end still goes out', async () => {
  const world = await serve();
  let last = 0;
  let closed = false;
  await createTransport().connect(world.to, hello, { data: (part) => (last = part.at(-1) ?? 0), closed: () => (closed = true) });
  world
    .channel()
    .send([new Uint8Array(MiB), Uint8Array.of(42)])
    .catch(() => {});
  world.channel().close();
  await until(() => closed);
  assert.equal(last, 42);
  await ended(world.server);
});

test('a refusal comes as its error', async () => {
  const world = await serve();
  const transport = createTransport();
  await assert.rejects(transport.connect(world.to, { ...hello, token: 'bad' }, quiet), isCode('UNAUTHORIZED'));
  world.state.worker = null;
  await assert.rejects(transport.connect(world.to, hello, quiet), isCode('CONNECTION_LOST'));
  assert.equal(world.events.attached, 0);
  await ended(world.server);
  await assert.rejects(transport.connect(world.to, hello, quiet), isCode('CONNECTION_LOST'));
});

/** One raw request; the status line and what follows the head. */
async function ask(port: number, lines: string[]): Promise<{ status: string; body: string }> {
  const socket = connect(port, '127.0.0.1');
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  let text = '';
  for await (const part of socket) text += String(part);
  return { status: text.split('\r\n')[0]!, body: text.slice(text.indexOf('\r\n\r\n') + 4) };
}

test('another path, protocol or version is refused with a sentence', async () => {
  const world = await serve();
  const request = (path: string, upgrade: string) => [
    `GET ${path} HTTP/1.1`,
    'host: x',
    'connection: Upgrade',
    `upgrade: ${upgrade}`,
    'authorization: Bearer good',
  ];
  const cases = [
    ['/other', 'sluice/1', '400', 'REQUEST_INVALID'],
    ['/data', 'websocket', '400', 'REQUEST_INVALID'],
    ['/data', 'sluice/9', '426', 'VERSION_UNSUPPORTED'],
  ] as const;
  for (const [path, upgrade, status, code] of cases) {
    const answer = await ask(world.to.port, request(path, upgrade));
    assert.match(answer.status, new RegExp(status));
    assert.equal((JSON.parse(answer.body) as { code: string }).code, code);
  }
  assert.equal(world.events.attached, 0);
  await ended(world.server);
});

test('who answers with something else is no worker; who speaks another version is told so', async () => {
  const answers = [
    'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi',
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: sluice/1\r\n\r\n',
    'SSH-2.0-OpenSSH\r\n\r\n',
    `HTTP/1.1 101 Switching Protocols\r\nsluice-version: 3\r\nsluice-cluster: ${hex(1)}\r\nsluice-incarnation: ${hex(2)}\r\nsluice-max-block-bytes: 1\r\nsluice-idle-grant-bytes: 1\r\n\r\n`,
  ];
  const listener = createListener((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(answers.shift() ?? ''));
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const to = { host: '127.0.0.1', port: (listener.address() as AddressInfo).port };
  for (const code of ['CONNECTION_LOST', 'CONNECTION_LOST', 'CONNECTION_LOST', 'VERSION_UNSUPPORTED'] as const) {
    await assert.rejects(createTransport().connect(to, hello, quiet), isCode(code));
  }
  await new Promise((resolve) => listener.close(resolve));
});

test('a peer that takes nothing does not keep a connection from ending', async () => {
  const world = await serve();
  const socket = connect(world.to.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(['GET /data HTTP/1.1', 'host: x', 'connection: Upgrade', 'upgrade: sluice/1', 'authorization: Bearer good', '', ''].join('\r\n'));
  await until(() => world.events.attached === 1);
  socket.pause();
  const sending = world.channel().send([new Uint8Array(64 * MiB)]);
  sending.catch(() => {});
  world.channel().close();
  await assert.rejects(sending, isCode('CONNECTION_LOST'));
  await ended(world.server);
  assert.equal(world.events.closed, 1);
  socket.destroy();
});

test('a peer that is gone is noticed on both sides', async () => {
  const world = await serve();
  let closed = 0;
  const { channel } = await createTransport().connect(world.to, hello, { data() {}, closed: () => closed++ });
  world.channel().close();
  await until(() => closed === 1 && world.events.closed === 1);
  await assert.rejects(channel.send([new Uint8Array(1)]), isCode('CONNECTION_LOST'));
  await ended(world.server);
});

test('what belongs to a place is read to there, and nothing is once the channel is closed', async () => {
  const memory = new Uint8Array(MiB);
  const log: { place: number; bytes: number }[] = [];
  let filled = 0;
  let placed = 0;
  let open = false;
  let channel: Channel | null = null;
  const worker = {
    admit: () => ({ welcome }) as Admission,
    attach(attached: Channel): ChannelHandlers {
      channel = attached;
      return {
        data(bytes) {
          const isThere = bytes.buffer === memory.buffer;
          if (isThere) placed += bytes.length;
          else if (open) memory.set(bytes, filled);
          // The first bytes say that a place is there.
          if (open) filled += bytes.length;
          open = true;
          log.push({ place: isThere ? bytes.byteOffset : -1, bytes: bytes.length });
        },
        place: () => (open && filled < memory.length ? memory.subarray(filled) : null),
        closed() {},
      };
    },
  } as unknown as Worker;
  const server = createServer();
  server.on('upgrade', (request, socket, head) => acceptUpgrade(worker, request, socket, head));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const client = await createTransport().connect({ host: '127.0.0.1', port }, hello, quiet);
  await client.channel.send([new Uint8Array(8)]);
  await until(() => log.length === 1);
  const half = payloadOf(500_000, 3);
  await client.channel.send([half]);
  await until(() => filled === half.length);
  assert.ok(Buffer.from(memory.subarray(0, filled)).equals(half));
  // One read may have begun before the place was known.
  assert.ok(placed >= half.length - 256 * 1024, `${placed} of ${half.length}`);
  const before = memory.slice();
  channel!.close();
  await client.channel.send([new Uint8Array(100_000).fill(0xaa)]).catch(() => {});
  await ended(server);
  assert.ok(Buffer.from(memory).equals(before), 'a place was written to after the close');
});
