/**
 * Lists and structs put together from the leaves of a Parquet row group: what the levels say becomes offsets and bitmaps, the values of
 * a leaf go to the entries that have one. Works level by level over whole arrays. The way back is parquet-shred.ts; called by
 * parquet-source.ts.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Column, ColumnType } from '../batch/batch.ts';
import { bitmapBytes, setBit } from '../batch/bitmap.ts';
import { makeList, makeStruct } from '../batch/column.ts';
import { takeOrNull } from '../batch/take.ts';
import type { ParquetShape } from './parquet-shape.ts';

/** Of one leaf: a level each for every slot, and the values of those that have one. */
export interface Levels {
  readonly rep: Int32Array;
  readonly def: Int32Array;
  readonly values: Column;
}

export interface Declared {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
}

/** Where nulls are told of, and the levels of each leaf by its chunk. */
export interface Leaves {
  readonly path: string;
  readonly firstRow: number;
  of(chunk: number): Levels;
}

/** Entries of a node: slots that begin one, for `rep` or less, of lists that have it, at `def` or more. */
interface Entries {
  readonly rep: number;
  readonly def: number;
}

/** @returns the column of all rows. @throws NULL_IN_COLUMN, Error when leaves do not agree */
export const assemble = (shape: ParquetShape, field: Declared, leaves: Leaves): Column => build(shape, field, leaves, { rep: 0, def: 0 }, 0);

/** @param parent  the definition level at which what holds this node is there: below it a null is nobody's */
function build(shape: ParquetShape, field: Declared, leaves: Leaves, entries: Entries, parent: number): Column {
  const { rep, def } = leaves.of(firstLeaf(shape));
  const validity = validityOf(rep, def, shape, field, leaves, entries, parent);
  switch (shape.kind) {
    case 'leaf':
      return leafColumn(leaves.of(shape.chunk), shape, entries);
    case 'list': {
      if (field.type.kind !== 'list') throw new Error('a list where none is declared');
      const within = { rep: entries.rep + 1, def: shape.def + 1 };
      const offsets = offsetsOf(rep, def, entries, within);
      const items = build(shape.item, { name: `${field.name}[]`, ...field.type.item }, leaves, within, within.def);
      if (items.length !== offsets[offsets.length - 1])
        throw new Error(`column ${field.name} has ${items.length} items, its lists ${offsets.at(-1)}`);
      return makeList(field.type, offsets.length - 1, offsets, validity.bitmap, items);
    }
    case 'struct': {
      if (field.type.kind !== 'struct') throw new Error('a struct where none is declared');
      const fields = field.type.fields.map((each) => {
        const column = build(shape.fields.get(each.name)!, { ...each, name: `${field.name}.${each.name}` }, leaves, entries, shape.def);
        if (column.length !== validity.count) throw new Error(`field ${field.name}.${each.name} has ${column.length} values of ${validity.count}`);
        return column;
      });
      return makeStruct(field.type, validity.count, validity.bitmap, fields);
    }
  }
}

/** Of the leaves under a node any one says where its entries are. */
export function firstLeaf(shape: ParquetShape): number {
  if (shape.kind === 'leaf') return shape.chunk;
  if (shape.kind === 'list') return firstLeaf(shape.item);
  const [first] = shape.fields.values();
  if (first === undefined) throw new Error('a struct without fields');
  return firstLeaf(first);
}

function validityOf(
  rep: Int32Array,
  def: Int32Array,
  shape: ParquetShape,
  { name, nullable }: Declared,
  { path, firstRow }: Leaves,
  entries: Entries,
  parent: number,
): { readonly bitmap: Uint8Array | null; readonly count: number } {
  const bitmap = new Uint8Array(bitmapBytes(rep.length));
  let count = 0;
  let there = 0;
  let row = -1;
  for (let i = 0; i < rep.length; i++) {
    if (rep[i] === 0) row++;
    if (rep[i]! > entries.rep || def[i]! < entries.def) continue;
    if (def[i]! >= shape.def) {
      setBit(bitmap, count);
      there++;
    } else if (!nullable && def[i]! >= parent) throw new SluiceError('NULL_IN_COLUMN', { column: name, path, row: firstRow + row + 1 });
    count++;
  }
  return { bitmap: there === count ? null : bitmap.subarray(0, bitmapBytes(count)), count };
}

function offsetsOf(rep: Int32Array, def: Int32Array, lists: Entries, items: Entries): Int32Array {
  const offsets = new Int32Array(rep.length + 1);
  let list = 0;
  let item = 0;
  for (let i = 0; i < rep.length; i++) {
    if (rep[i]! <= lists.rep && def[i]! >= lists.def) offsets[list++] = item;
    if (rep[i]! <= items.rep && def[i]! >= items.def) item++;
  }
  offsets[list] = item;
  return offsets.subarray(0, list + 1);
}

/** The values of a leaf, each at its entry. */
function leafColumn({ rep, def, values }: Levels, { def: most }: ParquetShape, entries: Entries): Column {
  if (values.length === rep.length) return values;
  const rows = new Int32Array(rep.length);
  let count = 0;
  let value = 0;
  for (let i = 0; i < rep.length; i++) {
    if (def[i]! < entries.def) continue;
    rows[count++] = def[i]! >= most ? value++ : -1;
  }
  if (value !== values.length) throw new Error(`${values.length} values for ${value} places`);
  return value === count ? values : takeOrNull(values, rows, count);
}
