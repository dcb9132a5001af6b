import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Batch, Schema } from '#runtime/batch/batch.ts';
import { fromPlain, type PlainValue } from '#runtime/batch/rows.ts';
import { compileFilter, compileProjection } from '#runtime/expression/compile.ts';
import type { Expression } from '#runtime/expression/expression.ts';
import { nesteds } from '#runtime/expression/functions/nested.ts';
import { call, columnRef, literal } from '#runtime/expression/functions.ts';
import { interpretNested } from '#runtime/expression/interpret.ts';
import { type NestedValue, nestedAt } from '#runtime/expression/values.ts';
import { fieldsOf, int32, list, struct, utf8 } from '#runtime/schema.ts';
import { nestedBatchArb, plainValues } from '../../batch/nested.ts';
import { withDuckDb } from './duckdb.ts';
import { nestedCases } from './nested-cases.ts';
import { askDuck, sqlOfPlain } from './nested-duckdb.ts';

const valuesOf = (batch: Batch, expression: Expression): NestedValue[] => {
  const [column] = compileProjection(batch.schema, [expression])(batch);
  assert.equal(column!.length, batch.length);
  return Array.from({ length: batch.length }, (_, i) => nestedAt(column!, i));
};
const interpreted = (batch: Batch, expression: Expression): NestedValue[] =>
  Array.from({ length: batch.length }, (_, i) => interpretNested(expression, batch, i));

test('lists and structs give what DuckDB and the interpreter give, on all combinations of their values', async () => {
  assert.deepEqual([...new Set(nestedCases.map(({ fn }) => fn))].sort(), Object.keys(nesteds).sort());
  await withDuckDb(async (duck) => {
    for (const { fn, types, values, more = [], sql } of nestedCases) {
      const schema: Schema = types.map((type, c) => ({ name: `c${c}`, type, nullable: true }));
      const rows = values.reduce<PlainValue[][]>((all, of) => all.flatMap((row) => of.map((value) => [...row, value])), [[]]);
      const batch = fromPlain(schema, rows);
      const expression = call(fn, [...schema.map(columnRef), ...more]);
      const [column] = compileProjection(schema, [expression])(batch);
      assert.deepEqual(valuesOf(batch, expression), interpreted(batch, expression), sql);
      const texts = rows.map((row, i) => `(${i}, ${row.map((value, c) => sqlOfPlain(value, types[c]!)).join(', ')})`);
      const asked = sql.replaceAll(/\$(\d)/g, (_, k) => `c${k - 1}`);
      const theirs = await askDuck(
        duck,
        `select ${asked} from (values ${texts.join(', ')}) t(i, ${schema.map(({ name }) => name).join(', ')}) order by i`,
        expression.type,
      );
      assert.deepEqual(plainValues(column!), theirs, sql);
    }
  });
});

const tags = list(utf8().nullable());
const schema = fieldsOf({
  t: utf8().nullable(),
  by: utf8(),
  tags: tags.nullable(),
  i: int32().nullable(),
  s: struct({ tags: tags.nullable(), n: int32(), deep: struct({ t: utf8().nullable() }) }).nullable(),
});
const [t, by, tagsOf, i, s] = schema.map(columnRef) as [Expression, Expression, Expression, Expression, Expression];
const text = (value: string) => literal(value, { kind: 'utf8' });
const int = (value: number) => literal(value, { kind: 'int32' });

test('they stand in expressions like any other function, on slices and dictionaries too', () => {
  const field = (of: Expression, name: string) => call('field', [of, text(name)]);
  const expressions: readonly Expression[] = [
    call('upper', [field(field(s, 'deep'), 't')]),
    call('listLength', [field(s, 'tags')]),
    call('at', [call('split', [t, by]), i]),
    call('listLength', [call('split', [call('concat', [t, text(','), t]), text(',')])]),
    call('add', [call('listLength', [tagsOf]), field(s, 'n')]),
    call('coalesce', [call('at', [tagsOf, int(0)]), call('at', [field(s, 'tags'), int(-1)]), text('none')]),
    call('when', [call('contains', [tagsOf, t]), text('in'), text('out')]),
    call('isNull', [tagsOf]),
    call('isNotNull', [s]),
    field(s, 'deep'),
  ];
  fc.assert(
    fc.property(nestedBatchArb(schema, 10), ({ batch }) => {
      // A number beyond its type is an error in both; here none is.
      const safe = expressions.filter((each) => each.op !== 'call' || each.fn !== 'add');
      for (const each of safe) assert.deepEqual(valuesOf(batch, each), interpreted(batch, each), JSON.stringify(each));
      const condition = call('contains', [tagsOf, t]);
      const kept = new Int32Array(batch.length);
      const count = compileFilter(schema, condition)(batch, kept);
      const expected = interpreted(batch, condition).flatMap((is, row) => (is === true ? [row] : []));
      assert.deepEqual([...kept.subarray(0, count)], expected);
    }),
    { numRuns: 150 },
  );
});

test('a field of a struct without nulls is the column itself', () => {
  const of = fieldsOf({ s: struct({ a: int32(), b: utf8() }) });
  const batch = fromPlain(of, [[{ a: 1, b: 'x' }], [{ a: 2, b: 'y' }]]);
  const [column] = compileProjection(of, [call('field', [columnRef(of[0]!), text('b')])])(batch);
  assert.equal(column, batch.columns[0]!.children[1]);
});

test('what is no list or struct, or has no such field, is refused; and so is a list where none is taken', () => {
  const refused = (message: RegExp, fn: string, ...args: readonly Expression[]): void => {
    assert.throws(() => call(fn, args), { code: 'EXPRESSION_TYPE', message });
  };
  refused(/listLength takes a list, not utf8/, 'listLength', t);
  refused(/field takes a struct, not list/, 'field', tagsOf, text('a'));
  refused(/struct of tags, n, deep has no field m/, 'field', s, text('m'));
  refused(/contains cannot take utf8, int32: cast one of them/, 'contains', tagsOf, i);
  const whole = columnRef({ name: 'x', type: list(int32()).type, nullable: false });
  refused(/cast the value/, 'contains', whole, literal(0.5, { kind: 'float64' }));
  refused(/compares no structs/, 'contains', columnRef({ name: 'x', type: list(struct({ a: int32() })).type, nullable: false }), i);
  refused(/whole number/, 'at', tagsOf, t);
  refused(/eq takes no list: ask for one of its values/, 'eq', tagsOf, tagsOf);
  refused(/hash takes no struct: ask for one of its fields/, 'hash', s);
  refused(/coalesce takes no list/, 'coalesce', tagsOf, tagsOf);
});
