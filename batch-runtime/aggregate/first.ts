/**
 * The value of the first or last row of each group: as the rows come, or by a key. Rows are kept as they are gathered, in pieces, and a
 * group knows where its own is, so any column type will do; pieces are put together when most of what they hold is no longer
 * anybody's. Ties go to the earlier row for first, to the later one for last.
 */
import type { Column } from '../batch/batch.ts';
import { bitAt, bitmapBytes, setBit } from '../batch/bitmap.ts';
import { columnBytes, makeColumn } from '../batch/column.ts';
import { type Comparator, columnComparator } from '../batch/compare.ts';
import { concatColumns } from '../batch/concat.ts';
import { takeColumn, takeOrNull } from '../batch/take.ts';
import type { Aggregate } from '../expression/expression.ts';
import { wrong } from '../expression/functions/row.ts';
import type { Accumulator, AggregateRow, AggregateRows } from './row.ts';

const row = (doc: string, sign: 1 | -1): AggregateRow => ({
  doc,
  empty: 'null',
  nulls: 'keep',
  nested: true,
  order: () => 'result',
  resolve: (fn, argument) => argument?.type ?? wrong(`${fn} of nothing`),
  fields: ({ name, type, more = [] }) => [
    { name, type, nullable: true },
    { name: `${name}.seen`, type: { kind: 'bool' }, nullable: false },
    ...more.map((key) => ({ name: `${name}.key`, type: key.type, nullable: true })),
  ],
  create: (aggregate) => new First(aggregate, sign),
});

export const firsts: AggregateRows = {
  first: row('The value of the first row, which may be null: as the rows come, or the one with the least key; a null key comes last.', 1),
  last: row('The value of the last row, which may be null: as the rows come, or the one with the greatest key; a null key comes last.', -1),
};

interface Piece {
  readonly value: Column;
  readonly key: Column | null;
  readonly bytes: number;
}
/** More pieces are put together. */
const maxPieces = 16;

class First implements Accumulator {
  readonly #aggregate: Aggregate;
  readonly #sign: 1 | -1;
  readonly #hasKey: boolean;
  #pieces: Piece[] = [];
  /** By group: the piece and the row in it of what it has; -1: nothing. */
  #piece = new Int32Array(0);
  #row = new Int32Array(0);
  #groups = 0;
  /** By group: the row of this batch that it may take; -1: none. */
  #best = new Int32Array(0);

  constructor(aggregate: Aggregate, sign: 1 | -1) {
    this.#aggregate = aggregate;
    this.#sign = sign;
    this.#hasKey = (aggregate.more?.length ?? 0) > 0;
  }

  get bytes(): number {
    return this.#pieces.reduce((sum, { bytes }) => sum + bytes, 3 * this.#piece.byteLength);
  }

  grow(groups: number): void {
    this.#groups = Math.max(groups, this.#groups);
    if (groups <= this.#piece.length) return;
    const length = Math.max(groups, 2 * this.#piece.length, 64);
    const wider = (words: Int32Array): Int32Array<ArrayBuffer> => {
      const grown = new Int32Array(length).fill(-1);
      grown.set(words);
      return grown;
    };
    this.#piece = wider(this.#piece);
    this.#row = wider(this.#row);
    this.#best = wider(this.#best);
  }

  update(group: Int32Array, length: number, argument: Column | null, more: readonly Column[]): void {
    this.#add(group, length, argument!, more[0] ?? null);
  }

  merge(group: Int32Array, length: number, columns: readonly Column[]): void {
    const seen = columns[1]!.data as Uint8Array;
    const there = new Int32Array(length);
    for (let i = 0; i < length; i++) there[i] = bitAt(seen, i) === 1 ? group[i]! : -1;
    this.#add(there, length, columns[0]!, columns[2] ?? null);
  }

  partial(groups: number): Column[] {
    const seen = new Uint8Array(bitmapBytes(groups));
    for (let g = 0; g < groups; g++) if (this.#piece[g]! >= 0) setBit(seen, g);
    const kept = this.#kept(groups);
    return [kept.value, makeColumn({ kind: 'bool' }, groups, seen), ...(kept.key === null ? [] : [kept.key])];
  }

  final(groups: number): Column {
    return this.#kept(groups).value;
  }

  #add(group: Int32Array, length: number, value: Column, key: Column | null): void {
    const best = this.#best;
    const touched: number[] = [];
    const sign = this.#sign;
    const compare = key === null ? null : columnComparator(key, key, false);
    for (let i = 0; i < length; i++) {
      const g = group[i]!;
      if (g < 0) continue;
      const now = best[g]!;
      if (now < 0) {
        // By the order of rows alone, the first one that is there stays.
        if (compare === null && sign > 0 && this.#piece[g]! >= 0) continue;
        best[g] = i;
        touched.push(g);
      } else if (compare === null ? sign < 0 : wins(compare(i, now) * sign, sign)) best[g] = i;
    }
    const comparators: (Comparator | undefined)[] = [];
    const beats = (i: number, g: number): boolean => {
      const at = this.#piece[g]!;
      if (at < 0 || key === null) return true;
      comparators[at] ??= columnComparator(key, this.#pieces[at]!.key!, false);
      return wins(comparators[at](i, this.#row[g]!) * sign, sign);
    };
    const rows = new Int32Array(touched.length);
    let taken = 0;
    for (const g of touched) {
      const i = best[g]!;
      best[g] = -1;
      if (!beats(i, g)) continue;
      this.#piece[g] = this.#pieces.length;
      this.#row[g] = taken;
      rows[taken++] = i;
    }
    if (taken === 0) return;
    this.#keep(takeColumn(value, rows, taken), key === null ? null : takeColumn(key, rows, taken));
    if (this.#pieces.length > maxPieces) this.#compact();
  }

  #keep(value: Column, key: Column | null): void {
    this.#pieces.push({ value, key, bytes: heldBytes(value) + (key === null ? 0 : heldBytes(key)) });
  }

  /** One piece, in which group g has row g. */
  #compact(): void {
    if (this.#pieces.length === 0) return;
    const { value, key } = this.#kept(this.#groups);
    this.#pieces = [];
    this.#keep(value, key);
    for (let g = 0; g < this.#groups; g++) {
      if (this.#piece[g]! < 0) continue;
      this.#piece[g] = 0;
      this.#row[g] = g;
    }
  }

  /** What each group has; null where it has nothing. */
  #kept(groups: number): { readonly value: Column; readonly key: Column | null } {
    const starts: number[] = [];
    let start = 0;
    for (const { value } of this.#pieces) {
      starts.push(start);
      start += value.length;
    }
    const rows = new Int32Array(groups);
    for (let g = 0; g < groups; g++) rows[g] = this.#piece[g]! < 0 ? -1 : starts[this.#piece[g]!]! + this.#row[g]!;
    const { argument, more = [] } = this.#aggregate;
    const all = (type: Column['type'], columns: readonly Column[]): Column => takeOrNull(concatColumns(type, columns, start), rows, groups);
    return {
      value: all(
        argument!.type,
        this.#pieces.map(({ value }) => value),
      ),
      key: this.#hasKey
        ? all(
            more[0]!.type,
            this.#pieces.map(({ key }) => key!),
          )
        : null,
    };
  }
}

/** Whether a later row takes the place of an earlier one; among equals the first stays the first, the last is the latest. */
const wins = (difference: number, sign: 1 | -1): boolean => (sign > 0 ? difference < 0 : difference <= 0);

/** A dictionary counts where it is held, though others may hold it too. */
const heldBytes = (column: Column): number => columnBytes(column) + (column.dictionary === null ? 0 : columnBytes(column.dictionary));
