/**
 * Tokens: `v1.<scope>.<job>.<expiresSeconds>.<mac>`, an HMAC-SHA256 with the cluster's secret, so that manager and workers
 * check one without asking anyone. A job token authorises that job and every shuffle whose high word it is; its mac covers the
 * cluster id as well, so it dies with the journal that minted the job. A cluster token authorises everything; whoever
 * knows the secret mints his own. Pure: the secret and the time are arguments.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { SluiceError } from './errors.ts';

export type Grant = { readonly scope: 'cluster' } | { readonly scope: 'job'; readonly job: number };

/**
 * What tokens of a cluster are made and checked with. `secret`: one, or several in lines of their own, of which the first makes tokens and
 * each checks them: so one follows another without a pause. `cluster`: 32 hex digits; not needed for cluster tokens.
 */
export interface TokenKey {
  readonly secret: string;
  readonly cluster: string;
}

/** @param expiresAt  milliseconds since 1970, rounded up to a second */
export function mintToken(key: TokenKey, grant: Grant, expiresAt: number): string {
  const text = `v1.${grant.scope}.${grant.scope === 'job' ? grant.job : 0}.${Math.ceil(expiresAt / 1000)}`;
  return `${text}.${macOf(secretsOf(key)[0] ?? '', key.cluster, grant.scope, text).toString('base64url')}`;
}

type KnownMacs = Map<string, readonly Buffer[]>;

/**
 * What the token grants.
 * @param wall   now, milliseconds since 1970
 * @param known  right macs by the text they sign, of this key; gets those of a token that is right
 * @throws UNAUTHORIZED: missing, malformed, wrong, expired. Compares in constant time.
 */
export function verifyToken(key: TokenKey, token: string, wall: number, known: KnownMacs = new Map()): Grant {
  if (token === '') throw refuse('no token');
  const parts = /^(v1\.(job|cluster)\.(\d{1,10})\.(\d{1,12}))\.([\w-]{43})$/.exec(token);
  if (parts === null) throw refuse('not a token');
  const [, text, scope, job, expires, mac] = parts as unknown as [string, string, 'job' | 'cluster', string, string, string];
  const given = Buffer.from(mac, 'base64url');
  const right = known.get(text) ?? secretsOf(key).map((secret) => macOf(secret, key.cluster, scope, text));
  if (!right.some((mac) => given.length === mac.length && timingSafeEqual(given, mac))) throw refuse('wrong token');
  // Not before: what anyone sends is not kept.
  known.set(text, right);
  if (Number(expires) * 1000 <= wall) throw refuse('expired');
  return scope === 'job' ? { scope, job: Number(job) } : { scope };
}

/** Right macs that are remembered. */
const mostKnown = 1000;

/** verifyToken for one who sees the same few tokens all the time: their macs are computed once, and compared each time. */
export class TokenChecker {
  readonly #key: TokenKey;
  readonly #known: KnownMacs = new Map();

  constructor(key: TokenKey) {
    this.#key = key;
  }

  /** @throws as verifyToken */
  verify(token: string, wall: number): Grant {
    if (this.#known.size >= mostKnown) this.#known.clear();
    return verifyToken(this.#key, token, wall, this.#known);
  }
}

/** @throws UNAUTHORIZED when the grant does not reach the job (null: the whole cluster) */
export function requireGrant(grant: Grant, job: number | null): void {
  if (grant.scope === 'cluster' || grant.job === job) return;
  throw refuse(job === null ? 'a job token where a cluster token is needed' : `a token of job ${grant.job} for job ${job}`);
}

/** A process's own cluster token, minted anew shortly before the last one ends. `secretOrToken` that already is a token is used as it is. */
export function tokenSource(secretOrToken: string, wall: () => number): () => string {
  const given = secretOrToken.trim();
  if (given.startsWith('v1.')) return () => given;
  let token = '';
  let freshUntil = 0;
  return () => {
    if (wall() >= freshUntil) {
      token = mintToken({ secret: given, cluster: '' }, { scope: 'cluster' }, wall() + 3_600_000);
      freshUntil = wall() + 1_800_000;
    }
    return token;
  };
}

const refuse = (what: string) => new SluiceError('UNAUTHORIZED', { what });

/** The secrets of a file, or the one that is given. */
export const secretsOf = ({ secret }: Pick<TokenKey, 'secret'>): string[] =>
  secret
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

const macOf = (secret: string, cluster: string, scope: 'job' | 'cluster', text: string): Buffer =>
  createHmac('sha256', secret)
    .update(scope === 'job' ? `${cluster}.${text}` : text)
    .digest();
