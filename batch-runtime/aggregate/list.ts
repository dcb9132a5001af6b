/**
 * The values of each group as a list, nulls too, in the order of rows. Values are kept as they come, a column for each batch, and gathered
 * by group once at the end, so any type will do; between two phases each group's list travels as what it is.
 */
import type { Column, ColumnType } from '../batch/batch.ts';
import { bitAt, bitmapBytes, setBit } from '../batch/bitmap.ts';
import { columnBytes, makeList } from '../batch/column.ts';
import { concatColumns } from '../batch/concat.ts';
import { takeColumn } from '../batch/take.ts';
import { wrong } from '../expression/functions/row.ts';
import { rowsByGroup } from './packed.ts';
import type { Accumulator, AggregateRows } from './row.ts';

export const lists: AggregateRows = {
  toList: {
    doc: 'The values as a list, nulls too, in the order of rows.',
    empty: 'null',
    nulls: 'keep',
    ofNulls: 'value',
    nested: true,
    keeps: 'values',
    order: () => 'result',
    resolve: (fn, argument): ColumnType =>
      argument === null ? wrong(`${fn} of nothing`) : { kind: 'list', item: { type: argument.type, nullable: argument.nullable } },
    fields: ({ name, type }) => [{ name, type, nullable: true }],
    create: ({ type }) => new Lists(type),
  },
};

class Lists implements Accumulator {
  readonly #type: ColumnType;
  readonly #item: ColumnType;
  #values: Column[] = [];
  /** Of each column, the groups of its values. */
  #groups: Int32Array[] = [];
  #count = 0;
  #bytes = 0;

  constructor(type: ColumnType) {
    this.#type = type;
    this.#item = type.kind === 'list' ? type.item.type : wrong(`toList gives a list, not ${type.kind}`);
  }

  get bytes(): number {
    return this.#bytes;
  }

  grow(): void {}

  update(group: Int32Array, length: number, argument: Column | null): void {
    let there = 0;
    for (let i = 0; i < length; i++) if (group[i]! >= 0) there++;
    if (there === 0) return;
    if (there === length) {
      this.#keep(argument!, group.slice(0, length));
      return;
    }
    const rows = new Int32Array(there);
    const groups = new Int32Array(there);
    for (let i = 0, k = 0; i < length; i++) {
      if (group[i]! < 0) continue;
      rows[k] = i;
      groups[k++] = group[i]!;
    }
    this.#keep(takeColumn(argument!, rows), groups);
  }

  merge(group: Int32Array, length: number, columns: readonly Column[]): void {
    const { offsets, validity, children } = columns[0]!;
    const from = offsets![0]!;
    const groups = new Int32Array(offsets![length]! - from).fill(-1);
    for (let i = 0; i < length; i++)
      if (validity === null || bitAt(validity, i) === 1) groups.fill(group[i]!, offsets![i]! - from, offsets![i + 1]! - from);
    const rows = Int32Array.from(groups, (_, k) => from + k);
    this.update(groups, groups.length, takeColumn(children[0]!, rows));
  }

  partial(groups: number): Column[] {
    return [this.final(groups)];
  }

  /** A group without a value has no list. */
  final(groups: number): Column {
    const all = concatColumns(this.#item, this.#values, this.#count);
    const owner = new Int32Array(this.#count);
    let at = 0;
    for (const some of this.#groups) {
      owner.set(some, at);
      at += some.length;
    }
    const { rows, ends } = rowsByGroup(owner, this.#count, groups);
    const offsets = new Int32Array(groups + 1);
    offsets.set(ends.subarray(0, groups), 1);
    const validity = new Uint8Array(bitmapBytes(groups));
    for (let g = 0; g < groups; g++) if (offsets[g + 1]! > offsets[g]!) setBit(validity, g);
    return makeList(this.#type, groups, offsets, validity, takeColumn(all, rows));
  }

  #keep(values: Column, groups: Int32Array): void {
    this.#values.push(values);
    this.#groups.push(groups);
    this.#count += groups.length;
    this.#bytes += columnBytes(values) + (values.dictionary === null ? 0 : columnBytes(values.dictionary)) + groups.byteLength;
  }
}
