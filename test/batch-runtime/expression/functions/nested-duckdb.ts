/** Values of any type as SQL of DuckDB, and what it answers as plain values. */
import type { DuckDBConnection, DuckDBListValue, DuckDBStructValue, DuckDBValue } from '@duckdb/node-api';
import { type ColumnType, columnTypeText } from '#runtime/batch/batch.ts';
import { decimalText } from '#runtime/batch/decimal.ts';
import type { PlainValue } from '#runtime/batch/rows.ts';

export function sqlType(type: ColumnType): string {
  switch (type.kind) {
    case 'list':
      return `${sqlType(type.item.type)}[]`;
    case 'struct':
      return `STRUCT(${type.fields.map((field) => `"${field.name}" ${sqlType(field.type)}`).join(', ')})`;
    case 'decimal':
      return columnTypeText(type).toUpperCase();
    default: {
      const flat: Readonly<Record<string, string>> = {
        int32: 'INTEGER',
        integer: 'BIGINT',
        int64: 'BIGINT',
        float64: 'DOUBLE',
        bool: 'BOOLEAN',
        utf8: 'VARCHAR',
        date: 'DATE',
        timestamp: 'TIMESTAMP',
      };
      return flat[type.kind]!;
    }
  }
}

export function sqlOfPlain(value: PlainValue, type: ColumnType): string {
  if (value === null) return `NULL::${sqlType(type)}`;
  if (type.kind === 'list') return `[${(value as PlainValue[]).map((item) => sqlOfPlain(item, type.item.type)).join(', ')}]::${sqlType(type)}`;
  if (type.kind === 'struct') {
    const fields = value as Readonly<Record<string, PlainValue>>;
    return `{${type.fields.map((field) => `"${field.name}": ${sqlOfPlain(fields[field.name]!, field.type)}`).join(', ')}}`;
  }
  if (type.kind === 'utf8') return `'${String(value).replaceAll("'", "''")}'`;
  if (type.kind === 'date') return `(DATE '1970-01-01' + (${value})::INTEGER)`;
  if (type.kind === 'timestamp') return `make_timestamp('${value}'::BIGINT)`;
  return `'${Object.is(value, -0) ? '-0' : value}'::${sqlType(type)}`;
}

/** What DuckDB gave, in the plain form of that type. */
export function plainOfDuck(given: DuckDBValue, type: ColumnType): PlainValue {
  if (given === null) return null;
  switch (type.kind) {
    case 'list':
      return (given as DuckDBListValue).items.map((item) => plainOfDuck(item, type.item.type));
    case 'struct': {
      const { entries } = given as DuckDBStructValue;
      return Object.fromEntries(type.fields.map((field) => [field.name, plainOfDuck(entries[field.name]!, field.type)]));
    }
    case 'decimal': {
      const { scale, value } = given as unknown as { scale: number; value: bigint };
      return decimalText(value, scale);
    }
    case 'date':
      return (given as unknown as { days: number }).days;
    case 'timestamp':
      return String((given as unknown as { micros: bigint }).micros);
    case 'integer':
    case 'int64':
      return String(given);
    case 'float64':
      return Number.isFinite(given) ? (given as number) : String(given);
    default:
      return typeof given === 'bigint' ? Number(given) : (given as PlainValue);
  }
}

/** One column, in the order of rows. */
export async function askDuck(duck: DuckDBConnection, sql: string, type: ColumnType): Promise<PlainValue[]> {
  const answer = await duck.runAndReadAll(sql);
  return answer.getRows().map(([value]) => plainOfDuck(value!, type));
}
