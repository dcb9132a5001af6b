/**
 * How many different values: exactly, by keeping each value of each group once. The state of a group is as large as its values; the plan
 * makes two levels of groups of it where it can (graph/rules), so that what is here stays small.
 */
import type { Column } from '../batch/batch.ts';
import { makeColumn } from '../batch/column.ts';
import { GroupTable } from '../batch/groups.ts';
import { KeyEncoder } from '../batch/keys.ts';
import { takeColumn } from '../batch/take.ts';
import type { Aggregate, Expression } from '../expression/expression.ts';
import { wrong } from '../expression/functions/row.ts';
import { grownWords } from './grown.ts';
import { pack, packedType, unpack } from './packed.ts';
import type { Accumulator, AggregateRows } from './row.ts';

export const distincts: AggregateRows = {
  countDistinct: {
    doc: 'How many different values, exactly; null is none, -0 is 0 and every NaN the same.',
    empty: 'zero',
    nulls: 'skip',
    order: () => 'nothing',
    keeps: 'values',
    resolve: (fn, argument) => (argument === null ? wrong(`${fn} of nothing`) : { kind: 'integer' }),
    fields: ({ name }) => [{ name, type: packedType, nullable: false }],
    create: (aggregate) => new CountDistinct(aggregate),
  },
};

/** A group with more values than these has all of them in the table. */
const mostListed = 8;
/** In place of the first of its list: the group's values are in the table. */
const inTable = -1;

/**
 * Groups of few values keep them in lists, which stand side by side for groups that come side by side, as those of sorted rows do: a value
 * is found by comparing a few. Those of larger groups are in one hash table of groups and values.
 */
class CountDistinct implements Accumulator {
  readonly #argument: Expression;
  readonly #encoder: KeyEncoder;
  /** How many values, by group. */
  #counts = new Int32Array(0);
  /** The first of its list + 1, by group; 0: it has none. */
  #first = new Int32Array(0);
  /** Of each value in a list: the next one + 1, its group, its lanes. */
  #next = new Int32Array(0);
  #owners = new Int32Array(0);
  #values = new Int32Array(0);
  #listed = 0;
  /** The lanes of a value, then its group. */
  readonly #table: GroupTable;
  // Scratch of a batch.
  #rows = new Int32Array(0);
  #groups = new Int32Array(0);
  #lanes = new Int32Array(0);
  #pairs = new Int32Array(0);

  constructor({ argument }: Aggregate) {
    this.#argument = argument!;
    this.#encoder = new KeyEncoder([{ type: this.#argument.type, nullable: false }]);
    this.#table = new GroupTable(this.#encoder.width + 1);
  }

  get bytes(): number {
    return 4 * (2 * this.#counts.length + 2 * this.#next.length + this.#values.length) + this.#table.bytes + this.#encoder.bytes;
  }

  grow(groups: number): void {
    if (groups <= this.#counts.length) return;
    this.#counts = grownWords(this.#counts, groups);
    this.#first = grownWords(this.#first, groups);
  }

  update(group: Int32Array, length: number, argument: Column | null): void {
    const { width } = this.#encoder;
    if (this.#rows.length < length) {
      this.#rows = new Int32Array(length);
      this.#groups = new Int32Array(length);
      this.#lanes = new Int32Array(length * width);
      this.#pairs = new Int32Array(length * (width + 1));
    }
    let n = 0;
    for (let i = 0; i < length; i++) {
      if (group[i]! < 0) continue;
      this.#rows[n] = i;
      this.#groups[n++] = group[i]!;
    }
    const values = n === length ? argument! : takeColumn(argument!, this.#rows, n);
    const lanes = this.#lanes;
    this.#encoder.encode([values], n, false, lanes);
    let pairs = 0;
    for (let i = 0; i < n; i++) {
      const g = this.#groups[i]!;
      if (this.#first[g] !== inTable) {
        if (this.#isListed(g, lanes, i * width)) continue;
        if (this.#counts[g]! < mostListed) {
          this.#list(g, lanes, i * width);
          continue;
        }
        this.#moveToTable(g);
      }
      putPair(this.#pairs, pairs++, lanes, i * width, width, g);
    }
    if (pairs === 0) return;
    let known = this.#table.size;
    this.#table.add(this.#pairs, pairs, this.#rows);
    const { keys, size } = this.#table;
    for (; known < size; known++) this.#counts[keys[known * (width + 1) + width]!]!++;
  }

  #isListed(g: number, lanes: Int32Array, from: number): boolean {
    const { width } = this.#encoder;
    const values = this.#values;
    for (let at = this.#first[g]! - 1; at >= 0; at = this.#next[at]! - 1) {
      let lane = 0;
      while (lane < width && values[at * width + lane] === lanes[from + lane]) lane++;
      if (lane === width) return true;
    }
    return false;
  }

  #list(g: number, lanes: Int32Array, from: number): void {
    const { width } = this.#encoder;
    const at = this.#listed++;
    if (at === this.#next.length) {
      this.#next = grownWords(this.#next, at + 1);
      this.#owners = grownWords(this.#owners, at + 1);
      this.#values = grownWords(this.#values, width * this.#next.length);
    }
    for (let lane = 0; lane < width; lane++) this.#values[at * width + lane] = lanes[from + lane]!;
    this.#owners[at] = g;
    this.#next[at] = this.#first[g]!;
    this.#first[g] = at + 1;
    this.#counts[g]!++;
  }

  /** The places in the list stay, and are nobody's. */
  #moveToTable(g: number): void {
    const { width } = this.#encoder;
    const pairs = new Int32Array(mostListed * (width + 1));
    let count = 0;
    for (let at = this.#first[g]! - 1; at >= 0; at = this.#next[at]! - 1) {
      putPair(pairs, count++, this.#values, at * width, width, g);
      this.#owners[at] = -1;
    }
    this.#table.add(pairs, count, new Int32Array(count));
    this.#first[g] = inTable;
  }

  merge(group: Int32Array, _length: number, columns: readonly Column[]): void {
    const { values, group: owner } = unpack(columns[0]!, this.#argument.type, group);
    this.update(owner, owner.length, values);
  }

  partial(groups: number): Column[] {
    const { width } = this.#encoder;
    const { keys, size } = this.#table;
    const lanes = new Int32Array(width * (this.#listed + size));
    const owners = new Int32Array(this.#listed + size);
    lanes.set(this.#values.subarray(0, width * this.#listed));
    owners.set(this.#owners.subarray(0, this.#listed));
    for (let pair = 0, to = this.#listed; pair < size; pair++, to++) {
      for (let lane = 0; lane < width; lane++) lanes[to * width + lane] = keys[pair * (width + 1) + lane]!;
      owners[to] = keys[pair * (width + 1) + width]!;
    }
    return [pack(this.#encoder.decode(lanes, owners.length)[0]!, owners, groups)];
  }

  final(groups: number): Column {
    const data = new Int32Array(2 * groups);
    for (let g = 0; g < groups; g++) data[2 * g] = this.#counts[g]!;
    return makeColumn({ kind: 'integer' }, groups, data);
  }
}

function putPair(pairs: Int32Array, at: number, lanes: Int32Array, from: number, width: number, g: number): void {
  const to = at * (width + 1);
  for (let lane = 0; lane < width; lane++) pairs[to + lane] = lanes[from + lane]!;
  pairs[to + width] = g;
}
