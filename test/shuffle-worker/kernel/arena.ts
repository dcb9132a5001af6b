/**
 * A small memory laid out for kernel tests: an account with its winners and counts, index entries, lists, and data.
 */
import type { ShuffleId } from '#manager/protocol/ids.ts';
import { type Account, createKernelMemory, type Kernel, type KernelMemory, writeAccount } from '#worker/kernel/kernel.ts';
import { type BlockHeader, blockBytes, blockHeaderBytes, writeHeader } from '#worker/protocol/block.ts';

export const at = {
  account: 8448,
  winners: 8704,
  counts: 9216,
  entries: 16384,
  list: 49152,
  scratch: 57344,
  into: 65536,
  data: 131072,
  copy: 393216,
} as const;
export const memoryBytes = 655360;
export const shuffle = ((3n << 32n) | 9n) as ShuffleId;
export const attempt = 40;
/** Maps 5..7, partitions 100..103; map 7 has no winner unless told. */
export const stream: Account = {
  shuffle,
  mapFrom: 5,
  mapTo: 8,
  partitionFrom: 100,
  partitionTo: 104,
  section: 1,
  flags: 0,
  winners: at.winners,
  counts: at.counts,
  slot: 77,
};

export class Arena {
  readonly kernel: Kernel;
  readonly memory: KernelMemory;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  #end: number = at.data;

  constructor(create: (memory: KernelMemory) => Kernel) {
    this.memory = createKernelMemory(memoryBytes);
    this.kernel = create(this.memory);
    this.bytes = new Uint8Array(this.memory.buffer);
    this.view = new DataView(this.memory.buffer);
  }

  get length(): number {
    return this.#end - at.data;
  }

  account(more: Partial<Account> = {}, winners: readonly number[] = [attempt, attempt, attempt]): void {
    writeAccount(this.memory, at.account, { ...stream, ...more });
    for (const [i, winner] of winners.entries()) this.view.setUint32(at.winners + 4 * i, winner, true);
    this.bytes.fill(0, at.counts, at.counts + 48);
  }

  /** Puts an unsealed block behind the others; answers where. */
  put(header: Partial<BlockHeader>, payload: Uint8Array): number {
    const from = this.#end;
    const whole = {
      kind: 0,
      codec: 0,
      flags: 0,
      tag: 0,
      rawLength: 0,
      shuffle,
      partition: 100,
      map: 5,
      attempt,
      section: 1,
      sequence: 0,
      records: 1,
    };
    writeHeader(this.view, from, { ...whole, ...header, payloadLength: payload.length });
    this.bytes.set(payload, from + blockHeaderBytes);
    this.#end += blockBytes(payload.length);
    return from;
  }

  stamp(): number {
    return this.kernel.stamp(at.data, this.length);
  }

  walk(length = this.length, capacity = 1000): ReturnType<Kernel['walk']> {
    return this.kernel.walk(at.data, length, at.account, at.entries, 0, capacity);
  }

  words(from: number, count: number): number[] {
    return Array.from({ length: count }, (_, i) => this.view.getUint32(from + 4 * i, true));
  }

  fillList(numbers: readonly number[]): void {
    for (const [i, number] of numbers.entries()) this.view.setUint32(at.list + 4 * i, number, true);
  }
}
