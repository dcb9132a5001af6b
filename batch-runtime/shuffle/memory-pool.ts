/**
 * The memories of writers and readers, kept for the next of the thread, also for those of its next job: pages that were touched once are not
 * asked of the system again, and the collector, which counts all of a memory whether it was touched or not, does not find a hundred
 * megabytes of garbage after each job. Called by the drivers. A memory that somebody may still be reading is not given back; the
 * collector has it.
 */
import { MiB } from '#manager/protocol/ids.ts';
import { createKernel, createKernelMemory, type Kernel } from '#worker/kernel/kernel.ts';
import { createReceiveMemory, type ReceiveMemory } from '#worker/receive.ts';

/** Kept at most, touched or not. */
const keptBytes = 256 * MiB;

export class MemoryPool {
  #kernels: Kernel[] = [];
  #receives: ReceiveMemory[] = [];
  #bytes = 0;

  /** A kernel with at least `bytes` of memory; what is in it is not cleared. */
  take(bytes: number): Kernel {
    const index = this.#kernels.findIndex((kernel) => kernel.memory.buffer.byteLength >= bytes);
    if (index < 0) return createKernel(createKernelMemory(bytes));
    const [kernel] = this.#kernels.splice(index, 1);
    this.#bytes -= kernel!.memory.buffer.byteLength;
    return kernel!;
  }

  give(kernel: Kernel): void {
    if (this.#hasRoom(kernel)) this.#kernels.push(kernel);
  }

  /** What a client reads into. */
  takeReceive(): ReceiveMemory {
    const receive = this.#receives.pop();
    if (receive === undefined) return createReceiveMemory();
    this.#bytes -= receive.kernel.memory.buffer.byteLength;
    return receive;
  }

  /** Keeps it unless a reader has not let go of all of it. */
  giveReceive(receive: ReceiveMemory): void {
    if (receive.isIdle && this.#hasRoom(receive.kernel)) this.#receives.push(receive);
  }

  #hasRoom({ memory }: Kernel): boolean {
    const { byteLength } = memory.buffer;
    if (this.#bytes + byteLength > keptBytes) return false;
    this.#bytes += byteLength;
    return true;
  }
}

/** That of this thread. */
export const memoryPool = new MemoryPool();
