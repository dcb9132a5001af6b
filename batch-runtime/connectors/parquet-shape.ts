/**
 * A column of a Parquet schema as a tree of lists and structs over leaves, with the levels that say where a value is missing: a
 * value of a leaf comes with a repetition level, which list goes on, and a definition level, how deep it is there. Lists are told as
 * the format's rules for older writers have it; a map is a list of keys and values. Called by parquet-file.ts; what is read by it is parquet-assemble.ts.
 */
import type { SchemaElement } from 'hyparquet';

/** `def`: the definition level at which the node itself is there. */
export type ParquetShape =
  /** `chunk`: its place among the chunks of a row group. */
  | {
      readonly kind: 'leaf';
      readonly nullable: boolean;
      readonly def: number;
      readonly rep: number;
      readonly chunk: number;
      readonly element: SchemaElement;
    }
  /** An item is there at `def + 1`. */
  | { readonly kind: 'list'; readonly nullable: boolean; readonly def: number; readonly item: ParquetShape }
  | { readonly kind: 'struct'; readonly nullable: boolean; readonly def: number; readonly fields: ReadonlyMap<string, ParquetShape> };

/** Where the walk over the schema, a tree in preorder, stands. */
export interface SchemaCursor {
  at: number;
  leaf: number;
}

const maxDepth = 64;

/** The element at the cursor, which goes behind it. @throws Error when the schema is cut short or too deep */
export function shapeAt(schema: readonly SchemaElement[], cursor: SchemaCursor, def = 0, rep = 0, depth = 0): ParquetShape {
  const element = schema[cursor.at];
  if (element === undefined) throw new Error('its schema is cut short');
  if (depth > maxDepth) throw new Error(`its columns are nested deeper than ${maxDepth}`);
  if (element.repetition_type === 'REPEATED') {
    // Without a group around it: a list that is there, of items that are.
    return { kind: 'list', nullable: false, def, item: required(schema, cursor, def + 1, rep + 1, depth + 1) };
  }
  const nullable = element.repetition_type === 'OPTIONAL';
  const own = nullable ? def + 1 : def;
  if (!isList(element)) return { ...required(schema, cursor, own, rep, depth), nullable };
  const repeated = schema[cursor.at + 1];
  if (element.num_children !== 1 || repeated?.repetition_type !== 'REPEATED') return { ...required(schema, cursor, own, rep, depth), nullable };
  cursor.at++;
  const inside = schema[cursor.at + 1];
  const isItem =
    repeated.type !== undefined ||
    repeated.num_children !== 1 ||
    repeated.name === 'array' ||
    repeated.name === `${element.name}_tuple` ||
    inside?.repetition_type === 'REPEATED';
  if (isItem) return { kind: 'list', nullable, def: own, item: required(schema, cursor, own + 1, rep + 1, depth + 1) };
  cursor.at++;
  return { kind: 'list', nullable, def: own, item: shapeAt(schema, cursor, own + 1, rep + 1, depth + 1) };
}

const isList = ({ converted_type, logical_type, type }: SchemaElement): boolean =>
  type === undefined &&
  (['LIST', 'MAP', 'MAP_KEY_VALUE'].includes(converted_type ?? '') || logical_type?.type === 'LIST' || logical_type?.type === 'MAP');

/** The element at the cursor without its own repetition: a leaf or a struct that is there at `def`. */
function required(schema: readonly SchemaElement[], cursor: SchemaCursor, def: number, rep: number, depth: number): ParquetShape {
  const element = schema[cursor.at++]!;
  if (element.type !== undefined) return { kind: 'leaf', nullable: false, def, rep, chunk: cursor.leaf++, element };
  const fields = new Map<string, ParquetShape>();
  for (let child = 0; child < (element.num_children ?? 0); child++) {
    const { name } = schema[cursor.at] ?? { name: '' };
    fields.set(name, shapeAt(schema, cursor, def, rep, depth + 1));
  }
  return { kind: 'struct', nullable: false, def, fields };
}
