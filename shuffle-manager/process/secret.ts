/**
 * The cluster's secret as a file: 32 random bytes in hex, readable by its owner only, made at the first start. A second line may hold the
 * secret before it, or the one that is to follow. Called by the mains of manager, worker and executor. What is done with the secret is
 * protocol/token.ts; it is never logged.
 */
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { SluiceError } from '../protocol/errors.ts';
import { secretsOf } from '../protocol/token.ts';
import { diskError } from './disk.ts';
import type { Random } from './ports.ts';

/** The secret in `path`; when there is no such file, one is made (mode 0600). Two processes that start at once get the same. */
export function makeSecret(path: string, random: Random): string {
  try {
    return readSecret(path);
  } catch (thrown) {
    if ((thrown as SluiceError).facts['code'] !== 'ENOENT') throw thrown;
  }
  const draft = `${path}.${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(draft, `${Buffer.from(random.fill(new Uint8Array(32))).toString('hex')}\n`, { mode: 0o600 });
    // A link appears whole or not at all, and not over another process's file.
    linkSync(draft, path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw diskError(path, thrown);
  } finally {
    rmSync(draft, { force: true });
  }
  return readSecret(path);
}

/** @throws DISK_FAILED when it cannot be read · CONFIG_INVALID when it holds none, or one of less than 16 characters */
export function readSecret(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (thrown) {
    throw diskError(path, thrown);
  }
  const secrets = secretsOf({ secret: text });
  if (secrets.length === 0 || secrets.some((secret) => secret.length < 16))
    throw new SluiceError('CONFIG_INVALID', { what: `${path} holds no secret (at least 16 characters are needed)` });
  return text;
}
