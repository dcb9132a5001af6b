/** Compares rows of the function table with DuckDB, on all combinations of edge values. */
import assert from 'node:assert/strict';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { SluiceError } from '#manager/protocol/errors.ts';
import { type Batch, type ColumnType, columnTypeText, formOf, type Schema } from '#runtime/batch/batch.ts';
import { decimalText } from '#runtime/batch/decimal.ts';
import { type Form, forms } from '#runtime/batch/forms.ts';
import { take } from '#runtime/batch/take.ts';
import { textOf } from '#runtime/expression/cast.ts';
import { compileProjection } from '#runtime/expression/compile.ts';
import type { Expression } from '#runtime/expression/expression.ts';
import type { FunctionRows } from '#runtime/expression/functions/row.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import { interpret } from '#runtime/expression/interpret.ts';
import { isWhole, type Value, valueAt } from '#runtime/expression/values.ts';
import { columnOf, edges, nameOf, type TypeName, typeOf } from '../random.ts';
import { type Case, caseCall, cases, sqlTypes } from './cases.ts';

export async function withDuckDb<T>(work: (duck: DuckDBConnection) => Promise<T>): Promise<T> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const duck = await instance.connect();
  try {
    return await work(duck);
  } finally {
    duck.closeSync();
    instance.closeSync();
  }
}

/** Every one of these functions has its cases, and gives what DuckDB gives. @returns rows compared */
export const agree = (rows: FunctionRows): Promise<number> =>
  withDuckDb(async (duck) => {
    let compared = 0;
    for (const fn of Object.keys(rows)) {
      const own = cases.filter((one) => one.fn === fn);
      assert(own.length > 0, `${fn} has no case: add it to cases.ts`);
      for (const one of own) compared += await compare(duck, one);
    }
    return compared;
  });

export function sqlOf(value: Value, kind: TypeName): string {
  if (value === null) return `NULL::${sqlTypes[kind]}`;
  if (kind === 'utf8') return `'${(value as string).replaceAll("'", "''")}'`;
  if (kind === 'date') return `(DATE '1970-01-01' + (${value})::INTEGER)`;
  if (kind === 'timestamp') return `make_timestamp('${value}'::BIGINT)`;
  const type = typeOf(kind);
  if (formOf(type) !== null) return `'${textOf(value, type).replaceAll("'", "''")}'::${sqlTypes[kind]}`;
  if (type.kind === 'decimal') return `'${decimalText(value as bigint, type.scale)}'::${sqlTypes[kind]}`;
  return `'${Object.is(value, -0) ? '-0' : value}'::${sqlTypes[kind]}`;
}

/** What DuckDB gave, as our value of that kind. */
export function ours(given: unknown, type: ColumnType): Value {
  if (given === null) return null;
  const { kind } = type;
  const form = formOf(type);
  if (form !== null) return ofForm(given, form);
  if (kind === 'decimal') {
    const { scale, value } = given as { readonly scale: number; readonly value: bigint };
    assert.equal(scale, type.scale);
    return value;
  }
  if (kind === 'date') return (given as { days: number }).days;
  if (kind === 'timestamp') return (given as { micros: bigint }).micros;
  if (kind === 'int64') return BigInt(given as number);
  return kind === 'int32' || kind === 'integer' || kind === 'float64' ? Number(given) : (given as Value);
}

function ofForm(given: unknown, form: Form): Value {
  const { meaning, kind, unit } = forms[form];
  if (meaning === 'bytes') return Buffer.from((given as { bytes: Uint8Array }).bytes).toString('latin1');
  if (meaning === 'time') return Number((given as { micros: bigint }).micros);
  if (meaning === 'number') return kind === 'decimal' ? BigInt(given as bigint) : Number(given);
  const { seconds, millis, micros, nanos } = given as Readonly<Record<'seconds' | 'millis' | 'micros' | 'nanos', bigint>>;
  if (unit === 'ns') return nanos;
  return micros ?? (unit === 's' ? seconds * 1_000_000n : millis * 1000n);
}

const everyRow = (lists: readonly (readonly Value[])[]): Value[][] =>
  lists.reduce<Value[][]>((rows, list) => rows.flatMap((row) => list.map((value) => [...row, value])), [[]]);

const error = 'error';
function evaluate(expression: Expression, batch: Batch, row: number): Value | typeof error {
  try {
    return interpret(expression, batch, row);
  } catch (thrown) {
    if (thrown instanceof SluiceError) return error;
    throw thrown;
  }
}

export async function compare(duck: DuckDBConnection, one: Case): Promise<number> {
  const schema: Schema = one.kinds.map((kind, k) => ({ name: `c${k}`, type: typeOf(kind), nullable: true }));
  const rows = everyRow(one.kinds.map((kind) => [null, ...edges[kind].slice(0, one.kinds.length > 2 ? 9 : undefined)])).filter(
    (row) => !one.except?.(row),
  );
  const batch: Batch = {
    schema,
    length: rows.length,
    columns: one.kinds.map((kind, k) =>
      columnOf(
        kind,
        rows.map((row) => row[k]!),
      ),
    ),
  };
  const expression = caseCall(one, schema.map(columnRef));
  if (one.sql !== null) await compareSql(duck, one, one.sql, expression, rows, batch);
  compareCompiled(
    expression,
    batch,
    rows.map((_, i) => evaluate(expression, batch, i)),
  );
  return rows.length;
}

function same(mine: Value, theirs: Value, near: boolean): boolean {
  if (typeof mine !== 'number' || typeof theirs !== 'number') return mine === theirs;
  return Object.is(mine + 0, theirs + 0) || (near && Math.abs(mine - theirs) <= Math.abs(theirs) * 1e-15);
}

/** The compiled loop gives what the interpreter gives, with and without dictionaries. */
function compareCompiled(expression: Expression, batch: Batch, expected: readonly (Value | typeof error)[]): void {
  const right = Int32Array.from(expected.keys()).filter((i) => expected[i] !== error);
  for (const dictionary of [false, true]) {
    const columns = batch.schema.map(({ type }, c) =>
      columnOf(
        nameOf(type),
        expected.map((_, i) => valueAt(batch.columns[c]!, i)),
        { dictionary },
      ),
    );
    const whole: Batch = { ...batch, columns };
    const project = compileProjection(batch.schema, [expression]);
    const [given] = project(take(whole, right));
    right.forEach((i, k) => void assert.deepEqual(valueAt(given!, k), expected[i], `compiled, row ${i}, dictionary ${dictionary}`));
    expected.forEach((value, i) => {
      if (value === error) assert.throws(() => project(take(whole, Int32Array.of(i))), SluiceError, `compiled, row ${i}`);
    });
  }
}

async function compareSql(
  duck: DuckDBConnection,
  one: Case,
  template: string,
  expression: Expression,
  rows: readonly (readonly Value[])[],
  batch: Batch,
) {
  const names = one.kinds.map((_, k) => `c${k}`);
  const values = rows.map((row, i) => `(${i}, ${row.map((value, k) => sqlOf(value, one.kinds[k]!)).join(', ')})`);
  const sql = template.replaceAll(/\$(\d)/g, (_, k) => names[k - 1]!);
  const { kind } = expression.type;
  const typed = isWhole(expression.type) ? `(${sql})::BIGINT` : sql;
  const answer = await duck.runAndReadAll(`select i, try(${typed}) from (values ${values.join(', ')}) t(i, ${names.join(', ')}) order by i`);
  const given = answer.getRows();
  if (kind === 'decimal' && formOf(expression.type) === null)
    assert.equal(answer.columnType(1).toString(), columnTypeText(expression.type).toUpperCase(), sql);
  rows.forEach((row, i) => {
    const mine = evaluate(expression, batch, i);
    const theirs = ours(given[i]![1], expression.type);
    // try() makes an error a null; without a null argument only errors are null here
    const right = mine === error ? theirs === null : same(mine, theirs, one.near === true);
    if (!right)
      assert.fail(
        `${template} of (${row.map((value) => (typeof value === 'string' ? JSON.stringify(value) : String(value))).join(', ')}): ${String(mine)}, DuckDB ${String(theirs)}`,
      );
  });
}
