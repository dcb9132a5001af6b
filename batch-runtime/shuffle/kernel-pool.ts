/**
 * Kernels with their memories, kept for the next writer or reader of the process: pages that were touched once are not
 * asked of the system again. Called by the drivers. A memory that somebody may still be reading is not given back; the
 * collector has it.
 */
import { createKernel, createKernelMemory, type Kernel } from '#worker/kernel/kernel.ts';

export class KernelPool {
  #free: Kernel[] = [];

  /** One with at least `bytes` of memory; what is in it is not cleared. */
  take(bytes: number): Kernel {
    const index = this.#free.findIndex((kernel) => kernel.memory.buffer.byteLength >= bytes);
    return index >= 0 ? this.#free.splice(index, 1)[0]! : createKernel(createKernelMemory(bytes));
  }

  give(kernel: Kernel): void {
    this.#free.push(kernel);
  }

  clear(): void {
    this.#free = [];
  }
}
