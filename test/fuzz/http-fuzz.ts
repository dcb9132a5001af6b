/**
 * Hostile HTTP at a manager and at a coordinator, over sockets: requests of every route, spoilt in their JSON, their bytes, their
 * headers and their tokens. Each answer is a refusal by name or what its caller may have; none of it is another job's.
 */
import { connect, type Socket } from 'node:net';
import type { Random } from '#manager/process/ports.ts';
import { errors } from '#manager/protocol/errors.ts';
import { seededRandom } from '../shuffle-manager/world.ts';
import { below, happens, oddNumber, pick, type Tally, weighted } from './tally.ts';

/** One route with a right body. */
export interface Route {
  readonly name: string;
  readonly path: string;
  readonly body: object;
}

export interface HttpTarget {
  readonly host: string;
  readonly port: number;
  readonly routes: readonly Route[];
  /** By who presents it. */
  readonly tokens: readonly string[];
  /** What no answer may hold: names and tokens of another job. */
  readonly secrets: readonly string[];
}

/** right: as it is · value: one value of the body is another · key: one is left out, or added · text: the JSON is cut, flipped, or something else · head: the request's head is odd · raw: no HTTP · slow: byte by byte · half: no end. */
const wayTable = { right: 10, value: 40, key: 12, text: 14, head: 12, raw: 5, slow: 2, half: 2 } as const;
const atOnce = 8;
/** What has no answer by then has none: it was a part only. */
const silenceMs = 2000;

const oddValue = (random: Random): unknown =>
  pick<() => unknown>(random, [
    () => oddNumber(random),
    () => -1,
    () => 1.5,
    () => 2 ** 53,
    () => 1e308,
    () => null,
    () => true,
    () => '',
    () => '../../../../etc/passwd',
    () => '..%2f..%2f',
    () => '0'.repeat(32),
    () => 'f'.repeat(32),
    () => '18446744073709551616',
    () => '99999999999999999999',
    () => String(oddNumber(random)),
    () => 'x'.repeat(below(random, 3000)),
    () => '\u0000\ud800"\\',
    () => [],
    () => ({}),
    () => Array.from({ length: below(random, 500) }, () => oddNumber(random)),
    () => ({ constructor: { prototype: 1 }, toString: 1 }),
    () => nested(below(random, 400)),
  ])();

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}

/** Some place in a value: its holder and its key. */
function somePlace(random: Random, value: object): { holder: Record<string, unknown>; key: string } | null {
  const holder = value as Record<string, unknown>;
  const keys = Object.keys(holder);
  if (keys.length === 0) return null;
  const key = pick(random, keys);
  const inner = holder[key];
  if (typeof inner === 'object' && inner !== null && happens(random, 0.6)) return somePlace(random, inner) ?? { holder, key };
  return { holder, key };
}

function spoiltBody(random: Random, way: keyof typeof wayTable, body: object): string {
  const copy = structuredClone(body);
  if (way === 'value' || way === 'key') {
    for (let i = 0; i <= below(random, 2); i++) {
      const place = somePlace(random, copy);
      if (way === 'value' && place) place.holder[place.key] = oddValue(random);
      else if (place && happens(random, 0.5)) delete place.holder[place.key];
      else (copy as Record<string, unknown>)[pick(random, ['x', 'job', 'shuffle', 'token', 'toString', ''])] = oddValue(random);
    }
  }
  const text = JSON.stringify(copy);
  if (way !== 'text') return text;
  return pick<() => string>(random, [
    () => text.slice(0, below(random, text.length)),
    () => `${text}${text}`,
    () => text.replace('{', '{"__proto__":{"job":1},'),
    () => text.replace(/\d+/, '9'.repeat(400)),
    () => '[['.repeat(2000),
    () => Buffer.from(random.fill(new Uint8Array(below(random, 200)))).toString('latin1'),
    () => {
      const bytes = Buffer.from(text);
      bytes[below(random, bytes.length)]! ^= 1 << below(random, 8);
      return bytes.toString('latin1');
    },
  ])();
}

function requestOf(random: Random, way: keyof typeof wayTable, { path, body }: Route, token: string): Buffer {
  const text = Buffer.from(spoiltBody(random, way, body), 'latin1');
  const lines = [`host: x`, 'connection: close', 'content-type: application/json', ...(token === '' ? [] : [`authorization: Bearer ${token}`])];
  let first = `POST ${path} HTTP/1.1`;
  let length = `content-length: ${text.length}`;
  if (way === 'head') {
    const odd = pick<() => void>(random, [
      () => {
        first = `${pick(random, ['GET', 'PUT', 'DELETE', 'PROPFIND', 'OPTIONS', 'HEAD'])} ${path} HTTP/1.1`;
      },
      () => {
        first = `POST ${pick(random, [`${path}/../../secret`, `${path}%`, `${path}%zz`, `/v1/../${path}`, '/v9/cluster/hello', '//', `${path}?${'a=b&'.repeat(100)}`, '*', '/v1/shuffles/%2e%2e/%2e%2e'])} HTTP/1.1`;
      },
      () => {
        length = `content-length: ${pick(random, ['4294967296', '99999999999999', '-1', '0', `${text.length - 1}`, '1e3'])}`;
      },
      () => {
        lines[2] = `content-type: ${pick(random, ['text/plain', 'application/xml', '', 'application/json; charset=utf-7', 'multipart/form-data'])}`;
      },
      () => void lines.push(`x: ${'y'.repeat(20_000)}`),
      () => void lines.push('transfer-encoding: chunked'),
      () => void lines.push('upgrade: sluice/1', 'connection: Upgrade'),
      () => void lines.push(`authorization: Bearer ${'z'.repeat(below(random, 9000))}`),
    ]);
    odd();
  }
  if (way === 'raw') return Buffer.from(random.fill(new Uint8Array(1 + below(random, 300))));
  return Buffer.concat([Buffer.from(`${first}\r\n${[...lines, length].join('\r\n')}\r\n\r\n`, 'latin1'), text]);
}

export async function fuzzHttp(requests: number, seed: number, target: HttpTarget, tally: Tally): Promise<void> {
  const random = seededRandom(seed ^ 0x477);
  let left = requests;
  const one = async (): Promise<void> => {
    while (left-- > 0) {
      const route = pick(random, target.routes);
      const way = weighted(random, wayTable);
      const bytes = requestOf(random, way, route, pick(random, target.tokens));
      tally.sent(way);
      const answer = await ask(target, bytes, way);
      tally.answered(route.name, judge(answer, target.secrets, route, way, tally));
      tally.lookAtMemory();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}

/** All that is answered until the connection closes. */
function ask({ host, port }: HttpTarget, bytes: Buffer, way: keyof typeof wayTable): Promise<string> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    const socket: Socket = connect({ host, port, noDelay: true });
    const timer = setTimeout(() => socket.destroy(), way === 'half' ? 50 : silenceMs);
    socket.on('data', (part: Buffer) => parts.push(part));
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(parts).toString('latin1'));
    });
    if (way === 'half') socket.write(bytes.subarray(0, Math.floor(bytes.length / 2)));
    else if (way === 'slow') void drip(socket, bytes);
    else socket.write(bytes);
  });
}

async function drip(socket: Socket, bytes: Buffer): Promise<void> {
  for (const byte of bytes) {
    if (!socket.writable) return;
    await new Promise((resolve) => socket.write(Buffer.of(byte), resolve));
  }
}

/** What the answer is called; what must not be is a fault. */
function judge(answer: string, secrets: readonly string[], route: Route, way: string, tally: Tally): string {
  for (const secret of secrets) if (answer.includes(secret)) tally.fault(`${route.name}, ${way}, is answered with what another job owns: ${answer}`);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
  if (status === 0) return 'no answer';
  if (status === 200) return 'ok';
  const code = /"code":"([A-Z_]+)"/.exec(answer)?.[1];
  if (code === undefined || !(code in errors) || code === 'INTERNAL') {
    // What is no HTTP, or no URL, is answered before anything of ours sees it.
    if (status >= 400 && status < 500 && (code === undefined || code.startsWith('FST_'))) return `HTTP ${status}`;
    tally.fault(`${route.name}, ${way}, is answered with ${status}: ${answer.slice(-300)}`);
  }
  return code ?? `HTTP ${status}`;
}
