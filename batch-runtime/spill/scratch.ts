/**
 * Where a task puts what does not fit in its memory: files without a name in the executor's scratch folder. A file's name is
 * removed as soon as it is open, so the system frees it when the task closes it, when its thread ends, and when the process is
 * killed: nothing is ever left to clean up. Reading and writing is synchronous (see docs/adr/spill-is-synchronous.md). Called by
 * spill-file.ts.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { SluiceError } from '#manager/protocol/errors.ts';

/** One file: written from its beginning on, read anywhere. */
export interface ScratchFile {
  /** Appends all of it. @throws NO_SPACE, DISK_FAILED */
  append(bytes: Uint8Array): void;
  /** Fills `into` from `offset` on. @throws DISK_FAILED, also when the file ends before */
  read(into: Uint8Array, offset: number): void;
  /** Gives its space back. Again: does nothing. */
  close(): void;
}

export interface Scratch {
  create(): ScratchFile;
  /** Bytes written to its files so far. */
  readonly writtenBytes: number;
  /** Files that are open. */
  readonly open: number;
  /** Closes all its files: the task has ended, or failed. */
  close(): void;
}

/** What it needs of node:fs; a test puts a full disk there. */
export interface ScratchDisk {
  write(file: number, bytes: Uint8Array, from: number, length: number, position: number): number;
}
const disk: ScratchDisk = { write: writeSync };

/** @param folder  made when it is needed first; several tasks and processes may share it */
export function createScratch(folder: string, { write }: ScratchDisk = disk): Scratch {
  const files = new Set<ScratchFile>();
  let written = 0;

  const failed = (error: unknown): SluiceError => {
    const code = String((error as { code?: unknown }).code);
    const what = error instanceof Error ? error.message : String(error);
    if (code === 'ENOSPC' || code === 'EDQUOT')
      return new SluiceError('NO_SPACE', { what: `${folder}, where rows beyond the memory budget go` }, { cause: error });
    return new SluiceError('DISK_FAILED', { what: `${folder}: ${what}` }, { cause: error });
  };
  const guard = <T>(run: () => T): T => {
    try {
      return run();
    } catch (error) {
      throw error instanceof SluiceError ? error : failed(error);
    }
  };

  return {
    get writtenBytes() {
      return written;
    },
    get open() {
      return files.size;
    },
    create() {
      const handle = guard(() => {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        const path = join(folder, `${randomBytes(9).toString('hex')}.spill`);
        const opened = openSync(path, 'wx+', 0o600);
        unlinkSync(path);
        return opened;
      });
      let size = 0;
      const file: ScratchFile = {
        append(bytes) {
          guard(() => {
            for (let from = 0; from < bytes.length; ) {
              const count = write(handle, bytes, from, bytes.length - from, size);
              from += count;
              size += count;
              written += count;
            }
          });
        },
        read(into, offset) {
          guard(() => {
            for (let filled = 0; filled < into.length; ) {
              const count = readSync(handle, into, filled, into.length - filled, offset + filled);
              if (count === 0) throw new Error(`a spill file ends at ${offset + filled}`);
              filled += count;
            }
          });
        },
        close() {
          if (files.delete(file)) closeSync(handle);
        },
      };
      files.add(file);
      return file;
    },
    close() {
      for (const file of files) file.close();
    },
  };
}
