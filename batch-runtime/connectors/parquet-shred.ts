/**
 * Lists and structs as the leaves of a Parquet row group: for each a repetition and a definition level per slot, and the values of
 * those that have one. Works level by level over whole arrays. The way back is parquet-assemble.ts; called by parquet-sink.ts.
 */
import type { SchemaElement } from 'hyparquet';
import type { Column, Field } from '../batch/batch.ts';
import { isNull } from '../batch/column.ts';
import { takeColumn } from '../batch/take.ts';

export interface Leaf {
  readonly element: SchemaElement;
  readonly path: readonly string[];
  readonly maxRep: number;
  readonly maxDef: number;
  readonly rep: Uint8Array;
  readonly def: Uint8Array;
  /** Of the slots at `maxDef`, in order; none is null. */
  readonly values: Column;
}

/** Slots of the column at hand: its row, or -1 where something above it is missing. */
interface Slots {
  readonly rep: Uint8Array;
  readonly def: Uint8Array;
  readonly row: Int32Array;
}

/** A field of the file: its element, and below a list or a struct theirs. */
export interface FileField {
  readonly element: SchemaElement;
  readonly children: readonly FileField[];
}

/** Elements of a field, `leafOf` gives those without children. */
export function fileField({ name, type, nullable }: Field, leafOf: (field: Field) => SchemaElement): FileField {
  const repetition_type = nullable ? 'OPTIONAL' : 'REQUIRED';
  if (type.kind === 'list') {
    const item = fileField({ name: 'element', ...type.item }, leafOf);
    const repeated: FileField = { element: { name: 'list', repetition_type: 'REPEATED', num_children: 1 }, children: [item] };
    return { element: { name, repetition_type, num_children: 1, converted_type: 'LIST', logical_type: { type: 'LIST' } }, children: [repeated] };
  }
  if (type.kind === 'struct') {
    const children = type.fields.map((field) => fileField(field, leafOf));
    return { element: { name, repetition_type, num_children: children.length }, children };
  }
  return { element: leafOf({ name, type, nullable }), children: [] };
}

/** In preorder, as a schema has them. */
export const elementsOf = (field: FileField): SchemaElement[] => [field.element, ...field.children.flatMap(elementsOf)];

export function shred(column: Column, field: FileField): Leaf[] {
  const n = column.length;
  const slots: Slots = { rep: new Uint8Array(n), def: new Uint8Array(n), row: Int32Array.from({ length: n }, (_, i) => i) };
  return leaves(column, field, slots, [], 0, 0);
}

function leaves(column: Column, field: FileField, given: Slots, above: readonly string[], rep: number, def: number): Leaf[] {
  const { element } = field;
  const path = [...above, element.name];
  const nullable = element.repetition_type === 'OPTIONAL';
  const slots = nullable ? withNulls(column, given) : given;
  const own = nullable ? def + 1 : def;
  switch (column.type.kind) {
    case 'list': {
      const [repeated] = field.children;
      const [item] = repeated!.children;
      return leaves(column.children[0]!, item!, opened(column, slots, rep + 1), [...path, repeated!.element.name], rep + 1, own + 1);
    }
    case 'struct':
      return field.children.flatMap((child, f) => leaves(column.children[f]!, child, slots, path, rep, own));
    default: {
      const rows = slots.row.filter((row) => row >= 0);
      return [{ element, path, maxRep: rep, maxDef: own, rep: slots.rep, def: slots.def, values: { ...takeColumn(column, rows), validity: null } }];
    }
  }
}

/** One level deeper where there is a value. */
function withNulls(column: Column, { rep, def, row }: Slots): Slots {
  const deeper = def.slice();
  const rows = row.slice();
  for (let i = 0; i < row.length; i++) {
    if (row[i]! < 0) continue;
    if (isNull(column, row[i]!)) rows[i] = -1;
    else deeper[i]!++;
  }
  return { rep, def: deeper, row: rows };
}

/** A slot for each item; one for a list that has none, or is none. */
function opened({ offsets }: Column, { rep, def, row }: Slots, level: number): Slots {
  let count = 0;
  for (let i = 0; i < row.length; i++) count += row[i]! < 0 ? 1 : Math.max(1, offsets![row[i]! + 1]! - offsets![row[i]!]!);
  const out = { rep: new Uint8Array(count), def: new Uint8Array(count), row: new Int32Array(count) };
  let at = 0;
  for (let i = 0; i < row.length; i++) {
    const from = row[i]! < 0 ? 0 : offsets![row[i]!]!;
    const to = row[i]! < 0 ? 0 : offsets![row[i]! + 1]!;
    const none = from === to;
    for (let item = from; item < to || (none && item === from); item++) {
      out.rep[at] = item === from ? rep[i]! : level;
      out.def[at] = none ? def[i]! : def[i]! + 1;
      out.row[at++] = none ? -1 : item;
    }
  }
  return out;
}
