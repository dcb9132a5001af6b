/**
 * What a data folder says of itself: whose it is. One small file, written once, before the first segment; without it a
 * folder is new. Two folders of one worker have the same worker and cluster, and a number each. Read by worker.ts at the start.
 */
import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/schema';
import type { Disk } from '#manager/process/ports.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { hex128, protocolVersion } from '#manager/protocol/ids.ts';

const Identity = Type.Object({ version: Type.Literal(protocolVersion), worker: hex128, cluster: hex128, directory: hex128 });
export type Identity = Static<typeof Identity>;

const check = Compile(Identity);
const fileName = 'identity.json';
const mostBytes = 4096;

/** Null: a new folder. @throws CONFIG_INVALID when the file is none of ours · DISK_FAILED */
export async function readIdentity(disk: Disk): Promise<Identity | null> {
  if (!(await disk.list('.')).includes(fileName)) return null;
  const file = await disk.open(fileName, 'read');
  const bytes = new Uint8Array(mostBytes);
  const text = new TextDecoder().decode(bytes.subarray(0, await file.read(0, bytes)));
  await file.close();
  const found = parse(text);
  if (check.Check(found)) return found;
  throw new SluiceError('CONFIG_INVALID', { what: `${fileName} in a data folder cannot be read: empty the folder, or give another one` });
}

/** Durable when it settles. */
export async function writeIdentity(disk: Disk, identity: Omit<Identity, 'version'>): Promise<void> {
  const draft = `${fileName}.new`;
  const file = await disk.open(draft, 'create');
  await file.write(0, new TextEncoder().encode(`${JSON.stringify({ version: protocolVersion, ...identity })}\n`));
  await file.sync();
  await file.close();
  await disk.rename(draft, fileName);
}

/** @throws CONFIG_INVALID when the folders do not belong together */
export function commonIdentity(found: readonly (Identity | null)[]): Pick<Identity, 'worker' | 'cluster'> | null {
  const known = found.filter((one) => one !== null);
  const first = known[0];
  if (!first) return null;
  if (known.some((one) => one.worker !== first.worker || one.cluster !== first.cluster)) {
    throw new SluiceError('CONFIG_INVALID', { what: 'the data folders belong to different workers: give each worker its own' });
  }
  return first;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
