/**
 * How a client of a cluster comes by its URL and its secret or token: --token-file, SLUICE_TOKEN, or the file that `sluice up` of the
 * same user has left. Files are readable by their owner only; nothing of it is ever printed.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { SluiceError } from '#manager/protocol/errors.ts';
import { usage } from './verb.ts';

interface Credential {
  readonly url: string;
  readonly secret: string;
}

const folder = (): string => join(process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'sluice');
const fileOf = (url: string): string => {
  const { hostname, port } = new URL(url);
  return join(folder(), `${hostname}-${port}.json`);
};

/** Lets clients of this user find the cluster by its URL. */
export function leaveCredential(credential: Credential): void {
  mkdirSync(folder(), { recursive: true, mode: 0o700 });
  writeFileSync(fileOf(credential.url), `${JSON.stringify(credential)}\n`, { mode: 0o600 });
}

export const removeCredential = (url: string): void => rmSync(fileOf(url), { force: true });

/** @throws USAGE when the URL is none · UNAUTHORIZED when there is neither token nor file */
export function credentialFor(cluster: string | undefined, tokenFile: string | undefined): { url: string; token: string } {
  const url = cluster ?? theOnlyOne();
  if (!URL.canParse(url.split(',')[0] ?? '') || !/^https?:/.test(url)) throw usage(`--cluster takes a URL like http://127.0.0.1:7070, not '${url}'`);
  if (tokenFile !== undefined) return { url, token: read(tokenFile) };
  const fromEnvironment = process.env['SLUICE_TOKEN'];
  if (fromEnvironment !== undefined && fromEnvironment !== '') return { url, token: fromEnvironment };
  try {
    return { url, token: (JSON.parse(readFileSync(fileOf(url.split(',')[0] ?? ''), 'utf8')) as Credential).secret };
  } catch {
    // No such file: the manager says what it thinks of no token, if there is a manager at all.
    return { url, token: '' };
  }
}

function theOnlyOne(): string {
  let names: string[] = [];
  try {
    names = readdirSync(folder()).filter((name) => name.endsWith('.json'));
  } catch {
    // Nothing was ever started here.
  }
  if (names.length === 0) throw usage('--cluster URL is needed: no cluster of yours runs on this machine (start one with `sluice up`)');
  if (names.length > 1) throw usage(`--cluster URL is needed: ${names.length} clusters of yours run on this machine`);
  return (JSON.parse(readFileSync(join(folder(), names[0] ?? ''), 'utf8')) as Credential).url;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (thrown) {
    throw new SluiceError('FILE_MISSING', { path }, { cause: thrown });
  }
}
