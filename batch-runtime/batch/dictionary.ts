/**
 * Dictionaries of utf8 columns: replacing one by plain bytes, and shrinking one to the entries a block uses. Who makes
 * them: sources through builder.ts. Who keeps them: everyone, through the shuffle, because codes are cheap keys.
 */
import type { Batch, Column } from './batch.ts';
import { makeBatch, makeColumn } from './column.ts';
import { takeColumn } from './take.ts';

/** The same values without a dictionary; the column itself if it has none. */
export function toPlain(column: Column): Column {
  if (column.dictionary === null) return column;
  if (column.dictionary.length === 0)
    return makeColumn(column.type, column.length, new Uint8Array(0), column.validity, new Int32Array(column.length + 1));
  const plain = takeColumn(column.dictionary, column.data as Int32Array, column.length);
  return makeColumn(column.type, column.length, plain.data, column.validity, plain.offsets);
}

/** It, or one of its children. */
const hasDictionary = (column: Column): boolean => column.dictionary !== null || column.children.some(hasDictionary);

/** Shrinks dictionaries, block after block, in scratch it keeps: 8 bytes per entry of the largest dictionary seen. */
export class Compactor {
  #codes = new Int32Array(0);
  #marks = new Int32Array(0);
  #round = 0;

  /** The same rows; dictionaries hold only what is used, in order of first use, unless nearly all is used. */
  compact(batch: Batch): Batch {
    if (!batch.columns.some(hasDictionary)) return batch;
    return makeBatch(
      batch.schema,
      batch.length,
      batch.columns.map((c) => this.#compacted(c)),
    );
  }

  #compacted(column: Column): Column {
    if (column.dictionary !== null) return this.#column(column, column.dictionary);
    return hasDictionary(column) ? { ...column, children: column.children.map((child) => this.#compacted(child)) } : column;
  }

  #column(column: Column, dictionary: Column): Column {
    const n = column.length;
    if (this.#marks.length < dictionary.length) {
      this.#marks = new Int32Array(dictionary.length);
      this.#codes = new Int32Array(dictionary.length);
      this.#round = 0;
    }
    const round = ++this.#round;
    const marks = this.#marks;
    const newCodes = this.#codes;
    const data = column.data as Int32Array;
    const codes = new Int32Array(n);
    const used = new Int32Array(Math.min(n, dictionary.length));
    let count = 0;
    if (dictionary.length > 0) {
      for (let i = 0; i < n; i++) {
        const code = data[i]!;
        if (marks[code] !== round) {
          marks[code] = round;
          newCodes[code] = count;
          used[count++] = code;
        }
        codes[i] = newCodes[code]!;
      }
    }
    if (4 * count > 3 * dictionary.length) return column;
    return makeColumn(column.type, n, codes, column.validity, null, takeColumn(dictionary, used, count));
  }
}
