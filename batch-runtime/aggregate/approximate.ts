/**
 * About how many different values: HyperLogLog with 4096 registers over the 64-bit hash of a value (batch/hash.ts), estimated after Ertl
 * (2017). The standard error is 1.6 %. A group with few values keeps only the registers it has, one with many all of them; what comes
 * out depends on the values alone, not on their order or how they were spread.
 */
import type { Column } from '../batch/batch.ts';
import { makeColumn } from '../batch/column.ts';
import { GroupTable } from '../batch/groups.ts';
import { hashColumn } from '../batch/hash.ts';
import { highLane, lowLane } from '../batch/lanes.ts';
import { wrong } from '../expression/functions/row.ts';
import { grownBytes, grownWords } from './grown.ts';
import { packedType } from './packed.ts';
import type { Accumulator, AggregateRows } from './row.ts';

export const approximates: AggregateRows = {
  approxCountDistinct: {
    doc: 'About how many different values; the standard error is 1.6 %.',
    empty: 'zero',
    nulls: 'skip',
    order: () => 'nothing',
    resolve: (fn, argument) => (argument === null ? wrong(`${fn} of nothing`) : { kind: 'integer' }),
    fields: ({ name }) => [{ name, type: packedType, nullable: false }],
    create: () => new HyperLogLog(),
  },
};

const indexBits = 12;
const registers = 1 << indexBits;
/** Bits of the hash behind the index. */
const restBits = 64 - indexBits;
/** With more registers than this a group has all of them. */
const fewRegisters = 256;
/** Of a register in a cell: 12 bits of index, 6 of rank. */
const entryBytes = 3;

class HyperLogLog implements Accumulator {
  /** Registers of groups that have few: (group, index), and the rank of each. */
  readonly #few = new GroupTable(2);
  #ranks = new Uint8Array(0);
  /** By group: how many it has there. */
  #counts = new Int32Array(0);
  /** By group: all its registers; what it had before stays in the table and counts too. */
  readonly #all = new Map<number, Uint8Array>();
  #lanes = new Int32Array(0);

  get bytes(): number {
    return this.#few.bytes + this.#ranks.length + this.#counts.byteLength + (registers + 100) * this.#all.size;
  }

  grow(groups: number): void {
    if (groups > this.#counts.length) this.#counts = grownWords(this.#counts, groups);
  }

  update(group: Int32Array, length: number, argument: Column | null): void {
    if (this.#lanes.length < 2 * length) this.#lanes = new Int32Array(2 * length);
    const lanes = this.#lanes;
    hashColumn(argument!, length, lanes);
    for (let i = 0; i < length; i++) {
      const g = group[i]!;
      if (g < 0) continue;
      const [low, high] = [lanes[2 * i]!, lanes[2 * i + 1]!];
      const top = (high << indexBits) | (low >>> (32 - indexBits));
      const rank = top !== 0 ? Math.clz32(top) + 1 : Math.min(restBits + 1, 33 + Math.clz32(low << indexBits));
      this.#set(g, high >>> (32 - indexBits), rank);
    }
  }

  merge(group: Int32Array, length: number, columns: readonly Column[]): void {
    const { data, offsets } = columns[0]!;
    const bytes = data as Uint8Array;
    for (let i = 0; i < length; i++) {
      const g = group[i]!;
      const [from, to] = [offsets![i]!, offsets![i + 1]!];
      if (to - from === registers) for (let r = 0; r < registers; r++) this.#set(g, r, bytes[from + r]!);
      else for (let at = from; at < to; at += entryBytes) this.#set(g, bytes[at]! | (bytes[at + 1]! << 8), bytes[at + 2]!);
    }
  }

  partial(groups: number): Column[] {
    const { keys, size } = this.#few;
    const offsets = new Int32Array(groups + 1);
    for (let g = 0; g < groups; g++) offsets[g + 1] = offsets[g]! + (this.#all.has(g) ? registers : entryBytes * this.#counts[g]!);
    const data = new Uint8Array(offsets[groups]!);
    for (const [g, own] of this.#all) data.set(own, offsets[g]);
    const next = offsets.slice();
    for (let entry = 0; entry < size; entry++) {
      const [g, index, rank] = [keys[2 * entry]!, keys[2 * entry + 1]!, this.#ranks[entry]!];
      if (this.#all.has(g)) {
        const at = offsets[g]! + index;
        data[at] = Math.max(data[at]!, rank);
        continue;
      }
      const at = next[g]!;
      data[at] = index & 255;
      data[at + 1] = index >> 8;
      data[at + 2] = rank;
      next[g] = at + entryBytes;
    }
    return [makeColumn(packedType, groups, data, null, offsets)];
  }

  final(groups: number): Column {
    const [cells] = this.partial(groups);
    const { data: bytes, offsets } = cells!;
    const data = new Int32Array(2 * groups);
    const ranks = new Float64Array(restBits + 2);
    for (let g = 0; g < groups; g++) {
      const [from, to] = [offsets![g]!, offsets![g + 1]!];
      ranks.fill(0);
      if (to - from === registers) for (let at = from; at < to; at++) ranks[bytes[at]!]!++;
      else {
        for (let at = from; at < to; at += entryBytes) ranks[bytes[at + 2]!]!++;
        ranks[0] = registers - (to - from) / entryBytes;
      }
      const count = Math.round(estimate(ranks));
      data[2 * g] = lowLane(count);
      data[2 * g + 1] = highLane(count);
    }
    return makeColumn({ kind: 'integer' }, groups, data);
  }

  readonly #key = new Int32Array(2);
  readonly #found = new Int32Array(1);
  #set(g: number, index: number, rank: number): void {
    if (rank === 0) return;
    const own = this.#all.get(g);
    if (own !== undefined) {
      if (rank > own[index]!) own[index] = rank;
      return;
    }
    this.#key[0] = g;
    this.#key[1] = index;
    const before = this.#few.size;
    this.#few.add(this.#key, 1, this.#found);
    const entry = this.#found[0]!;
    if (entry >= this.#ranks.length) this.#ranks = grownBytes(this.#ranks, entry + 1);
    if (rank > this.#ranks[entry]!) this.#ranks[entry] = rank;
    if (this.#few.size > before && ++this.#counts[g]! > fewRegisters) this.#all.set(g, new Uint8Array(registers));
  }
}

/** The number of values from how many registers have which rank (Ertl, New cardinality estimation algorithms, 2017). */
function estimate(ranks: Float64Array): number {
  let z = registers * tau(1 - ranks[restBits + 1]! / registers);
  for (let rank = restBits; rank >= 1; rank--) z = 0.5 * (z + ranks[rank]!);
  z += registers * sigma(ranks[0]! / registers);
  return ((0.5 / Math.LN2) * registers * registers) / z;
}

function sigma(given: number): number {
  if (given === 1) return Infinity;
  let x = given;
  let y = 1;
  let z = x;
  for (let before = -1; before !== z; ) {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  }
  return z;
}

function tau(given: number): number {
  if (given === 0 || given === 1) return 0;
  let x = given;
  let y = 1;
  let z = 1 - x;
  for (let before = -1; before !== z; ) {
    x = Math.sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) ** 2 * y;
  }
  return z / 3;
}
