/**
 * Numbers for distinct keys, dense from 0 in order of first sight: open addressing over key lanes (keys.ts) in typed
 * arrays. The group table of aggregates, the hash table of joins.
 */
import { grownWords } from './interner.ts';

export class GroupTable {
  readonly width: number;
  #size = 0;
  /** width lanes per group. */
  #keys: Int32Array;
  /** group + 1, 0 = free; a power of two, at least twice the groups. */
  #slots = new Int32Array(1024);

  constructor(width: number) {
    this.width = width;
    this.#keys = new Int32Array(width * 512);
  }

  get size(): number {
    return this.#size;
  }

  /** The lanes of all groups; good until the next `add`. */
  get keys(): Int32Array {
    return this.#keys.subarray(0, this.width * this.#size);
  }

  get bytes(): number {
    return this.#keys.byteLength + this.#slots.byteLength;
  }

  /** Writes the group of each of `length` keys, new ones made as needed. Cost: 15 to 100 M keys/s by number of groups. */
  add(lanes: Int32Array, length: number, groups: Int32Array): void {
    if (this.width === 0) {
      if (length > 0) this.#size = 1;
      groups.fill(0, 0, length);
    } else if (this.width === 1) this.#addOne(lanes, length, groups);
    else if (this.width === 2) this.#addTwo(lanes, length, groups);
    else this.#addMany(lanes, length, groups);
  }

  /** The one group of no keys at all, though there was no row. */
  addEmpty(): void {
    this.#size = Math.max(1, this.#size);
  }

  /** Writes the group of each key, or -1. */
  lookup(lanes: Int32Array, length: number, groups: Int32Array): void {
    if (this.width === 2) {
      this.#lookupTwo(lanes, length, groups);
      return;
    }
    const { width } = this;
    const keys = this.#keys;
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let i = 0, from = 0; i < length; i++, from += width) {
      let at = slotOf(lanes, from, width) & mask;
      let group = slots[at]! - 1;
      while (group >= 0 && !same(keys, group * width, lanes, from, width)) {
        at = (at + 1) & mask;
        group = slots[at]! - 1;
      }
      groups[i] = group;
    }
  }

  #lookupTwo(lanes: Int32Array, length: number, groups: Int32Array): void {
    const keys = this.#keys;
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let i = 0; i < length; i++) {
      const first = lanes[2 * i]!;
      const second = lanes[2 * i + 1]!;
      if (i > 0 && first === lanes[2 * i - 2] && second === lanes[2 * i - 1]) {
        groups[i] = groups[i - 1]!;
        continue;
      }
      let at = slotOfTwo(first, second) & mask;
      let group = slots[at]! - 1;
      while (group >= 0 && (keys[2 * group] !== first || keys[2 * group + 1] !== second)) {
        at = (at + 1) & mask;
        group = slots[at]! - 1;
      }
      groups[i] = group;
    }
  }

  #addOne(lanes: Int32Array, length: number, groups: Int32Array): void {
    let keys = this.#keys;
    let slots = this.#slots;
    let mask = slots.length - 1;
    for (let i = 0; i < length; i++) {
      const key = lanes[i]!;
      // Rows often come in runs of one key.
      if (i > 0 && key === lanes[i - 1]) {
        groups[i] = groups[i - 1]!;
        continue;
      }
      let at = slotOfOne(key) & mask;
      let group = slots[at]! - 1;
      while (group >= 0 && keys[group] !== key) {
        at = (at + 1) & mask;
        group = slots[at]! - 1;
      }
      if (group < 0) {
        group = this.#insert(at, lanes, i);
        keys = this.#keys;
        slots = this.#slots;
        mask = slots.length - 1;
      }
      groups[i] = group;
    }
  }

  #addTwo(lanes: Int32Array, length: number, groups: Int32Array): void {
    let keys = this.#keys;
    let slots = this.#slots;
    let mask = slots.length - 1;
    for (let i = 0; i < length; i++) {
      const first = lanes[2 * i]!;
      const second = lanes[2 * i + 1]!;
      if (i > 0 && first === lanes[2 * i - 2] && second === lanes[2 * i - 1]) {
        groups[i] = groups[i - 1]!;
        continue;
      }
      let at = slotOfTwo(first, second) & mask;
      let group = slots[at]! - 1;
      while (group >= 0 && (keys[2 * group] !== first || keys[2 * group + 1] !== second)) {
        at = (at + 1) & mask;
        group = slots[at]! - 1;
      }
      if (group < 0) {
        group = this.#insert(at, lanes, 2 * i);
        keys = this.#keys;
        slots = this.#slots;
        mask = slots.length - 1;
      }
      groups[i] = group;
    }
  }

  #addMany(lanes: Int32Array, length: number, groups: Int32Array): void {
    const { width } = this;
    for (let i = 0, from = 0; i < length; i++, from += width) {
      const slots = this.#slots;
      const mask = slots.length - 1;
      let at = slotOf(lanes, from, width) & mask;
      let group = slots[at]! - 1;
      while (group >= 0 && !same(this.#keys, group * width, lanes, from, width)) {
        at = (at + 1) & mask;
        group = slots[at]! - 1;
      }
      groups[i] = group < 0 ? this.#insert(at, lanes, from) : group;
    }
  }

  #insert(slot: number, lanes: Int32Array, from: number): number {
    const { width } = this;
    const group = this.#size++;
    if (width * this.#size > this.#keys.length) this.#keys = grownWords(this.#keys, 2 * this.#keys.length);
    for (let lane = 0; lane < width; lane++) this.#keys[group * width + lane] = lanes[from + lane]!;
    this.#slots[slot] = group + 1;
    if (2 * this.#size > this.#slots.length) this.#rehash();
    return group;
  }

  #rehash(): void {
    const { width } = this;
    const keys = this.#keys;
    const slots = new Int32Array(4 * this.#slots.length);
    const mask = slots.length - 1;
    for (let group = 0; group < this.#size; group++) {
      let at = slotOf(keys, group * width, width) & mask;
      while (slots[at] !== 0) at = (at + 1) & mask;
      slots[at] = group + 1;
    }
    this.#slots = slots;
  }
}

// Keys that are alike but for the last four bits of their first lane share a line of the cache (16 slots): ids that come about in their order
// then find the line of the one before. Where in the line is mixed, too, or keys that are all multiples of 16 would crowd at its start.
const lineBits = 4;

const mix = (hash: number): number => hash ^ (hash >>> 15);
const inLine = (line: number, first: number): number => (line << lineBits) | ((first ^ (line >>> 24)) & 15);

const slotOfOne = (key: number): number => inLine(mix(Math.imul(key >>> lineBits, 0x9e3779b1)), key);
const slotOfTwo = (first: number, second: number): number =>
  inLine(mix(Math.imul(mix(Math.imul(first >>> lineBits, 0x9e3779b1)) ^ second, 0x85ebca77)), first);

/** Where a key is looked for first, before the mask: the same for one and two lanes as slotOfOne and slotOfTwo. */
function slotOf(lanes: Int32Array, from: number, width: number): number {
  const first = lanes[from]!;
  let line = mix(Math.imul(first >>> lineBits, 0x9e3779b1));
  for (let lane = 1; lane < width; lane++) line = mix(Math.imul(line ^ lanes[from + lane]!, 0x85ebca77));
  return inLine(line, first);
}

function same(keys: Int32Array, at: number, lanes: Int32Array, from: number, width: number): boolean {
  for (let lane = 0; lane < width; lane++) if (keys[at + lane] !== lanes[from + lane]) return false;
  return true;
}
