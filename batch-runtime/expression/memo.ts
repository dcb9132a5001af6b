/**
 * Results of an expression that depends on one dictionary-encoded column only, one per entry of the dictionary, made when
 * a row first needs them (so an entry that no row has cannot raise an error). Kept as long as batches come with
 * the same dictionary. The compiled loops read its arrays; only compile.ts makes one.
 */
import type { Column, TypeKind } from '../batch/batch.ts';
import { makeColumn } from '../batch/column.ts';
import type { Unscaled } from '../batch/decimal.ts';
import { TextArena } from './text.ts';

export const unset = 0;
export const there = 1;
export const absent = 2;

/** Entry `size` stands for the null row. 5 to 9 bytes per entry of the dictionary, and the text of results. */
export class Memo {
  readonly kind: TypeKind;
  dictionary: Column | null = null;
  size = 0;
  /** unset, there or absent, by code. */
  state: Uint8Array = new Uint8Array(0);
  /** By code: the value, its two lanes, or for utf8 its number in `offsets`. */
  values: Int32Array | Float64Array | Unscaled[] = new Int32Array(0);
  text: TextArena = new TextArena(0);
  offsets: Int32Array = new Int32Array(2);
  #texts = 0;
  #column: Column | null = null;

  constructor(kind: TypeKind) {
    this.kind = kind;
  }

  /** Turns to this dictionary; forgets the results for another. */
  bind(dictionary: Column): void {
    if (dictionary === this.dictionary) return;
    const entries = dictionary.length + 1;
    this.dictionary = dictionary;
    this.size = dictionary.length;
    this.state = new Uint8Array(entries);
    if (this.kind === 'decimal') {
      this.values = new Array<Unscaled>(entries).fill(0);
      return;
    }
    const double = this.kind === 'float64' || this.kind === 'integer';
    this.values = double ? new Float64Array(entries) : new Int32Array(this.kind === 'int64' || this.kind === 'timestamp' ? 2 * entries : entries);
    if (this.kind !== 'utf8') return;
    this.text = new TextArena(8 * entries);
    this.offsets = new Int32Array(entries + 2);
    this.#texts = 0;
    this.#column = null;
  }

  /** Keeps the text of a code. */
  keep(code: number, bytes: Uint8Array, start: number, end: number): void {
    this.text.put(bytes, start, end);
    this.values[code] = this.#texts;
    this.offsets[++this.#texts] = this.text.top;
  }

  /** The texts as a dictionary, never an empty one. What is kept later stands behind them and does not change it. */
  toDictionary(): Column {
    const length = Math.max(1, this.#texts);
    if (this.#column?.length !== length || this.#column.data.length < this.text.top)
      this.#column = makeColumn({ kind: 'utf8' }, length, this.text.bytes, null, this.offsets);
    return this.#column;
  }
}
