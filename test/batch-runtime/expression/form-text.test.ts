import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DuckDBConnection } from '@duckdb/node-api';
import { SluiceError } from '#manager/protocol/errors.ts';
import { type ColumnType, columnTypeText, formOf, typeOfForm } from '#runtime/batch/batch.ts';
import { fromRows } from '#runtime/batch/rows.ts';
import { canCast, textOf } from '#runtime/expression/cast.ts';
import { compileProjection } from '#runtime/expression/compile.ts';
import { momentAs, parseForm, shortest, timeOfMicros } from '#runtime/expression/form-text.ts';
import { call, columnRef } from '#runtime/expression/functions.ts';
import { interpret } from '#runtime/expression/interpret.ts';
import { rowOfValue } from '#runtime/expression/udf.ts';
import { type Value, valueAt } from '#runtime/expression/values.ts';
import { formEdges, formNames, sqlTypes as formSql } from '../batch/form-values.ts';
import { withDuckDb } from './functions/duckdb.ts';

const plain: readonly [ColumnType, string, readonly NonNullable<Value>[]][] = [
  [{ kind: 'bool' }, 'BOOLEAN', [true, false]],
  [{ kind: 'int32' }, 'INTEGER', [0, -1, 127, 128, 255, 256, 70_000, 2_147_483_647, -2_147_483_648]],
  [{ kind: 'integer' }, 'BIGINT', [0, -5, 200, 4_294_967_296, 2 ** 53 - 1]],
  [{ kind: 'int64' }, 'BIGINT', [0n, -1n, 255n, 2n ** 63n - 1n, -(2n ** 63n)]],
  [{ kind: 'float64' }, 'DOUBLE', [0, 0.1, -1.5, 2.5, 127.4, 1e300, Number.NaN, Number.POSITIVE_INFINITY]],
  [{ kind: 'decimal', precision: 9, scale: 2 }, 'DECIMAL(9,2)', [0n, 12_345n, -150n, 25_550n]],
  [{ kind: 'date' }, 'DATE', [0, -400, 18_262]],
  [{ kind: 'timestamp' }, 'TIMESTAMP', [0n, 1_577_836_800_999_600n, -1_577_836_800_999_600n, 1_577_836_800_500_000n]],
  [
    { kind: 'utf8' },
    'VARCHAR',
    [
      '5',
      '-129',
      '255',
      ' 7 ',
      '1.5',
      '0.1',
      'abc',
      '\\xAA',
      'a\\b',
      'é',
      '12:34',
      '12:34:56.789',
      '25:00',
      '2020-01-02 03:04:05.123456789',
      '2020-01-02',
      '',
    ],
  ],
];
const types: readonly (readonly [ColumnType, string, readonly NonNullable<Value>[]])[] = [
  ...plain,
  ...formNames.map((form) => [typeOfForm(form), formSql[form], formEdges[form]] as const),
];

const error = 'error';
const tried = (work: () => Value): Value => {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof SluiceError && thrown.code === 'VALUE_OUT_OF_RANGE') return error;
    throw thrown;
  }
};

/** What DuckDB makes of a value, as text; an error when it makes none. */
async function theirs(duck: DuckDBConnection, value: NonNullable<Value>, from: ColumnType, sql: string, to: string): Promise<string | null> {
  const text = textOf(value, from).replaceAll("'", "''");
  try {
    const answer = await duck.runAndReadAll(`SELECT CAST(CAST('${text}'::VARCHAR AS ${sql}) AS ${to})::VARCHAR`);
    return answer.getRows()[0]![0] as string | null;
  } catch {
    return error;
  }
}

/** What we do not do as DuckDB does, each said in docs/SEMANTICS.md. */
function differs(from: ColumnType, to: ColumnType, value: NonNullable<Value>): boolean {
  const [source, target] = [columnTypeText(from), columnTypeText(to)];
  // A text is a whole number or none; spaces around a time are none of it.
  if (source === 'utf8' && /int|decimal/.test(target) && /[.]/.test(String(value))) return true;
  if (source === 'utf8' && formOf(to) === null) return true;
  if (source === 'utf8' && target.includes('imestamp')) return !/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/.test(String(value)) || !target.includes('ns');
  // A time of day is none with a date before it; integer ends at 2^53; between units coarser than it has DuckDB has no casts.
  if (source === 'utf8' && target === 'time') return /^\d{4}-/.test(String(value));
  if (source === 'uint64' && target === 'integer') return true;
  if (/\((ms|ns)\)/.test(source) && /\((s|ms)\)/.test(target)) return true;
  return formOf(from) === null && formOf(to) === null;
}

test('casts between all types give what the interpreter gives, and DuckDB', async () => {
  let compared = 0;
  await withDuckDb(async (duck) => {
    for (const [from, sql, values] of types) {
      const schema = [{ name: 'v', type: from, nullable: true }];
      const batch = fromRows(
        schema,
        values.map((value) => ({ v: rowOfValue(value, from) })),
      );
      for (const [to, target] of types) {
        if (!canCast(from, to)) {
          assert.throws(() => call('cast', [columnRef(schema[0]!)], to), { code: 'EXPRESSION_TYPE' });
          continue;
        }
        const expressions = [call('cast', [columnRef(schema[0]!)], to), call('tryCast', [columnRef(schema[0]!)], to)];
        const single = values.map((value) => fromRows(schema, [{ v: rowOfValue(value, from) }]));
        const run = compileProjection(schema, [expressions[0]!], []);
        const attempt = compileProjection(schema, [expressions[1]!], []);
        for (const [i, value] of values.entries()) {
          const name = `${textOf(value, from)} of ${columnTypeText(from)} as ${columnTypeText(to)}`;
          const expected = tried(() => interpret(expressions[0]!, batch, i));
          assert.deepEqual(
            tried(() => valueAt(run(single[i]!)[0]!, 0)),
            expected,
            name,
          );
          assert.deepEqual(valueAt(attempt(single[i]!)[0]!, 0), expected === error ? null : expected, `try ${name}`);
          if (differs(from, to, value)) continue;
          const text = expected === error || expected === null ? expected : textOf(expected, to);
          assert.equal(text, await theirs(duck, value, from, sql, target), name);
          compared++;
        }
      }
    }
  });
  assert.ok(compared > 1000, `${compared} compared`);
});

test('bytes are written as DuckDB writes them, and read back', () => {
  const bytes = typeOfForm('bytes');
  assert.equal(textOf('a\0\xff\\', bytes), 'a\\x00\\xFF\\x5C');
  assert.equal(parseForm('a\\x00\\xff\\x5C', bytes), 'a\0\xff\\');
  for (const text of ['é', '\\', '\\xA', '\\y41']) assert.equal(parseForm(text, bytes), null);
});

test('times of day, nanoseconds, and the fewest digits of 32 bits', () => {
  assert.equal(parseForm('7:05', typeOfForm('time')), 25_500_000_000);
  for (const text of ['24:00:00', '12:60', '12', 'noon']) assert.equal(parseForm(text, typeOfForm('time')), null);
  assert.equal(parseForm('1969-12-31 23:59:59.999999999', typeOfForm('timestamp(ns)')), -1n);
  assert.equal(textOf(-1n, typeOfForm('timestamp(ns)')), '1969-12-31 23:59:59.999999999');
  assert.deepEqual(
    [0.1, 16_777_216, 3.4028234663852886e38].map((value) => shortest(Math.fround(value))),
    [0.1, 16_777_216, 3.4028235e38],
  );
  assert.equal(momentAs(1500n, { kind: 'timestamp' }, typeOfForm('timestamp(ms)')), 2000n);
  assert.equal(momentAs(-1999n, typeOfForm('timestamp(ns)'), { kind: 'timestamp' }), -1n);
  assert.equal(timeOfMicros(-1n), 86_399_999_999);
});
