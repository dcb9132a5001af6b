/**
 * Gives each distinct byte string a small number, dense from 0 in order of first sight. Aggregates and joins turn text
 * keys into these, concat merges dictionaries with it. It owns a copy of the bytes. Its hash is private; nothing of it
 * leaves the process.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Column } from './batch.ts';
import { makeColumn } from './column.ts';
import { maxColumnBytes } from './take.ts';

export class Interner {
  #bytes = new Uint8Array(1024);
  #offsets = new Int32Array(129);
  #hashes = new Int32Array(128);
  /** id + 1, 0 = free; its length is a power of two and at least twice the entries. */
  #slots = new Int32Array(256);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Bytes held, for budgets. */
  get bytes(): number {
    return this.#bytes.length + this.#offsets.byteLength + this.#hashes.byteLength + this.#slots.byteLength;
  }

  /** The number of source[from, to), a new one if it was not seen before. */
  intern(source: Uint8Array, from: number, to: number): number {
    const hash = hashOf(source, from, to);
    const slots = this.#slots;
    const mask = slots.length - 1;
    let at = hash & mask;
    for (;;) {
      const id = slots[at]! - 1;
      if (id < 0) break;
      if (this.#hashes[id] === hash && this.#equals(id, source, from, to)) return id;
      at = (at + 1) & mask;
    }
    return this.#add(source, from, to, hash, at);
  }

  /** The number of source[from, to), or -1. */
  lookup(source: Uint8Array, from: number, to: number): number {
    const hash = hashOf(source, from, to);
    const slots = this.#slots;
    const mask = slots.length - 1;
    let at = hash & mask;
    for (;;) {
      const id = slots[at]! - 1;
      if (id < 0) return -1;
      if (this.#hashes[id] === hash && this.#equals(id, source, from, to)) return id;
      at = (at + 1) & mask;
    }
  }

  /** All entries by number, as a utf8 column: views that later entries do not change. */
  toColumn(): Column {
    return makeColumn(
      { kind: 'utf8' },
      this.#size,
      this.#bytes.subarray(0, this.#offsets[this.#size]),
      null,
      this.#offsets.subarray(0, this.#size + 1),
    );
  }

  #equals(id: number, source: Uint8Array, from: number, to: number): boolean {
    const start = this.#offsets[id]!;
    if (this.#offsets[id + 1]! - start !== to - from) return false;
    const bytes = this.#bytes;
    for (let i = from, j = start; i < to; i++, j++) if (bytes[j] !== source[i]) return false;
    return true;
  }

  #add(source: Uint8Array, from: number, to: number, hash: number, slot: number): number {
    const id = this.#size;
    const start = this.#offsets[id]!;
    const end = start + to - from;
    if (end > maxColumnBytes) throw new SluiceError('MEMORY_EXCEEDED', { budgetBytes: maxColumnBytes, what: 'the distinct texts of one key' });
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(maxColumnBytes, Math.max(end, 2 * this.#bytes.length)));
      grown.set(this.#bytes.subarray(0, start));
      this.#bytes = grown;
    }
    this.#bytes.set(source.subarray(from, to), start);
    if (id + 1 >= this.#offsets.length) {
      this.#offsets = grownWords(this.#offsets, 2 * id + 1);
      this.#hashes = grownWords(this.#hashes, 2 * id);
    }
    this.#offsets[id + 1] = end;
    this.#hashes[id] = hash;
    this.#slots[slot] = id + 1;
    this.#size = id + 1;
    if (2 * this.#size > this.#slots.length) this.#rehash();
    return id;
  }

  #rehash(): void {
    const slots = new Int32Array(2 * this.#slots.length);
    const mask = slots.length - 1;
    for (let id = 0; id < this.#size; id++) {
      let at = this.#hashes[id]! & mask;
      while (slots[at] !== 0) at = (at + 1) & mask;
      slots[at] = id + 1;
    }
    this.#slots = slots;
  }
}

export function grownWords(words: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(length);
  grown.set(words);
  return grown;
}

function hashOf(source: Uint8Array, from: number, to: number): number {
  let hash = Math.imul(to - from, 0x9e3779b1);
  let i = from;
  for (; i + 4 <= to; i += 4) {
    hash = Math.imul(hash ^ (source[i]! | (source[i + 1]! << 8) | (source[i + 2]! << 16) | (source[i + 3]! << 24)), 0x85ebca77);
    hash ^= hash >>> 15;
  }
  for (; i < to; i++) hash = Math.imul(hash ^ source[i]!, 0xc2b2ae3d);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x27d4eb2f);
  return hash ^ (hash >>> 13);
}
