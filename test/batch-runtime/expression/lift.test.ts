import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromPlain } from '#runtime/batch/rows.ts';
import { compileProjection } from '#runtime/expression/compile.ts';
import type { Expression } from '#runtime/expression/expression.ts';
import { call, columnRef, literal } from '#runtime/expression/functions.ts';
import { lift } from '#runtime/expression/lift.ts';
import { valueAt } from '#runtime/expression/values.ts';
import { fieldsOf, int32, list, utf8 } from '#runtime/schema.ts';

const schema = fieldsOf({ t: utf8(), tags: list(int32()) });
const [t, tags] = schema.map(columnRef) as [Expression, Expression];
const comma = literal(',', { kind: 'utf8' });
const project = (below: typeof schema, args: readonly Expression[]) => compileProjection(below, args);

test('expressions without lists and structs stay as they are, and so do batches', () => {
  const expressions = [call('upper', [t]), tags];
  const lifted = lift(schema, expressions, project);
  assert.equal(lifted.expressions, expressions);
  assert.equal(lifted.schema, schema);
  const batch = fromPlain(schema, [['a', [1]]]);
  assert.equal(lifted.extend(batch), batch);
});

test('what is the same is made once, from the inside out', () => {
  const parts = call('split', [t, comma]);
  const expressions = [call('add', [call('listLength', [parts]), call('listLength', [parts])]), call('at', [parts, literal(0, { kind: 'int32' })])];
  const lifted = lift(schema, expressions, project);
  // The parts, their number, the first of them.
  assert.equal(lifted.schema.length, schema.length + 3);
  assert.deepEqual(lifted.expressions[1]!.op, 'column');
  const batch = lifted.extend(
    fromPlain(schema, [
      ['a,b', []],
      ['', [1, 2]],
    ]),
  );
  assert.equal(batch.columns.length, schema.length + 3);
  const [sum, first] = compileProjection(lifted.schema, lifted.expressions)(batch);
  assert.deepEqual([valueAt(sum!, 0), valueAt(sum!, 1), valueAt(first!, 0), valueAt(first!, 1)], [4, 2, 'a', '']);
});

test('a function that varies is asked each time', () => {
  const varying: Expression = { op: 'udf', slot: 0, args: [], type: { kind: 'utf8' }, nullable: false, deterministic: false };
  const one = call('listLength', [call('split', [varying, comma])]);
  assert.equal(lift(schema, [one, one], project).schema.length, schema.length + 4);
});

test('what they are made of is evaluated for every row, also where a condition would not ask for it', () => {
  const one = { op: 'literal', value: 1, type: { kind: 'int32' }, nullable: false } as const;
  const zero = call('mod', [one, call('sub', [call('listLength', [tags]), call('listLength', [tags])])]);
  const parts = call('at', [tags, zero]);
  const guarded = call('when', [literal(false, { kind: 'bool' }), parts, literal(7, { kind: 'int32' })]);
  const batch = fromPlain(schema, [['a', [1]]]);
  assert.throws(() => compileProjection(schema, [guarded])(batch), { code: 'DIVISION_BY_ZERO' });
  // Without a list in it, the same is not asked for.
  const plain = call('when', [literal(false, { kind: 'bool' }), call('mod', [one, literal(0, { kind: 'int32' })]), literal(7, { kind: 'int32' })]);
  assert.equal(valueAt(compileProjection(schema, [plain])(batch)[0]!, 0), 7);
});
