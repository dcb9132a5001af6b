import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Batch, Schema, SimpleKind } from '#runtime/batch/batch.ts';
import { compileFilter, compileProjection } from '#runtime/expression/compile.ts';
import type { Expression } from '#runtime/expression/expression.ts';
import { call, columnRef, literal } from '#runtime/expression/functions.ts';
import { interpret } from '#runtime/expression/interpret.ts';
import { type Value, valueAt } from '#runtime/expression/values.ts';
import { columnOf, kinds, pick, randomBatch, schema } from './random.ts';
import { randomExpression } from './random-expression.ts';

type Outcome = readonly Value[][] | string;

function outcome(evaluate: () => Value[][]): Outcome {
  try {
    return evaluate();
  } catch (thrown) {
    if (!(thrown instanceof SluiceError)) throw thrown;
    return thrown.code;
  }
}

const compiled = (batch: Batch, project: (batch: Batch) => ReturnType<ReturnType<typeof compileProjection>>): Outcome =>
  outcome(() => {
    const columns = project(batch);
    for (const column of columns) assert.equal(column.length, batch.length);
    return Array.from({ length: batch.length }, (_, i) => columns.map((column) => valueAt(column, i)));
  });

const interpreted = (batch: Batch, expressions: readonly Expression[]): Outcome =>
  outcome(() => Array.from({ length: batch.length }, (_, i) => expressions.map((e) => interpret(e, batch, i))));

test('compiled loops give what the interpreter gives, values and errors, on random expressions and batches', () => {
  let ran = 0;
  let threw = 0;
  fc.assert(
    fc.property(fc.gen(), (g) => {
      const expressions = Array.from({ length: 1 + g(fc.nat, { max: 2 }) }, () => randomExpression(g, fc, pick(g, fc, kinds), 3));
      const project = compileProjection(schema, expressions);
      for (let k = 0; k < 2; k++) {
        const batch = randomBatch(g, fc, g(fc.nat, { max: 12 }));
        const expected = interpreted(batch, expressions);
        assert.deepEqual(compiled(batch, project), expected);
        if (typeof expected === 'string') threw++;
        else ran++;
      }
    }),
    { numRuns: 250 },
  );
  assert(ran > 150 && threw > 5, `${ran} ran, ${threw} threw`);
});

test('compiled filters keep the rows for which the interpreter says true', () => {
  fc.assert(
    fc.property(fc.gen(), (g) => {
      const condition = randomExpression(g, fc, 'bool', 3);
      const filter = compileFilter(schema, condition);
      const batch = randomBatch(g, fc, g(fc.nat, { max: 20 }));
      const selection = new Int32Array(batch.length);
      const expected = outcome(() => Array.from({ length: batch.length }, (_, i) => [interpret(condition, batch, i)]));
      const selected = outcome(() => [[...selection.subarray(0, filter(batch, selection))]]);
      if (typeof expected === 'string') assert.equal(selected, expected);
      else assert.deepEqual(selected, [expected.flatMap(([value], i) => (value === true ? [i] : []))]);
    }),
    { numRuns: 250 },
  );
});

const fieldOf = (kind: SimpleKind, nullable = true) => ({ name: 'x', type: { kind }, nullable });
const single = (kind: SimpleKind, values: readonly Value[], options = {}): { x: Expression; one: Schema; batch: Batch } => {
  const one = [fieldOf(kind)];
  return { x: columnRef(one[0]!), one, batch: { schema: one, length: values.length, columns: [columnOf(kind, values, options)] } };
};

test('a column that is only named is shared', () => {
  const { x, one, batch } = single('int32', [1, 2, null]);
  const [given, doubled] = compileProjection(one, [x, call('add', [x, x])])(batch);
  assert.equal(given, batch.columns[0]);
  assert.deepEqual(
    [0, 1, 2].map((i) => valueAt(doubled!, i)),
    [2, 4, null],
  );
});

test('a literal is a column of that value, text a dictionary of one entry', () => {
  const { one, batch } = single('int32', [1, 2, 3]);
  for (const [kind, value] of [
    ['int32', -3],
    ['integer', -9007199254740991],
    ['int64', -5n],
    ['float64', 0.5],
    ['bool', true],
    ['utf8', 'é'],
    ['date', -1],
    ['timestamp', -1n],
  ] as const) {
    const [column] = compileProjection(one, [literal(value, { kind })])(batch);
    assert.deepEqual(
      [0, 1, 2].map((i) => valueAt(column!, i)),
      [value, value, value],
    );
    const [missing] = compileProjection(one, [literal(null, { kind })])(batch);
    assert.deepEqual(
      [0, 1, 2].map((i) => valueAt(missing!, i)),
      [null, null, null],
    );
  }
});

test('no validity is given where no row is null, and trailing bits are zero', () => {
  const { x, one, batch } = single('int32', [1, 2, 3], { validity: true });
  const [sum, small] = compileProjection(one, [call('add', [x, x]), call('lt', [x, literal(9, { kind: 'int32' })])])(batch);
  assert.equal(sum!.validity, null);
  assert.equal(small!.data[0], 7);
  const some = single('int32', [1, null, 3]);
  const [doubled] = compileProjection(some.one, [call('add', [some.x, some.x])])(some.batch);
  assert.equal(doubled!.validity![0], 5);
});

test('text from a dictionary stays in a dictionary, worked out once per entry that is used', () => {
  const values = Array.from({ length: 100 }, (_, i) => (i % 7 === 0 ? null : i % 2 ? 'Abc' : 'dEf'));
  const { x, one, batch } = single('utf8', values, { dictionary: true });
  const project = compileProjection(one, [call('upper', [x])]);
  const [upper] = project(batch);
  assert.equal(upper!.dictionary!.length, 2);
  assert.deepEqual(
    values.map((_, i) => valueAt(upper!, i)),
    values.map((value) => value?.toUpperCase() ?? null),
  );
  assert.equal(project(batch)[0]!.dictionary, upper!.dictionary);
});

test('an entry of the dictionary that no row has raises no error', () => {
  const { x, one, batch } = single('utf8', ['12', '7'], { dictionary: true });
  const [number] = compileProjection(one, [call('cast', [x], { kind: 'int32' })])(batch);
  assert.deepEqual([valueAt(number!, 0), valueAt(number!, 1)], [12, 7]);
});

test('a dictionary that grows keeps what was given before', () => {
  const one = [fieldOf('utf8')];
  const project = compileProjection(one, [call('lower', [columnRef(one[0]!)])]);
  const whole = columnOf('utf8', ['A', 'B'.repeat(5000), 'C'], { dictionary: true });
  const part = (i: number): Batch => ({ schema: one, length: 1, columns: [{ ...whole, length: 1, data: whole.data.subarray(i, i + 1) }] });
  const columns = [0, 1, 2].map((i) => project(part(i))[0]!);
  assert.deepEqual(
    columns.map((column) => valueAt(column, 0)),
    ['a', 'b'.repeat(5000), 'c'],
  );
});

test('more expressions than one loop takes are cut into several', () => {
  const { x, one, batch } = single('int32', [5]);
  const sums = Array.from({ length: 300 }, (_, k) => call('add', [x, literal(k, { kind: 'int32' })]));
  assert.deepEqual(
    compileProjection(one, sums)(batch).map((column) => valueAt(column, 0)),
    sums.map((_, k) => 5 + k),
  );
});

test("a user's text never becomes code", () => {
  const { x, one, batch } = single('utf8', ['a', "'; throw 1; '$empty"]);
  const [same] = compileProjection(one, [call('eq', [x, literal("'; throw 1; '$empty", { kind: 'utf8' })])])(batch);
  assert.deepEqual([valueAt(same!, 0), valueAt(same!, 1)], [false, true]);
});

test('a minus before a minus is not another operator', () => {
  const { one, batch } = single('float64', [1]);
  const twice = call('neg', [call('neg', [literal(0.5, { kind: 'float64' })])]);
  assert.deepEqual(
    compileProjection(one, [twice, call('neg', [literal(-2, { kind: 'float64' })])])(batch).map((column) => valueAt(column, 0)),
    [0.5, 2],
  );
});
