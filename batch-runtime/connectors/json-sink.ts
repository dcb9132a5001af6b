/**
 * Writes NDJSON: an object with every column on each line, null for null, arrays and objects for lists and structs. Whole numbers are digits however many they are,
 * times text in UTC as in CSV, and what no JSON number can be (NaN, Infinity) is its name as text; the JSON source reads all of it
 * back. How files are written is text-sink.ts.
 */
import type { Batch, Column } from '../batch/batch.ts';
import { isNull } from '../batch/column.ts';
import { fieldsAt, itemsAt } from '../batch/rows.ts';
import { isNumeric } from '../expression/values.ts';
import { plainText } from './csv-sink.ts';
import { jsonEndings } from './json-source.ts';
import { textSink } from './text-sink.ts';

export const jsonSink = textSink({ endings: jsonEndings, head: () => '', lines: linesOf });

function linesOf({ schema, columns }: Batch, from: number, to: number): string {
  const keys = schema.map(({ name }, c) => `${c === 0 ? '{' : ','}${JSON.stringify(name)}:`);
  let text = '';
  for (let i = from; i < to; i++) {
    if (columns.length === 0) text += '{';
    for (let c = 0; c < columns.length; c++) text += keys[c]! + valueText(columns[c]!, i);
    text += '}\n';
  }
  return text;
}

const bare = new Set(['bool', 'int32', 'integer', 'int64']);

function valueText(column: Column, i: number): string {
  if (isNull(column, i)) return 'null';
  const { kind } = column.type;
  if (kind === 'list') return `[${itemsAt(column, i, valueText).join(',')}]`;
  if (kind === 'struct')
    return `{${Object.entries(fieldsAt(column, i, valueText))
      .map(([name, text]) => `${JSON.stringify(name)}:${text}`)
      .join(',')}}`;
  const text = plainText(column, i);
  if ((bare.has(kind) && (kind === 'bool' || isNumeric(column.type))) || (kind === 'float64' && Number.isFinite(column.data[i]!))) return text;
  return JSON.stringify(text);
}
