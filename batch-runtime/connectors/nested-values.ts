/**
 * Collects lists and structs of text formats: children are parsers of their own, which grow, and a list remembers where each of its
 * values ends. Where values stand in the text is the format's affair. Called by json-scan.ts.
 */
import { type Column, type ColumnType, isNested, type ListType, type StructType } from '../batch/batch.ts';
import { bitmapBytes, clearBit } from '../batch/bitmap.ts';
import { makeList, makeStruct } from '../batch/column.ts';
import { type FieldParser, fieldParser } from './csv-values.ts';

export type ValueParser = FieldParser | NestedParser;

export const valueParser = (type: ColumnType, capacity: number): ValueParser =>
  isNested(type) ? new NestedParser(type, capacity) : fieldParser(type, capacity);

export class NestedParser {
  readonly type: ListType | StructType;
  /** Of a list that of its values, of a struct those of its fields. */
  readonly children: readonly ValueParser[];
  #offsets: Int32Array;
  #validity: Uint8Array | null = null;
  length = 0;

  constructor(type: ListType | StructType, capacity: number) {
    this.type = type;
    const of = type.kind === 'list' ? [type.item] : type.fields;
    this.children = of.map((child) => valueParser(child.type, capacity));
    this.#offsets = new Int32Array(type.kind === 'list' ? capacity + 1 : 0);
  }

  appendNull(): void {
    const i = this.length;
    if (this.type.kind === 'struct') for (const child of this.children) child.appendNull();
    this.close();
    if (this.#validity === null || i >= 8 * this.#validity.length) {
      const grown = new Uint8Array(bitmapBytes(2 * (i + 1))).fill(0xff);
      if (this.#validity !== null) grown.set(this.#validity);
      this.#validity = grown;
    }
    clearBit(this.#validity, i);
  }

  /** A value of what its children have since the last one: of a struct one each, of a list any number. */
  close(): void {
    this.length++;
    if (this.type.kind === 'struct') return;
    if (this.length === this.#offsets.length) {
      const grown = new Int32Array(2 * this.#offsets.length);
      grown.set(this.#offsets);
      this.#offsets = grown;
    }
    this.#offsets[this.length] = this.children[0]!.length;
  }

  /** Forgets all but the first `length` values, and what children have of one that is not closed. */
  truncate(length: number): void {
    if (this.#validity !== null) for (let i = length; i < this.length && i < 8 * this.#validity.length; i++) this.#validity[i >> 3]! |= 1 << (i & 7);
    this.length = length;
    for (const child of this.children) child.truncate(this.type.kind === 'list' ? this.#offsets[length]! : length);
  }

  /** What was appended since the last time, as a column. */
  finish(): Column {
    const n = this.length;
    const { type } = this;
    const children = this.children.map((child) => child.finish());
    const validity = this.#validityOf(n);
    const column =
      type.kind === 'list' ? makeList(type, n, this.#offsets.slice(0, n + 1), validity, children[0]!) : makeStruct(type, n, validity, children);
    this.length = 0;
    this.#validity = null;
    return column;
  }

  /** It was made as long as it was needed for the last null; behind that all are there. */
  #validityOf(n: number): Uint8Array | null {
    if (this.#validity === null) return null;
    const bitmap = new Uint8Array(bitmapBytes(n)).fill(0xff);
    bitmap.set(this.#validity.subarray(0, bitmap.length));
    return bitmap;
  }
}
