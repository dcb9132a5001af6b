/**
 * One attempt's blocks before they leave: payloads are laid behind their headers in kernel memory, and sealed (hashed)
 * a few at a time. It counts sequences and makes the manifest; where the bytes go, and what
 * a full buffer means, is the caller's (local.ts writes runs of a file, remote.ts pushes to a worker).
 */
import assert from 'node:assert/strict';
import { KiB, type ShuffleId } from '#manager/protocol/ids.ts';
import type { Kernel } from '#worker/kernel/kernel.ts';
import { blockBytes, blockHeaderBytes, blockKinds, writeHeader } from '#worker/protocol/block.ts';
import { ManifestBuilder } from '#worker/protocol/manifest.ts';

export interface SealerOptions {
  readonly shuffle: ShuffleId;
  readonly map: number;
  readonly attempt: number;
  readonly partitionFrom: number;
  readonly partitionTo: number;
  readonly kernel: Kernel;
}

/** Blocks are hashed when there are as many bytes of them: still in the core's cache, and not a call each. */
const sealBytes = 64 * KiB;

export class Sealer {
  readonly #options: SealerOptions;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  readonly #view: DataView;
  /** Of the next block, per partition; the manifest's counts follow only when a block is sealed. */
  readonly #sequences: Uint32Array;
  readonly #manifest: ManifestBuilder;
  /** The buffer, as addresses: sealed up to #sealed, filled up to #filled. */
  #from = 0;
  #to = 0;
  #sealed = 0;
  #filled = 0;

  constructor(options: SealerOptions) {
    const { kernel, partitionFrom, partitionTo } = options;
    this.#options = options;
    this.#bytes = new Uint8Array(kernel.memory.buffer);
    this.#words = new Uint32Array(kernel.memory.buffer);
    this.#view = new DataView(kernel.memory.buffer);
    this.#sequences = new Uint32Array(partitionTo - partitionFrom);
    this.#manifest = new ManifestBuilder(partitionFrom, partitionTo);
  }

  /** Goes on in another buffer, or anew in the same one: a range of the kernel's memory, at multiples of 8. What was in the last one has left. */
  begin(from: number, to: number): void {
    assert.ok(this.#sealed === this.#filled, 'blocks are sealed before they leave');
    this.#from = from;
    this.#to = to;
    this.#sealed = from;
    this.#filled = from;
  }

  /** Bytes in the buffer. */
  get filledBytes(): number {
    return this.#filled - this.#from;
  }

  /** False: the buffer has to be drained first. */
  fits(payloadLength: number): boolean {
    return this.#filled + blockBytes(payloadLength) <= this.#to;
  }

  /** Copies one payload that fits; answers the address of its block. */
  add(partition: number, payload: Uint8Array, records: number): number {
    const { shuffle, map, attempt, partitionFrom } = this.#options;
    const at = this.#filled;
    assert.ok(this.fits(payload.length), 'the buffer is full');
    writeHeader(this.#view, at, {
      kind: blockKinds.data,
      codec: 0,
      flags: 0,
      tag: 0,
      payloadLength: payload.length,
      rawLength: payload.length,
      shuffle,
      partition,
      map,
      attempt,
      section: 0,
      sequence: this.#sequences[partition - partitionFrom]!++,
      records,
    });
    this.#bytes.set(payload, at + blockHeaderBytes);
    this.#filled = at + blockBytes(payload.length);
    if (this.#filled - this.#sealed >= sealBytes) this.#stamp();
    return at;
  }

  /** Seals what was added since; answers all of the buffer, a view that is good until it is begun anew. */
  seal(): Uint8Array {
    if (this.#filled > this.#sealed) this.#stamp();
    return this.#bytes.subarray(this.#from, this.#filled);
  }

  /** Hashes and counts what is not sealed yet. */
  #stamp(): void {
    this.#options.kernel.stamp(this.#sealed, this.#filled - this.#sealed);
    const words = this.#words;
    for (let at = this.#sealed; at < this.#filled; ) {
      const word = at >>> 2;
      const payloadLength = words[word + 2]!;
      this.#manifest.add(words[word + 6]!, payloadLength, words[word + 11]!, words[word + 14]!, words[word + 15]!);
      at += blockBytes(payloadLength);
    }
    this.#sealed = this.#filled;
  }

  /** What has been sealed so far. */
  get counts(): { readonly blocks: number; readonly records: number; readonly bytes: number } {
    return { blocks: this.#manifest.blocks, records: this.#manifest.records, bytes: this.#manifest.payloadBytes };
  }

  /** The manifest block of all that was sealed. */
  manifest(): Uint8Array {
    const { shuffle, map, attempt } = this.#options;
    return this.#manifest.seal({ shuffle, map, attempt, section: 0 });
  }
}
