/**
 * The manager's calls over HTTP, with undici: what workers, executors, coordinators and the CLI hold. It finds a manager that
 * answers among several URLs, speaks one protocol version, turns error answers back into SluiceErrors, and sends a
 * call again when the connection fails and a second call does no harm. It caches nothing.
 */

import { Compile, type Validator } from 'typebox/schema';
import { Agent } from 'undici';
import type { Clock, Millis, Random } from './process/ports.ts';
import { retry } from './process/retry.ts';
import { type Answer, type CallName, calls, type ManagerCalls, type Request } from './protocol/control.ts';
import { type ErrorJson, fromJson, SluiceError } from './protocol/errors.ts';
import { protocolVersion } from './protocol/ids.ts';

export interface ClientOptions {
  /** At least one; the first that answers is used until it does not. */
  readonly urls: readonly string[];
  /** Asked for each call, so that a token can be renewed. */
  readonly token: () => string;
  readonly clock: Clock;
  readonly random: Random;
  /** How long a call that finds no manager is tried again. */
  readonly patienceMs?: Millis;
}

export interface ManagerClient extends ManagerCalls {
  /** Cluster id, term and release, as told at the start. */
  readonly welcome: Answer<'hello'>;
  /** Aborts what is under way. */
  close(): Promise<void>;
}

/** Sent twice, these make two things: they are sent again only when the first one cannot have arrived. */
const notTwice: ReadonlySet<CallName> = new Set(['openJob', 'mintToken']);
const connectMs = 3000;
/** What a call that does not wait may take, and what a long poll may take beyond its wait. */
const answerMs = 30_000;

/**
 * Asks hello and answers with a client.
 * @throws CLUSTER_UNREACHABLE when none of the URLs answers within patience · VERSION_UNSUPPORTED
 */
export async function connectManager(options: ClientOptions): Promise<ManagerClient> {
  // Long polls hold a connection each, so there is no limit on them.
  const agent = new Agent({ connect: { timeout: connectMs }, headersTimeout: 0, bodyTimeout: answerMs, keepAliveTimeout: 60_000 });
  const checks = new Map<CallName, Validator>();
  const over = new AbortController();
  let current = 0;

  async function attempt<N extends CallName>(name: N, body: Request<N>, signal: AbortSignal): Promise<Answer<N>> {
    const url = options.urls[current % options.urls.length] as string;
    const { path, scope, answer } = calls[name];
    const waitMs = 'waitMs' in body ? (body.waitMs as Millis) : 0;
    const deadline = AbortSignal.timeout(waitMs + answerMs);
    let status: number;
    let json: unknown;
    try {
      const response = await agent.request({
        origin: new URL(url).origin,
        path,
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(scope === 'open' ? {} : { authorization: `Bearer ${options.token()}` }) },
        body: JSON.stringify(body),
        signal: AbortSignal.any([signal, deadline]),
      });
      status = response.statusCode;
      json = await response.body.json();
    } catch (thrown) {
      if (signal.aborted) throw signal.reason;
      // The next try goes to the next manager.
      current++;
      if (thrown instanceof SyntaxError) throw notAManager(url);
      throw new SluiceError('CLUSTER_UNREACHABLE', { url, what: (thrown as Error).message, sent: wasSent(thrown) }, { cause: thrown });
    }
    if (status !== 200) {
      const error = json as Partial<ErrorJson>;
      if (typeof error.code !== 'string') throw notAManager(url);
      // One that was overtaken by another says so for ever.
      if (error.code === 'LEDGER_UNAVAILABLE') current++;
      throw fromJson({ code: error.code, message: error.message ?? '', facts: error.facts ?? {} });
    }
    const check = checks.get(name) ?? Compile(answer);
    checks.set(name, check);
    if (!check.Check(json))
      throw new SluiceError('INTERNAL', { what: `${url} answered ${name} with ${check.Errors(json)[1][0]?.message ?? 'nonsense'}` });
    return json as Answer<N>;
  }

  async function call<N extends CallName>(name: N, body: Request<N>, given?: AbortSignal): Promise<Answer<N>> {
    const signal = given === undefined ? over.signal : AbortSignal.any([given, over.signal]);
    // A pause between two tries holds no socket, and the clock's timers do not keep a process alive.
    const hold = setInterval(() => {}, answerMs);
    try {
      const again = (error: SluiceError) => isWorthAnother(name, error);
      return await retry({ ...options, patienceMs: options.patienceMs ?? 5000, signal, again }, () => attempt(name, body, signal));
    } finally {
      clearInterval(hold);
    }
  }
  const close = (): Promise<void> => {
    over.abort(new SluiceError('CONNECTION_LOST', { what: 'this client of the manager is closed' }));
    return agent.destroy();
  };

  const names = Object.keys(calls) as CallName[];
  const byName = Object.fromEntries(
    names.map((name) => [name, (body: Request<typeof name>, more?: { signal?: AbortSignal }) => call(name, body, more?.signal)]),
  ) as ManagerCalls;
  try {
    const welcome = await call('hello', {});
    if (welcome.protocol !== protocolVersion) throw new SluiceError('VERSION_UNSUPPORTED', { theirs: welcome.protocol, ours: protocolVersion });
    return { ...byName, welcome, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** Only what did not reach a manager, or a manager that is closing, is sent again here; other remedies are the caller's. */
function isWorthAnother(name: CallName, error: SluiceError): boolean {
  if (error.code === 'LEDGER_UNAVAILABLE') return true;
  return error.code === 'CLUSTER_UNREACHABLE' && !(notTwice.has(name) && error.facts['sent'] === true);
}

/** False when the system refused the connection, so that nothing can have arrived. */
function wasSent(thrown: unknown): boolean {
  const code = (thrown as NodeJS.ErrnoException).code ?? '';
  return !['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'].includes(code);
}

const notAManager = (url: string) => new SluiceError('CLUSTER_UNREACHABLE', { url: `${url} (something else answers there)`, sent: true });
