/**
 * Data connections over sockets: `GET /data` with `Upgrade: sluice/0`, then frames on the bare socket. The client's half is
 * the port DataTransport; the worker's half takes an upgraded socket to worker.admit and worker.attach. The one file that knows
 * node:net, the reused read buffer and how a socket gets it; frames are none of its business.
 */
import type { IncomingMessage } from 'node:http';
import { connect as dial, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Channel, ChannelHandlers, DataTransport, Hello, Welcome } from '#manager/process/ports.ts';
import { asSluiceError, type ErrorJson, errors, fromJson, SluiceError, toJson } from '#manager/protocol/errors.ts';
import { KiB, maxBlockBytes, protocolVersion } from '#manager/protocol/ids.ts';
import type { Worker } from './worker.ts';

const protocolName = `sluice/${protocolVersion}`;
const dataPath = '/data';
/** A refusal with its error, or the headers of a 101, are shorter. */
const maxAnswerBytes = 16 * KiB;
/** What a peer gets to take what was sent before a close. */
const lingerMs = 1000;
/** From dialling to the 101. */
const answerMs = 10_000;

/**
 * All connections of the process read into this: what is in it is handed on before the next read begins, so a connection
 * that is idle costs no buffer. No Buffer, whose slice() is no copy.
 */
const readBuffer = new Uint8Array(256 * KiB);
/** Behind a large body comes the header of the next one: no more than that should have to be copied. */
const headBuffer = readBuffer.subarray(0, 4 * KiB);

/** The client's half. Connections keep no process alive by themselves while nothing is awaited of them. */
export function createTransport(): DataTransport {
  return { connect: (to, hello, handlers) => new Dialling(to, hello, handlers).answer };
}

/** One connection from its dialling to its end. */
class Dialling {
  readonly answer: Promise<{ channel: Channel; welcome: Welcome }>;
  readonly #socket: Socket;
  readonly #handlers: ChannelHandlers;
  readonly #resolve: (value: { channel: Channel; welcome: Welcome }) => void;
  readonly #reject: (error: SluiceError) => void;
  readonly #place: string;
  readonly #timer: NodeJS.Timeout;
  /** What has come of the answer. */
  #head = Buffer.alloc(0);
  #state: 'waiting' | 'open' | 'over' = 'waiting';

  constructor(to: { host: string; port: number }, hello: Hello, handlers: ChannelHandlers) {
    const { promise, resolve, reject } = Promise.withResolvers<{ channel: Channel; welcome: Welcome }>();
    this.answer = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#handlers = handlers;
    this.#place = `${to.host}:${to.port}`;
    this.#timer = setTimeout(() => this.#fail(new SluiceError('CONNECTION_LOST', { what: `${this.#place} does not answer` })), answerMs);
    const callback = (length: number, buffer: Uint8Array): boolean => {
      this.#take(buffer.subarray(0, length));
      return true;
    };
    this.#socket = dial({ host: to.host, port: to.port, noDelay: true, onread: { buffer: readBuffer, callback } });
    this.#socket.on('error', (error) => this.#fail(new SluiceError('CONNECTION_LOST', { what: error.message }, { cause: error })));
    // No 'end' or 'close' of an ended stream is seen unless it is read.
    this.#socket.on('end', () => this.#socket.destroy());
    this.#socket.on('close', () => {
      this.#fail(new SluiceError('CONNECTION_LOST', { what: `${this.#place} closed the connection` }));
      if (this.#state === 'open') handlers.closed();
      this.#state = 'over';
    });
    this.#socket.write(requestOf(to, hello));
  }

  #take(bytes: Uint8Array): void {
    if (this.#state === 'open') {
      this.#handlers.data(bytes);
      return;
    }
    if (this.#state === 'over') return;
    this.#head = Buffer.concat([this.#head, bytes]);
    const end = this.#head.indexOf('\r\n\r\n');
    if (end < 0 || this.#head.length > maxAnswerBytes) {
      if (this.#head.length > maxAnswerBytes) this.#fail(notAWorker(this.#place));
      return;
    }
    const { status, headers } = parseHead(this.#head.toString('latin1', 0, end));
    const body = this.#head.subarray(end + 4);
    if (status === 101) this.#open(headers, body);
    else if (body.length >= Number(headers.get('content-length') ?? 0)) this.#fail(refusalOf(this.#place, body));
  }

  #open(headers: ReadonlyMap<string, string>, rest: Uint8Array): void {
    const welcome = welcomeOf(headers);
    if (welcome?.version !== protocolVersion) {
      this.#fail(welcome ? new SluiceError('VERSION_UNSUPPORTED', { theirs: welcome.version, ours: protocolVersion }) : notAWorker(this.#place));
      return;
    }
    clearTimeout(this.#timer);
    this.#state = 'open';
    this.#head = Buffer.alloc(0);
    this.#resolve({ channel: channelOf(this.#socket), welcome });
    // Nothing is sent before the client has spoken, except a goodbye: it comes when the caller knows its channel.
    if (rest.length > 0) queueMicrotask(() => this.#handlers.data(rest));
  }

  #fail(error: SluiceError): void {
    if (this.#state !== 'waiting') return;
    this.#state = 'over';
    clearTimeout(this.#timer);
    this.#socket.destroy();
    this.#reject(error);
  }
}

const requestOf = (to: { host: string; port: number }, hello: Hello): string =>
  [
    `GET ${dataPath} HTTP/1.1`,
    `host: ${to.host.includes(':') ? `[${to.host}]` : to.host}:${to.port}`,
    'connection: Upgrade',
    `upgrade: ${protocolName}`,
    `authorization: Bearer ${headerText(hello.token)}`,
    `sluice-client: ${headerText(hello.client)}`,
    `sluice-incarnation: ${headerText(hello.incarnation)}`,
    '',
    '',
  ].join('\r\n');

/** What would end a header or begin another one is left out. */
const headerText = (text: string): string => text.replace(/[^\x21-\x7e ]/g, '');

function parseHead(text: string): { status: number; headers: Map<string, string> } {
  const [first = '', ...lines] = text.split('\r\n');
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1] ?? 0), headers };
}

function welcomeOf(headers: ReadonlyMap<string, string>): Welcome | null {
  const text = (name: string): string => headers.get(`sluice-${name}`) ?? '';
  const number = (name: string): number => (/^\d{1,10}$/.test(text(name)) ? Number(text(name)) : Number.NaN);
  const welcome: Welcome = {
    version: number('version'),
    cluster: text('cluster'),
    incarnation: text('incarnation'),
    maxBlockBytes: Math.min(number('max-block-bytes'), maxBlockBytes),
    idleGrantBytes: number('idle-grant-bytes'),
  };
  const isWhole = Number.isInteger(welcome.version) && Number.isInteger(welcome.maxBlockBytes) && Number.isInteger(welcome.idleGrantBytes);
  return isWhole && /^[0-9a-f]{32}$/.test(welcome.incarnation) ? welcome : null;
}

const welcomeHead = (welcome: Welcome): string =>
  [
    'HTTP/1.1 101 Switching Protocols',
    'connection: Upgrade',
    `upgrade: ${protocolName}`,
    `sluice-version: ${welcome.version}`,
    `sluice-cluster: ${welcome.cluster}`,
    `sluice-incarnation: ${welcome.incarnation}`,
    `sluice-max-block-bytes: ${welcome.maxBlockBytes}`,
    `sluice-idle-grant-bytes: ${welcome.idleGrantBytes}`,
    '',
    '',
  ].join('\r\n');

function refusalOf(place: string, body: Uint8Array): SluiceError {
  try {
    const json = JSON.parse(new TextDecoder().decode(body)) as ErrorJson;
    if (typeof json.code === 'string') return fromJson({ code: json.code, message: json.message ?? '', facts: json.facts ?? {} });
  } catch {
    // Something that speaks HTTP and knows nothing of us.
  }
  return notAWorker(place);
}

const notAWorker = (place: string): SluiceError => new SluiceError('CONNECTION_LOST', { what: `${place} is no shuffle worker` });

/**
 * The worker's half: takes a socket that asked for an upgrade to the worker, or refuses it with the error as JSON. `head` is
 * what came behind the request. `worker` is null while it is starting.
 */
export function acceptUpgrade(worker: Worker | null, request: IncomingMessage, stream: Duplex, head: Uint8Array): void {
  const socket = stream as Socket;
  socket.on('error', () => socket.destroy());
  try {
    if (request.url !== dataPath || request.method !== 'GET')
      throw new SluiceError('REQUEST_INVALID', { what: `there is no upgrade of ${request.url}` });
    const asked = /^sluice\/(\d{1,9})$/i.exec(request.headers.upgrade ?? '');
    if (!asked) throw new SluiceError('REQUEST_INVALID', { what: `there is no upgrade to ${request.headers.upgrade}` });
    if (Number(asked[1]) !== protocolVersion) throw new SluiceError('VERSION_UNSUPPORTED', { theirs: Number(asked[1]), ours: protocolVersion });
    if (!worker) throw new SluiceError('CONNECTION_LOST', { what: 'the worker is starting' });
    const header = (name: string): string => String(request.headers[name] ?? '');
    const admission = worker.admit({
      token: /^Bearer (.+)$/.exec(header('authorization'))?.[1] ?? '',
      client: header('sluice-client').slice(0, 200),
      incarnation: header('sluice-incarnation'),
    });
    let handlers: ChannelHandlers | null = null;
    const reading = readInto(
      socket,
      (bytes) => handlers?.data(bytes),
      () => handlers?.closed(),
      () => handlers?.place?.() ?? null,
    );
    reading.setNoDelay(true);
    reading.write(welcomeHead(admission.welcome));
    handlers = worker.attach(channelOf(reading), admission);
    if (head.length > 0) handlers.data(head);
  } catch (thrown) {
    refuse(socket, asSluiceError(thrown));
  }
}

function refuse(socket: Socket, error: SluiceError): void {
  const body = JSON.stringify(toJson(error));
  const { status } = errors[error.code];
  const lines = [`HTTP/1.1 ${status} Refused`, 'connection: close', 'content-type: application/json', `content-length: ${Buffer.byteLength(body)}`];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

interface Handled {
  _handle: object | null;
}

/**
 * Makes an accepted socket read into the one buffer instead of fresh ones, which costs a third. Node gives that to sockets it
 * dials only, so the connection below the accepted socket is wrapped anew; that it lies in `_handle` is no promise of Node's, and
 * where it does not, 'data' events serve as well.
 */
function readInto(socket: Socket, data: (bytes: Uint8Array) => void, closed: () => void, place: () => Uint8Array | null): Socket {
  const holder = socket as unknown as Handled;
  const handle = holder._handle;
  if (!canRewrap(handle)) {
    socket.on('data', data);
    socket.on('end', () => socket.destroy());
    socket.on('close', closed);
    socket.resume();
    return socket;
  }
  socket.pause();
  holder._handle = null;
  let next: Uint8Array = readBuffer;
  const callback = (length: number, buffer: Uint8Array): boolean => {
    data(buffer.subarray(0, length));
    const rest = place();
    const isFull = buffer === headBuffer && length === headBuffer.length;
    if (rest && rest.length >= headBuffer.length) next = rest;
    else if (buffer !== readBuffer && !isFull) next = headBuffer;
    else next = readBuffer;
    return true;
  };
  const onread = { buffer: () => next, callback };
  const wrapped = new Socket({ handle, readable: true, writable: true, onread } as ConstructorParameters<typeof Socket>[0]);
  wrapped.on('error', () => wrapped.destroy());
  wrapped.on('end', () => wrapped.destroy());
  wrapped.on('close', () => {
    // The server counts the socket it has accepted.
    socket.destroy();
    closed();
  });
  wrapped.resume();
  return wrapped;
}

const canRewrap = (handle: object | null): boolean =>
  handle !== null && ['useUserBuffer', 'readStart', 'readStop'].every((name) => typeof (handle as Record<string, unknown>)[name] === 'function');

/** What still comes is looked at by nobody, and the place it was to be read to may be somebody else's from now on. */
function readElsewhere(socket: Socket): void {
  const handle = (socket as unknown as Handled)._handle as { useUserBuffer?(buffer: Uint8Array): void } | null;
  handle?.useUserBuffer?.(readBuffer);
}

const lost = (): SluiceError => new SluiceError('CONNECTION_LOST', { what: 'the connection is closed' });

function channelOf(socket: Socket): Channel {
  return {
    send(parts) {
      if (socket.destroyed || !socket.writable) return Promise.reject(lost());
      return new Promise((resolve, reject) => {
        const last = parts.length - 1;
        socket.cork();
        for (const [i, part] of parts.entries()) {
          if (i === last) socket.write(part, (error) => (error ? reject(lost()) : resolve()));
          else socket.write(part);
        }
        socket.uncork();
      });
    },
    close: () => {
      if (socket.destroyed) return;
      readElsewhere(socket);
      // What was said before, an error above all, still goes out, unless the peer takes nothing.
      socket.destroySoon();
      setTimeout(() => socket.destroy(), lingerMs).unref();
    },
  };
}
