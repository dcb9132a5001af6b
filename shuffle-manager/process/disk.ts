/**
 * A folder of this machine behind the port Disk: positional reads and writes, fdatasync, and every system error as
 * NO_SPACE or DISK_FAILED. Used by the mains of the manager and the worker. Paths come from the process itself and are
 * checked all the same: one that leaves the root is a programmer's mistake.
 */
import assert from 'node:assert/strict';
import { constants, type FileHandle, mkdir, open, readdir, rename, rm, statfs } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { SluiceError } from '../protocol/errors.ts';
import type { Disk, DiskFile } from './ports.ts';

/**
 * The tree under `root`, which is made if absent. A handle is opened once by each `open` and kept to its `close`:
 * callers hold their files and read and write at offsets, so there is nothing to pool behind them.
 * @throws NO_SPACE when a write finds the file system or quota full · DISK_FAILED for everything else the system refuses
 */
export async function openDisk(root: string): Promise<Disk> {
  const at = (path: string): string => {
    const inside = normalize(path);
    assert(!inside.startsWith('..') && !inside.startsWith('/'), `a path leaves its folder: ${path}`);
    return join(root, inside);
  };
  await attempt(root, () => mkdir(root, { recursive: true }));
  return {
    async open(path, mode) {
      const full = at(path);
      return fileOf(full, await attempt(full, () => open(full, flags[mode], 0o600)));
    },
    list: (folder) => attempt(at(folder), async () => (await readdir(at(folder)).catch(emptyWhenAbsent)).sort()),
    remove: (path) => attempt(at(path), () => rm(at(path), { recursive: true, force: true })),
    rename: (from, to) =>
      attempt(at(to), async () => {
        await rename(at(from), at(to));
        await syncFolder(dirname(at(to)));
      }),
    makeFolder: (path) => attempt(at(path), () => mkdir(at(path), { recursive: true }).then(() => {})),
    free: () =>
      attempt(root, async () => {
        const facts = await statfs(root);
        return facts.bavail * facts.bsize;
      }),
  };
}

const flags = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
} as const;

function fileOf(path: string, handle: FileHandle): DiskFile {
  return {
    read: (offset, into) =>
      attempt(path, async () => {
        let filled = 0;
        while (filled < into.length) {
          const { bytesRead } = await handle.read(into, filled, into.length - filled, offset + filled);
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
        return filled;
      }),
    write: (offset, ...parts) =>
      attempt(path, async () => {
        let at = offset;
        for (let left: readonly Uint8Array[] = parts; left.length > 0; ) {
          const [first, ...more] = left;
          const { bytesWritten } = first && more.length === 0 ? await handle.write(first, 0, first.length, at) : await handle.writev(left, at);
          at += bytesWritten;
          left = behind(left, bytesWritten);
        }
      }),
    sync: () => attempt(path, () => handle.datasync()),
    size: () => attempt(path, async () => (await handle.stat()).size),
    truncate: (length) => attempt(path, () => handle.truncate(length)),
    close: () => attempt(path, () => handle.close()),
  };
}

/** What is left of the parts when so many of their bytes have been written. */
export function behind(parts: readonly Uint8Array[], written: number): Uint8Array[] {
  let passed = 0;
  const left: Uint8Array[] = [];
  for (const part of parts) {
    const skip = Math.min(Math.max(written - passed, 0), part.length);
    if (skip < part.length) left.push(skip === 0 ? part : part.subarray(skip));
    passed += part.length;
  }
  return left;
}

/** A new name is durable only when its folder is. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function emptyWhenAbsent(thrown: unknown): string[] {
  if (codeOf(thrown) === 'ENOENT') return [];
  throw thrown;
}

async function attempt<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (thrown) {
    throw diskError(path, thrown);
  }
}

const codeOf = (thrown: unknown): string => (thrown as NodeJS.ErrnoException | undefined)?.code ?? '';

/** What goes by: no room on the disk, no file descriptor. The disk itself is sound. */
const passing: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE']);

/** A system error as ours. `code` travels as a fact, so that a caller can tell an absent file from a broken disk. */
export function diskError(path: string, thrown: unknown): SluiceError {
  if (thrown instanceof SluiceError) return thrown;
  const code = codeOf(thrown);
  const facts = { what: `${path}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, code };
  return new SluiceError(passing.has(code) ? 'NO_SPACE' : 'DISK_FAILED', facts, { cause: thrown });
}
