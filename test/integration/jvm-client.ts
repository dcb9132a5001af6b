/**
 * The JVM client in a process of its own for jvm-client.test.ts: compiled once, driven line by line (Tool.java). Also the network
 * between it and a cluster: a manager's front that points to other ports, and a wire to a worker that can be cut and can damage what it carries.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const sources = fileURLToPath(new URL('../../plugins/jvm-client/src', import.meta.url));
const cache = fileURLToPath(new URL('../../.cache/jvm-client', import.meta.url));
const version = /(\d+)/.exec(spawnSync('javac', ['-version'], { encoding: 'utf8' }).stdout ?? '')?.[1];
/** Why nothing of it can run here; false: it can. */
export const noJava: string | false = Number(version ?? 0) >= 17 ? false : 'no JDK 17 here';

/** Compiles client and Tool, once for the same sources; answers the folder of the classes. */
export function compile(): string {
  const files = readdirSync(sources, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.java'));
  const paths = files.sort().map((file) => join(sources, file));
  const hash = createHash('sha256');
  for (const path of paths) hash.update(path).update(readFileSync(path));
  const classes = join(cache, hash.digest('hex').slice(0, 16));
  if (existsSync(classes)) return classes;
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'compiling-'));
  const args = ['--release', '17', '-Xlint:all', '-Werror', '-d', folder, ...paths];
  const { status, stderr, stdout } = spawnSync('javac', args, { encoding: 'utf8' });
  assert.equal(status, 0, `${stderr}${stdout}`);
  // Whole or not at all: another test may be doing the same.
  if (existsSync(classes)) rmSync(folder, { recursive: true });
  else renameSync(folder, classes);
  return classes;
}

/** How a command ended that did not end well. */
export interface Failure {
  readonly code: string;
  readonly remedy: string;
  readonly maps: readonly number[];
  readonly message: string;
}

export class Tool {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor() {
    const options = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto', '-Xmx512m', '-cp', compile()];
    // What it logs is not looked at.
    this.#child = spawn('java', [...options, 'sluice.client.Tool'], { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** The next line it says by itself. */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    assert.ok(!done, 'the JVM has ended');
    return value as string;
  }

  send(command: string): void {
    this.#child.stdin!.write(`${command}\n`);
  }

  /** What a command answers. */
  async ask(command: string): Promise<string> {
    this.send(command);
    return await this.answer(command);
  }

  async answer(command: string): Promise<string> {
    const line = await this.line();
    assert.ok(line.startsWith('ok '), `${command}: ${line}`);
    return line.slice(3);
  }

  /** The error a command must end with. */
  async fails(command: string): Promise<Failure> {
    this.send(command);
    return failure(command, await this.line());
  }

  /** The error a command must end with once everybody has heard of what came before it. */
  async failsInTheEnd(command: string): Promise<Failure> {
    for (let tries = 200; ; tries--) {
      this.send(command);
      const line = await this.line();
      if (!line.startsWith('ok ') || tries === 0) return failure(command, line);
      await sleep(50);
    }
  }

  async close(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin!.end();
    // One that is stuck in a command has failed its test already.
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    if (this.#child.exitCode === null) await gone;
    clearTimeout(timer);
  }
}

function failure(command: string, line: string): Failure {
  const [, code, remedy, maps, message] = /^error (\w+) (\w+) (\S+) (.*)$/.exec(line) ?? [];
  assert.ok(code && remedy && maps && message !== undefined, `${command}: ${line}`);
  return { code, remedy, maps: maps === '-' ? [] : maps.split(',').map(Number), message };
}

/** The blocks of one map and partition, made from a seed; the same numbers as Tool.Content's. */
export function* content(seed: number, size: number, map: number, partition: number): Generator<Uint8Array, void, void> {
  let state = seed ^ Math.imul(map, 0x9e3779b1) ^ Math.imul(partition, 0x85ebca6b);
  const random = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return t ^ (t >>> 14);
  };
  for (let left = (random() >>> 1) % 4; left > 0; left--) {
    const length = 1 + ((random() >>> 1) % size);
    const words = new Int32Array(Math.ceil(length / 4));
    for (let i = 0; i < words.length; i++) words[i] = random();
    yield new Uint8Array(words.buffer, 0, length);
  }
}

const listen = (server: Server): Promise<number> =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));

/** Bytes of one direction of one connection, as they pass; what it returns goes on. `cut` ends the connection behind them. */
export type Passing = (bytes: Buffer, cut: () => void) => Buffer;

/** A wire to a port. `up` and `down` are made anew for each connection. */
export class Wire {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  port = 0;
  connections = 0;

  constructor(to: number, up: () => Passing, down: () => Passing) {
    this.#server = createServer((near) => {
      this.connections++;
      const far = connect({ host: '127.0.0.1', port: to, noDelay: true });
      near.setNoDelay(true);
      const cut = (): void => {
        near.destroy();
        far.destroy();
      };
      for (const [from, into, passing] of [
        [near, far, up()],
        [far, near, down()],
      ] as const) {
        this.#sockets.add(from);
        from.on('data', (bytes: Buffer) => {
          // What passed before the cut still arrives.
          let isCut = false;
          const passed = passing(bytes, () => {
            isCut = true;
          });
          const flows = into.write(passed, () => isCut && cut());
          if (flows) return;
          from.pause();
          into.once('drain', () => from.resume());
        });
        from.on('error', cut);
        from.on('close', () => {
          this.#sockets.delete(from);
          cut();
        });
      }
    });
  }

  async open(): Promise<this> {
    this.port = await listen(this.#server);
    return this;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

export const straight: Passing = (bytes) => bytes;

/** A manager's front: its calls, with words of the answers replaced, and another token when one is given. */
export class Front {
  readonly #server: Server;
  readonly #to: string;
  url = '';
  /** Paths that were called. */
  readonly calls: string[] = [];
  /** Each occurrence of the first is replaced by the second. */
  readonly replaced: [string, string][] = [];
  token: string | null = null;

  constructor(to: string) {
    this.#to = to;
    this.#server = createHttpServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => void this.#pass(request.url ?? '', request.headers.authorization ?? '', Buffer.concat(chunks), response));
    });
  }

  async #pass(path: string, authorization: string, body: Buffer, response: import('node:http').ServerResponse): Promise<void> {
    this.calls.push(path);
    const headers = { 'content-type': 'application/json', authorization: this.token === null ? authorization : `Bearer ${this.token}` };
    const answer = await fetch(new URL(path, this.#to), { method: 'POST', headers, body: new Uint8Array(body) });
    let text = await answer.text();
    for (const [from, to] of this.replaced) text = text.replaceAll(from, to);
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(text);
  }

  /** Workers' ports in layouts become those of wires. */
  through(port: number, wire: number): void {
    this.replaced.push([`"port":${port},`, `"port":${wire},`]);
  }

  async open(): Promise<this> {
    this.url = `http://127.0.0.1:${await listen(this.#server)}`;
    return this;
  }

  close(): void {
    this.#server.close();
    (this.#server as import('node:http').Server).closeAllConnections();
  }
}
