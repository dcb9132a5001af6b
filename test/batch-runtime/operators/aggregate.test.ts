import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { aggregateRow, partialSchema } from '#runtime/aggregate/table.ts';
import { type Batch, batchRows, type Schema } from '#runtime/batch/batch.ts';
import { slice } from '#runtime/batch/slice.ts';
import type { Aggregate, Expression } from '#runtime/expression/expression.ts';
import { call, columnRef, literal } from '#runtime/expression/functions.ts';
import { interpret } from '#runtime/expression/interpret.ts';
import type { Value } from '#runtime/expression/values.ts';
import { createAggregate } from '#runtime/operators/aggregate.ts';
import type { Operator } from '#runtime/operators/operator.ts';
import type { Share } from '#runtime/spill/memory.ts';
import { batchOf, edges, formArb, kinds, order } from '../batch/columns.ts';
import { nameOf, pick, randomBatch, schema as randomSchema, type TypeName, typeOf } from '../expression/random.ts';
import { randomExpression } from '../expression/random-expression.ts';
import { keysOf, randomOf, type Skew, tight } from '../spill/tight.ts';
import { batchesOf, cells, elementsOf, field, namedRows, reference, run, texts } from './run.ts';

const input: Schema = [
  field('text', 'utf8'),
  field('whole', 'int32'),
  field('real', 'float64'),
  field('flag', 'bool'),
  field('small', 'int32'),
  field('large', 'integer'),
  field('huge', 'int64'),
  field('exact', 'float64'),
  field('word', 'utf8'),
  field('day', 'date'),
  field('moment', 'timestamp'),
];
const ref = (name: string): Expression => columnRef(input.find((each) => each.name === name)!);
const resultType = (fn: Aggregate['fn'], kind: TypeName): TypeName =>
  fn === 'count' || fn === 'countDistinct' ? 'integer' : fn === 'avg' ? 'float64' : fn === 'sum' && kind === 'int32' ? 'integer' : kind;
const aggregate = (
  name: string,
  fn: string,
  argument: Expression | null,
  filter: Expression | null = null,
  more: readonly Expression[] = [],
): Aggregate => ({
  name,
  fn,
  argument,
  more,
  filter,
  type: typeOf(resultType(fn, argument === null ? 'integer' : nameOf(argument.type))),
  nullable: fn !== 'count' && fn !== 'countDistinct',
});
const even = call('eq', [call('mod', [ref('small'), literal(2, { kind: 'int32' })]), literal(0, { kind: 'int32' })]);
const all: readonly Aggregate[] = [
  aggregate('n', 'count', null),
  aggregate('known', 'count', ref('word')),
  aggregate('evens', 'count', null, even),
  ...['small', 'large', 'huge', 'exact'].flatMap((name) => [aggregate(`${name}Sum`, 'sum', ref(name)), aggregate(`${name}Avg`, 'avg', ref(name))]),
  aggregate('evenSum', 'sum', ref('large'), even),
  ...['small', 'huge', 'real', 'word', 'day', 'moment'].flatMap((name) => [
    aggregate(`${name}Min`, 'min', ref(name)),
    aggregate(`${name}Max`, 'max', ref(name), name === 'word' ? even : null),
  ]),
  ...['small', 'huge', 'real', 'word', 'flag'].map((name) =>
    aggregate(`${name}Different`, 'countDistinct', ref(name), name === 'huge' ? even : null),
  ),
  ...(['first', 'last'] as const).flatMap((fn) => [
    aggregate(`${fn}Word`, fn, ref('word'), even),
    aggregate(`${fn}Small`, fn, ref('small')),
    aggregate(`${fn}ByReal`, fn, ref('day'), null, [ref('real')]),
    aggregate(`${fn}ByWord`, fn, ref('flag'), null, [ref('word')]),
  ]),
  { ...aggregate('median', 'quantile', ref('exact')), options: [0.5] },
  { ...aggregate('about', 'approxQuantile', ref('exact'), even), options: [0.9] },
  { ...aggregate('words', 'joinText', ref('word')), options: [', '] },
  aggregate('twice', 'sum', call('mul', [ref('exact'), literal(2, { kind: 'float64' })])),
];

const outputOf = (keys: readonly string[], aggregates: readonly Aggregate[]): Schema => [
  ...keys.map((name) => input.find((each) => each.name === name)!),
  ...aggregates.map(({ name, type, nullable }) => ({ name, type, nullable })),
];
type Phase = 'partial' | 'final' | 'complete';
const operator = (phase: Phase, keys: readonly string[], aggregates: readonly Aggregate[], from: Schema = input, share?: Share) =>
  createAggregate({ kind: 'aggregate', uid: 'a', input: 0, phase, keys, aggregates, schema: outputOf(keys, aggregates) }, from, [], share);

const cellArb = (kind: TypeName, name: string): fc.Arbitrary<Value> => {
  if (name === 'large') return fc.maxSafeInteger().map((value) => Math.trunc(value / 64));
  if (name === 'huge') return fc.bigInt({ min: -(2n ** 57n), max: 2n ** 57n });
  if (name === 'exact') return fc.integer({ min: -(2 ** 30), max: 2 ** 30 }).map((k) => k / 1024);
  if (name === 'moment') return fc.constantFrom(0n, -1n, 2n ** 62n, -(2n ** 62n), 2n ** 32n);
  return fc.constantFrom(...edges[kind].slice(0, 4));
};
const batchArb: fc.Arbitrary<Batch> = fc
  .tuple(
    fc.array(fc.tuple(...input.map(({ type, name }) => fc.option(cellArb(nameOf(type), name), { freq: 4 }))), { maxLength: 20 }),
    fc.tuple(...input.map(() => formArb)),
  )
  .map(([rows, forms]) => batchOf(input, rows, forms));
const keysArb = fc.subarray(['text', 'whole', 'real', 'flag', 'huge'], { minLength: 1, maxLength: 3 });
const aggregatesArb = fc.subarray([...all], { maxLength: 6 });

const expected = (batches: readonly Batch[], keys: readonly string[], aggregates: readonly Aggregate[]): string[] => {
  const schema = outputOf(keys, aggregates);
  const node = { kind: 'aggregate', uid: 'a', input: 0, keys, aggregates, schema } as const;
  return texts(reference(node, { schema: input, rows: namedRows(batches) }), schema);
};

test('groups and their aggregates are what plain loops find, whatever the kinds, forms and filters', () => {
  fc.assert(
    fc.property(fc.array(batchArb, { maxLength: 3 }), keysArb, aggregatesArb, (batches, keys, aggregates) => {
      const given = run(operator('complete', keys, aggregates), batches);
      assert.deepEqual(texts(namedRows(given), outputOf(keys, aggregates)), expected(batches, keys, aggregates));
    }),
    { numRuns: 150 },
  );
});

test('partial tables of several tasks, merged in any order unless it matters, give the same', () => {
  fc.assert(
    fc.property(fc.array(batchArb, { maxLength: 4 }), keysArb, aggregatesArb, (batches, keys, aggregates) => {
      const partials = batches.flatMap((batch) => run(operator('partial', keys, aggregates), [slice(batch, 0, batch.length >> 1), batch]));
      if (!aggregates.some((each) => aggregateRow(each.fn).order(each) === 'result')) partials.reverse();
      const between = partialSchema(
        keys.map((name) => input.find((each) => each.name === name)!),
        aggregates,
      );
      for (const partial of partials) assert.deepEqual(partial.schema, between);
      const given = run(operator('final', keys, aggregates, between), partials);
      const rows = batches.flatMap((batch) => [slice(batch, 0, batch.length >> 1), batch]);
      assert.deepEqual(texts(namedRows(given), outputOf(keys, aggregates)), expected(rows, keys, aggregates));
    }),
    { numRuns: 100 },
  );
});

test('without keys there is one row, over no rows too: counts are 0, the rest null', () => {
  for (const phase of ['complete', 'final'] as const) {
    const [row, ...more] = namedRows(run(operator(phase, [], all, phase === 'final' ? partialSchema([], all) : input), []));
    assert.equal(more.length, 0);
    for (const { name, fn } of all) assert.equal(row![name], fn === 'count' || fn === 'countDistinct' ? 0 : null);
  }
  assert.deepEqual(run(operator('partial', [], all), []), []);
  fc.assert(
    fc.property(fc.array(batchArb, { maxLength: 3 }), (batches) => {
      const total = run(operator('complete', [], all), batches);
      assert.deepEqual(texts(namedRows(total), outputOf([], all)), expected(batches, [], all));
      const merged = run(
        operator('final', [], all, partialSchema([], all)),
        batches.flatMap((batch) => run(operator('partial', [], all), [batch])),
      );
      assert.deepEqual(texts(namedRows(merged), outputOf([], all)), expected(batches, [], all));
    }),
    { numRuns: 50 },
  );
});

const rowsOf = (name: string, values: readonly Value[]): Batch =>
  batchOf(
    [input.find((each) => each.name === name)!],
    values.map((value) => [value]),
  );
const total = (name: string, values: readonly Value[], ...aggregates: readonly Aggregate[]): Value[] => {
  const batch = rowsOf(name, values);
  const [given] = run(operator('complete', [], aggregates, batch.schema), [batch]);
  return aggregates.map((each) => cells(given!, each.name)[0]!);
};

test('a sum beyond its type is VALUE_OUT_OF_RANGE; what goes beyond on the way and comes back is exact', () => {
  const most = Number.MAX_SAFE_INTEGER;
  assert.throws(() => total('large', [most, 1], aggregate('s', 'sum', ref('large'))), { code: 'VALUE_OUT_OF_RANGE' });
  assert.throws(() => total('huge', [2n ** 63n - 1n, 1n], aggregate('s', 'sum', ref('huge'))), { code: 'VALUE_OUT_OF_RANGE' });
  assert.deepEqual(total('large', [most, most, most, -most, -most, -1], aggregate('s', 'sum', ref('large'))), [most - 1]);
  assert.deepEqual(total('huge', [2n ** 63n - 1n, 2n ** 62n, -(2n ** 62n), -1n], aggregate('s', 'sum', ref('huge'))), [2n ** 63n - 2n]);
  assert.deepEqual(total('small', Array(5).fill(2_147_483_647), aggregate('s', 'sum', ref('small'))), [5 * 2_147_483_647]);
});

test('a total that fits does not depend on how the rows were spread over tasks', () => {
  const [least, most] = [-(2n ** 63n), 2n ** 63n - 1n];
  const aggregates = [aggregate('s', 'sum', ref('huge')), aggregate('m', 'avg', ref('huge'))];
  const tasks = [
    [most, most, most],
    [least, least, least, 7n],
  ].map((values) => rowsOf('huge', values));
  const partials = tasks.map((batch) => run(operator('partial', [], aggregates, batch.schema), [batch])[0]!);
  const [given] = run(operator('final', [], aggregates, partialSchema([], aggregates)), partials);
  assert.deepEqual(namedRows([given!]), [{ s: 4n, m: 4 / 7 }]);
  const [mean] = run(
    operator('final', [], [aggregates[1]!], partialSchema([], [aggregates[1]!])),
    run(operator('partial', [], [aggregates[1]!], tasks[0]!.schema), [tasks[0]!]),
  );
  assert.deepEqual(namedRows([mean!]), [{ m: 2 ** 63 }]);
});

test('random arguments and filters give what the interpreter gives, or its error', () => {
  let compared = 0;
  fc.assert(
    fc.property(fc.gen(), fc.constantFrom('count' as const, 'min' as const, 'max' as const), (g, fn) => {
      const argument = randomExpression(g, fc, pick(g, fc, kinds), 2);
      const filter = g(fc.boolean) ? randomExpression(g, fc, 'bool', 2) : null;
      const batch = randomBatch(g, fc, g(fc.nat, { max: 12 }));
      const spec = aggregate('a', fn, argument, filter);
      const running = (): Operator =>
        createAggregate(
          { kind: 'aggregate', uid: 'a', input: 0, phase: 'complete', keys: [], aggregates: [spec], schema: outputOf([], [spec]) },
          randomSchema,
          [],
        );
      let expected: Value;
      try {
        const seen = Array.from({ length: batch.length }, (_, i) => i)
          .map((i) => (filter === null || interpret(filter, batch, i) === true ? interpret(argument, batch, i) : null))
          .filter((value) => value !== null);
        const sign = fn === 'max' ? -1 : 1;
        expected = fn === 'count' ? seen.length : seen.length === 0 ? null : seen.reduce((a, b) => (order(a, b) * sign <= 0 ? a : b));
      } catch (thrown) {
        assert.throws(() => run(running(), [batch]), { code: (thrown as { code: string }).code });
        return;
      }
      assert.deepEqual(cells(run(running(), [batch])[0]!, 'a'), [expected === 0 ? 0 : expected]);
      compared++;
    }),
    { numRuns: 200 },
  );
  assert(compared > 60);
});

test('an argument is not evaluated where the filter is not true', () => {
  const number = call('cast', [ref('word')], { kind: 'int32' });
  const filter = call('ne', [ref('word'), literal('x', { kind: 'utf8' })]);
  assert.deepEqual(total('word', ['1', 'x', '2', null], aggregate('s', 'sum', number, filter), aggregate('n', 'count', number, filter)), [3, 2]);
  assert.throws(() => total('word', ['1', 'x'], aggregate('s', 'sum', number)), { code: 'VALUE_OUT_OF_RANGE' });
});

test('NaN is the greatest, also among sums', () => {
  const [least, most, sum] = total('real', [1, Number.NaN, -1], ...(['min', 'max', 'sum'] as const).map((fn) => aggregate(fn, fn, ref('real'))));
  assert.deepEqual([least, most, sum], [-1, Number.NaN, Number.NaN]);
});

test('groups leave in order of first sight, in batches of at most 64 K rows', () => {
  const n = 150_000;
  const schema = [field('whole', 'int32'), field('small', 'int32')];
  const batch = batchOf(
    schema,
    Array.from({ length: n }, (_, i) => [(n - i) | 0, 1]),
  );
  const given = run(operator('complete', ['whole'], [aggregate('s', 'sum', ref('small'))], schema), [
    slice(batch, 0, 100_000),
    slice(batch, 50_000, n),
  ]);
  assert.deepEqual(
    given.map(({ length }) => length),
    [batchRows, batchRows, n - 2 * batchRows],
  );
  assert.equal(cells(given[0]!, 'whole')[0], n);
  assert.equal(cells(given[1]!, 's')[0], 2);
});

test('a partial table that is full leaves and begins anew; the result is the same', () => {
  const schema = [field('whole', 'int32')];
  const aggregates = [aggregate('n', 'count', null)];
  const n = 300_000;
  const batches = Array.from({ length: 6 }, (_, k) =>
    batchOf(
      schema,
      Array.from({ length: n / 6 }, (_, i) => [k * (n / 6) + i]),
    ),
  );
  const partial = operator('partial', ['whole'], aggregates, schema);
  const early: Batch[] = [];
  for (const batch of [...batches, batches[0]!]) early.push(...batchesOf([...partial.process({ kind: 'batch', batch }, 0)]));
  assert(early.length > 0);
  const late = batchesOf([...partial.process({ kind: 'end' }, 0)]);
  const given = run(operator('final', ['whole'], aggregates, partialSchema(schema, aggregates)), [...early, ...late]);
  assert.equal(
    given.reduce((sum, batch) => sum + batch.length, 0),
    n,
  );
  assert.equal(cells(given[0]!, 'n')[0], 2);
});

test('watermarks and barriers pass', () => {
  const running = operator('complete', ['whole'], []);
  const barrier = { kind: 'barrier', id: 1, barrier: 'checkpoint' } as const;
  assert.deepEqual([...running.process(barrier, 0)], [barrier]);
  assert.equal(elementsOf(running, []).at(-1)!.kind, 'end');
});

/** Rows of `input` whose keys text, whole and huge are one number each. */
function manyRows(seed: number, rows: number, distinct: number, skew: Skew): Batch[] {
  const random = randomOf(seed);
  const next = keysOf(skew, distinct, random);
  const row = (): Value[] => {
    const key = next();
    const number = Math.floor(random() * 2 ** 20);
    return [
      `t${key}`,
      key,
      key / 2,
      key % 2 === 0,
      number,
      number * 7,
      BigInt(number) << 30n,
      number / 1024,
      `w${number % 1000}`,
      number % 9999,
      BigInt(number),
    ];
  };
  const cell = (value: Value): Value => (random() < 0.05 ? null : value);
  const batches: Batch[] = [];
  for (let left = rows; left > 0; left -= 900)
    batches.push(
      batchOf(
        input,
        Array.from({ length: Math.min(900, left) }, () => row().map(cell)),
      ),
    );
  return batches;
}

test('beyond memory: the same groups in each phase, spread over several levels, and no file is left', () => {
  const skews = fc.constantFrom<Skew>('even', 'zipf', 'one');
  const keysOfRows = fc.subarray(['text', 'whole', 'real', 'huge'], { minLength: 1, maxLength: 2 });
  fc.assert(
    fc.property(fc.integer(), skews, keysOfRows, aggregatesArb, (seed, skew, keys, any) => {
      // A sketch that was merged is another one.
      const aggregates = any.filter(({ fn }) => fn !== 'approxQuantile');
      const batches = manyRows(seed, 7000, 4000, skew);
      const wanted = texts(namedRows(run(operator('complete', keys, aggregates), batches)), outputOf(keys, aggregates));
      const between = partialSchema(
        keys.map((name) => input.find((each) => each.name === name)!),
        aggregates,
      );
      const { memory, scratch, remove } = tight(64 * 1024);
      const given = run(operator('complete', keys, aggregates, input, memory.open()), batches);
      assert.deepEqual(texts(namedRows(given), outputOf(keys, aggregates)), wanted);
      assert.ok(scratch.writtenBytes > 0 || skew !== 'even');
      assert.equal(scratch.open, 0);
      assert.equal(memory.heldBytes, 0);
      remove();
      const two = tight(100_000);
      const partials = run(operator('partial', keys, aggregates, input, two.memory.open()), batches);
      assert.equal(two.scratch.writtenBytes, 0, 'a partial table is given out');
      const final = run(operator('final', keys, aggregates, between, two.memory.open()), partials);
      assert.deepEqual(texts(namedRows(final), outputOf(keys, aggregates)), wanted);
      assert.equal(two.scratch.open, 0);
      two.remove();
    }),
    { numRuns: 12 },
  );
});

test('one group that does not fit says so', () => {
  const huge = [field('name', 'utf8', false), field('text', 'utf8', false)];
  const longest: Aggregate = { name: 'longest', fn: 'max', argument: columnRef(huge[1]!), filter: null, type: { kind: 'utf8' }, nullable: true };
  const spec = {
    kind: 'aggregate',
    uid: 'a',
    input: 0,
    phase: 'complete',
    keys: ['name'],
    aggregates: [longest],
    schema: [huge[0]!, { name: 'longest', type: { kind: 'utf8' }, nullable: true }],
  } as const;
  const { memory, remove } = tight(64 * 1024);
  assert.throws(
    () => run(createAggregate(spec, huge, [], memory.open()), [batchOf(huge, [['a', 'x'.repeat(2_000_000)]])]),
    (error: { code: string; message: string }) => error.code === 'MEMORY_EXCEEDED' && /one group of a.*--memory-budget/.test(error.message),
  );
  remove();
});
