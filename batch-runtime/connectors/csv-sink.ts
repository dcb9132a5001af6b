/**
 * Writes CSV. A header line stands first in each file. Null is nothing between two delimiters and empty text is `""`, so that
 * the two stay apart; text is quoted where it has to be. How files are written is text-sink.ts.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { type Batch, type Column, columnTypeText, formOf, isNested } from '../batch/batch.ts';
import { bitAt } from '../batch/bitmap.ts';
import { isNull } from '../batch/column.ts';
import { decimalText } from '../batch/decimal.ts';
import { lanesToBigInt } from '../batch/lanes.ts';
import { textAt, unscaledOf } from '../batch/rows.ts';
import { formatDate, formatTimestamp } from '../expression/calendar.ts';
import { formText, shortest } from '../expression/form-text.ts';
import { valueAt } from '../expression/values.ts';
import { textSink } from './text-sink.ts';

export const csvSink = textSink({
  endings: ['.csv'],
  check(sink, schema) {
    const nested = schema.find(({ type }) => isNested(type));
    if (nested === undefined) return;
    const what = `${sink['path']}: CSV has no ${nested.type.kind} for column ${nested.name}: unnest it, select fields of it, or write NDJSON, Parquet or Arrow`;
    throw new SluiceError('PLAN_UNSUPPORTED', { what });
  },
  head: (schema) => record(schema.map((field) => quoted(field.name))),
  lines: recordsOf,
});

/** The records of rows [from, to). */
function recordsOf(batch: Batch, from: number, to: number): string {
  let text = '';
  for (let i = from; i < to; i++) text += record(batch.columns.map((column) => fieldText(column, i)));
  return text;
}

/** A line of fields as they stand in the file. */
export const record = (fields: readonly string[]): string => `${fields.join(',')}\n`;

/** A text as a field: in quotes where it would not be read back as it is. */
export const quoted = (text: string): string => (text === '' || /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function fieldText(column: Column, i: number): string {
  if (isNull(column, i)) return '';
  return column.type.kind === 'utf8' ? quoted(plainText(column, i)) : plainText(column, i);
}

const numberText = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));

/** A value that is there as text without quotes: whole numbers as digits, times as ISO text, UTC. Folders of partitions are named so too. */
export function plainText(column: Column, i: number): string {
  const { data } = column;
  const form = formOf(column.type);
  const own = form === null ? null : formText(valueAt(column, i)!, form);
  if (own !== null) return form === 'float32' ? numberText(shortest(data[i]!)) : own;
  switch (column.type.kind) {
    case 'bool':
      return bitAt(data as Uint8Array, i) === 1 ? 'true' : 'false';
    case 'int32':
      return String(data[i]!);
    case 'float64':
      return numberText(data[i]!);
    case 'integer':
    case 'int64':
      return String(lanesToBigInt(data[2 * i]!, data[2 * i + 1]!));
    case 'decimal':
      return decimalText(unscaledOf(column, i), column.type.scale);
    case 'utf8':
      return textAt(column, i);
    case 'date':
      return formatDate(data[i]!);
    case 'timestamp':
      return formatTimestamp(lanesToBigInt(data[2 * i]!, data[2 * i + 1]!));
    case 'list':
    case 'struct':
      throw new SluiceError('PLAN_UNSUPPORTED', { what: `a ${columnTypeText(column.type)} is no text: unnest it or select fields of it before` });
  }
}
