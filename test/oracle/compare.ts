/**
 * Rows from the engine and from DuckDB as the same text, and what differs between two tables of them: number and multiset
 * hash of rows, their order where they have one. Averages agree when 12 digits do.
 */
import type { Batch } from '#runtime/batch/batch.ts';
import { type PlainValue, plainValue } from '#runtime/batch/rows.ts';
import { textOf } from '#runtime/expression/cast.ts';
import { valueAt } from '#runtime/expression/values.ts';
import { isCarried } from './carried.ts';
import type { OutColumn, Output } from './case.ts';

/** null · text · number · boolean; whole numbers beyond int32 as digits. */
export type Cell = string | number | boolean | null;
export type Rows = readonly (readonly Cell[])[];

/** The engine's rows, in the order of the output's columns. */
export function cellsOf(batch: Batch, columns: readonly OutColumn[]): Cell[][] {
  const places = columns.map(({ name }) => batch.schema.findIndex((field) => field.name === name));
  return Array.from({ length: batch.length }, (_, i) =>
    places.map((c, k) => {
      const column = batch.columns[c];
      if (column === undefined) throw new Error(`the result has no column ${columns[k]!.name}`);
      const value = isCarried(columns[k]!.kind) ? valueAt(column, i) : null;
      return cell(value === null ? plainValue(column, i) : textOf(value, column.type), columns[k]!);
    }),
  );
}

/** A value as both sides write it: whole numbers and moments as digits, floats as numbers or 'NaN', 'Infinity'. */
export function cell(value: PlainValue | bigint | undefined, { kind, inexact }: OutColumn): Cell {
  if (value === null || value === undefined) return null;
  if (kind === 'float64') {
    const number = Number(value);
    // Text, so that they are not null in JSON; averages are rounded, and -0 is 0 as = has it.
    if (!Number.isFinite(number)) return String(number);
    return inexact ? Number(number.toPrecision(12)) + 0 : number + 0;
  }
  if (kind === 'bool' || kind === 'utf8' || isCarried(kind)) return value as Cell;
  return String(value);
}

const rowText = (row: readonly Cell[]): string => JSON.stringify(row);

/** FNV-1a in two lanes: the sum of the rows' hashes is the multiset's. */
function rowHash(text: string): bigint {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ (code + 0x5bd1), 0x85ebca6b) ^ (b >>> 15);
  }
  return (BigInt(a >>> 0) << 32n) | BigInt(b >>> 0);
}

/** Rows as a multiset: equal for equal rows in any order. */
export function multisetHash(rows: Rows): string {
  let sum = 0n;
  for (const row of rows) sum += rowHash(rowText(row));
  return `${rows.length}-${BigInt.asUintN(64, sum).toString(16)}`;
}

/** What is wrong, with the first rows in which it shows; null: nothing. */
export function difference(output: Output, expected: Rows, actual: Rows): string | null {
  if (output.any !== null) return anyOf(output, output.any, expected, actual);
  if (multisetHash(expected) !== multisetHash(actual)) {
    const found = multisetDifference(output, expected, actual);
    if (found !== null) return found;
  }
  return output.order.length === 0 ? null : orderDifference(output, expected, actual);
}

/** A limit without a total order may keep any rows of its input: enough of them, in order, each of which is there. */
function anyOf(output: Output, count: number, table: Rows, actual: Rows): string | null {
  const wanted = Math.min(count, table.length);
  if (actual.length !== wanted) return `${actual.length} rows, not ${wanted}`;
  const { missing } = subtract(actual, table);
  if (missing.length > 0) return `rows that are not in the table:\n${show(missing)}`;
  return output.order.length === 0 ? null : orderDifference(output, table.slice(0, wanted), actual);
}

/** Rows of `rows` beyond those in `from`, and the other way round. */
function subtract(rows: Rows, from: Rows): { missing: Cell[][]; extra: Cell[][] } {
  const counts = new Map<string, number>();
  for (const row of from) counts.set(rowText(row), (counts.get(rowText(row)) ?? 0) + 1);
  const missing: Cell[][] = [];
  for (const row of rows) {
    const left = counts.get(rowText(row)) ?? 0;
    if (left === 0) missing.push([...row]);
    else counts.set(rowText(row), left - 1);
  }
  const extra = [...counts].flatMap(([text, left]) => Array.from({ length: left }, () => JSON.parse(text) as Cell[]));
  return { missing, extra };
}

function multisetDifference({ columns }: Output, expected: Rows, actual: Rows): string | null {
  const { missing, extra } = subtract(expected, actual);
  // The twelfth digit of an average may round either way: what is left must agree in the rest, and nearly there.
  const exact = (row: readonly Cell[]): string => rowText(row.filter((_, c) => !columns[c]!.inexact));
  if (missing.length === extra.length && missing.length > 0 && columns.some(({ inexact }) => inexact)) {
    const by = (a: readonly Cell[], b: readonly Cell[]): number => (exact(a) + rowText(a) < exact(b) + rowText(b) ? -1 : 1);
    const [want, got] = [[...missing].sort(by), [...extra].sort(by)];
    if (want.every((row, i) => exact(row) === exact(got[i]!) && row.every((value, c) => !columns[c]!.inexact || near(value, got[i]![c]!))))
      return null;
  }
  return `${actual.length} rows, expected ${expected.length}\nmissing:\n${show(missing)}\nnot expected:\n${show(extra)}`;
}

const near = (a: Cell, b: Cell): boolean => a === b || (typeof a === 'number' && typeof b === 'number' && Math.abs(a - b) <= Math.abs(a) * 1.01e-11);

function orderDifference({ columns, order }: Output, expected: Rows, actual: Rows): string | null {
  const places = order.map(({ name }) => columns.findIndex((column) => column.name === name));
  const keys = (row: readonly Cell[]): string => rowText(places.map((c) => row[c]!));
  const at = expected.findIndex((row, i) => keys(row) !== keys(actual[i] ?? []));
  if (at < 0) return null;
  return `out of order at row ${at}: expected\n${show(expected.slice(at, at + 3))}\nnot\n${show(actual.slice(at, at + 3))}`;
}

const show = (rows: Rows): string =>
  rows
    .slice(0, 5)
    .map((row) => `  ${rowText(row)}`)
    .join('\n') + (rows.length > 5 ? `\n  and ${rows.length - 5} more` : '');
