/**
 * Where a client keeps what it reads until it has been looked at: one fixed kernel memory, shared by all read streams of
 * the client. A stream reserves its window before it grants credit, so a frame that comes always has room. It knows nothing
 * of frames or blocks; connection.ts fills the places, verified-read.ts walks over them.
 */
import { MiB } from '#manager/protocol/ids.ts';
import { createKernel, createKernelMemory, type Kernel, kernelReservedBytes } from './kernel/kernel.ts';
import { readWindowBytes } from './limits.ts';
import { Arena, chunkBytes, Slots } from './store/arena.ts';

export interface ReceiveMemory {
  readonly kernel: Kernel;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  /** Frames. */
  readonly arena: Arena;
  /** Accounts, counts, winners, entries and lists of readers. */
  readonly slots: Slots;
  /** Resolves when `bytes` more may be granted; in the order of asking. */
  reserve(bytes: number): Promise<void>;
  release(bytes: number): void;
  /** Nobody has a part of it. */
  readonly isIdle: boolean;
}

/**
 * @param frameBytes  for frames; at least four windows. A block of 16 MiB needs 32 MiB here.
 * @param slotBytes   for the readers' accounts: 8 bytes a (partition, map) of all open reads
 * The system gives the pages when they are first touched.
 */
export function createReceiveMemory(frameBytes = 48 * MiB, slotBytes = 48 * MiB): ReceiveMemory {
  const slotsAt = kernelReservedBytes;
  const arenaAt = Math.ceil((slotsAt + slotBytes) / chunkBytes) * chunkBytes;
  const arenaBytes = Math.max(Math.ceil(frameBytes / chunkBytes) * chunkBytes, 4 * readWindowBytes);
  const kernel = createKernel(createKernelMemory(arenaAt + arenaBytes));
  // A frame at the end of a run may leave a rest unused: an eighth is never granted.
  const grantable = arenaBytes - arenaBytes / 8;
  let free = grantable;
  const arena = new Arena(arenaAt, arenaBytes);
  const slots = new Slots(slotsAt, arenaAt - slotsAt);
  const waiting: { bytes: number; go: () => void }[] = [];
  return {
    kernel,
    bytes: new Uint8Array(kernel.memory.buffer),
    words: new Uint32Array(kernel.memory.buffer),
    arena,
    slots,
    reserve(bytes) {
      if (waiting.length === 0 && bytes <= free) {
        free -= bytes;
        return Promise.resolve();
      }
      return new Promise((go) => waiting.push({ bytes, go }));
    },
    release(bytes) {
      free += bytes;
      while (waiting.length > 0 && waiting[0]!.bytes <= free) {
        const { bytes: more, go } = waiting.shift()!;
        free -= more;
        go();
      }
    },
    get isIdle() {
      return free === grantable && waiting.length === 0 && arena.storedBytes === 0 && slots.usedBytes === 0;
    },
  };
}
