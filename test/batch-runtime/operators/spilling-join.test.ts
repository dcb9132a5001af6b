import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Batch, Schema } from '#runtime/batch/batch.ts';
import type { AsOf } from '#runtime/graph/plan.ts';
import { joinSchema } from '#runtime/graph/rewrite.ts';
import { createJoin } from '#runtime/operators/join.ts';
import { createSpillingJoin } from '#runtime/operators/spilling-join.ts';
import { batchOf } from '../batch/columns.ts';
import { rowBatches, rowSchema, type Skew, tight } from '../spill/tight.ts';
import { batchesOf, elementsOf, field, namedRows, texts } from './run.ts';

type Spec = Parameters<typeof createJoin>[0];
type How = Spec['how'];

const probe: Schema = rowSchema;
const build: Schema = rowSchema.map((each) => ({ ...each, name: `b_${each.name}` }));
const kinds: readonly How[] = ['inner', 'left', 'right', 'full', 'semi', 'anti'];
const specOf = (how: How, keys: readonly string[], where: Spec['where'] = null, asOf?: AsOf): Spec => {
  const node = { how, leftKeys: keys, rightKeys: keys.map((key) => `b_${key}`), prefix: 'r_' };
  return {
    kind: 'join',
    uid: 'j',
    probe: 0,
    build: 1,
    how,
    probeKeys: keys,
    buildKeys: node.rightKeys,
    prefix: node.prefix,
    where,
    ...(asOf === undefined ? {} : { asOf }),
    schema: joinSchema(probe, build, node),
  };
};

/** Rows of both sides through a join with this budget; the build comes first, or some of the probe does. */
function through(
  spec: Spec,
  budget: number,
  sides: readonly [readonly Batch[], readonly Batch[]],
  early: number,
): { rows: string[]; written: number } {
  const { memory, scratch, remove } = tight(budget);
  const join = createSpillingJoin(spec, [probe, build], [], memory.open());
  const elements = sides[0].slice(0, early).flatMap((batch) => [...join.process({ kind: 'batch', batch }, 0)]);
  elements.push(...elementsOf(join, sides[1], 1));
  elements.push(...elementsOf(join, sides[0].slice(early), 0));
  assert.equal(elements.filter(({ kind }) => kind === 'end').length, 1);
  assert.equal(elements.at(-1)!.kind, 'end');
  assert.equal(scratch.open, 0, 'files are closed');
  const written = scratch.writtenBytes;
  remove();
  return { rows: texts(namedRows(batchesOf(elements)), spec.schema), written };
}

function reference(spec: Spec, sides: readonly [readonly Batch[], readonly Batch[]]): string[] {
  const join = createJoin(spec, [probe, build]);
  return texts(namedRows(batchesOf([...elementsOf(join, sides[1], 1), ...elementsOf(join, sides[0], 0)])), spec.schema);
}

const sidesOf = (seed: number, rows: number, distinct: number, skew: Skew): [Batch[], Batch[]] => [
  rowBatches(seed, rows, distinct, skew, probe),
  rowBatches(seed + 1, rows, distinct, skew, build),
];

test('beyond memory: each kind gives the same rows, whether keys are even or skewed, and whatever of the probe comes early', () => {
  const keys = fc.constantFrom(['key'], ['name'], ['key', 'name']);
  fc.assert(
    fc.property(fc.integer(), keys, fc.constantFrom(...kinds), fc.constantFrom<Skew>('even', 'zipf'), fc.nat(8), (seed, by, how, skew, early) => {
      const sides = skew === 'even' ? sidesOf(seed, 4000, 3000, skew) : sidesOf(seed, 500, 300, skew);
      const spec = specOf(how, by);
      const { rows, written } = through(spec, skew === 'even' ? 65_536 : 20_000, sides, early);
      assert.deepEqual(rows, reference(spec, sides));
      // Few rows of a skewed key make many pairs: they may just fit.
      assert.ok(written > 0 || skew === 'zipf');
    }),
    { numRuns: 20 },
  );
});

test('one key with more build rows than fit is joined chunk by chunk, in each kind', () => {
  for (const how of kinds) {
    for (const keys of [['key'], []]) {
      const sides: [Batch[], Batch[]] = [rowBatches(1, 30, 1, 'one', probe), rowBatches(2, 1500, 1, 'one', build)];
      const spec = specOf(how, keys);
      const { rows, written } = through(spec, 30_000, sides, 0);
      assert.deepEqual(rows, reference(spec, sides));
      assert.ok(written > 0);
    }
  }
});

test('as of, beyond memory: the same rows by partitions, and chunk by chunk from the last values to the first', () => {
  // Sizes are many, notes few: with these, many rows of a key are equal.
  for (const asOf of [
    { left: 'size', right: 'b_size' },
    { left: 'note', right: 'b_note' },
  ]) {
    for (const how of ['inner', 'left'] as const) {
      for (const [keys, skew] of [
        [['key'], 'even'],
        [['key'], 'zipf'],
        [['key'], 'one'],
        [[], 'one'],
      ] as const) {
        const sides: [Batch[], Batch[]] = [rowBatches(3, 3000, 900, skew, probe), rowBatches(4, 4000, 900, skew, build)];
        const spec = specOf(how, keys, null, asOf);
        const { rows, written } = through(spec, 60_000, sides, 2);
        assert.deepEqual(rows, reference(spec, sides), JSON.stringify([asOf, how, keys, skew]));
        assert.ok(written > 0);
      }
    }
  }
});

test('a build side that fits writes nothing, and matches leave in the order of the probe', () => {
  const { memory, scratch, remove } = tight(10_000_000);
  const spec = specOf('left', ['key']);
  const sides = sidesOf(5, 2000, 1500, 'even');
  const join = createSpillingJoin(spec, [probe, build], [], memory.open());
  const plain = createJoin(spec, [probe, build]);
  const [given, wanted] = [join, plain].map((each) => namedRows(batchesOf([...elementsOf(each, sides[1], 1), ...elementsOf(each, sides[0], 0)])));
  assert.deepEqual(given, wanted);
  assert.equal(scratch.writtenBytes, 0);
  remove();
});

test('what waits for the build side is put aside, too', () => {
  const { memory, scratch, remove } = tight(100_000);
  const spec = specOf('inner', ['key']);
  const sides: [Batch[], Batch[]] = [rowBatches(8, 20_000, 50, 'even', probe), rowBatches(9, 40, 50, 'even', build)];
  const join = createSpillingJoin(spec, [probe, build], [], memory.open());
  const early = sides[0].flatMap((batch) => [...join.process({ kind: 'batch', batch }, 0)]);
  assert.ok(scratch.writtenBytes > 0 && memory.peakBytes < 200_000);
  const rows = [...early, ...elementsOf(join, sides[1], 1), ...elementsOf(join, [], 0)];
  assert.deepEqual(texts(namedRows(batchesOf(rows)), spec.schema), reference(spec, sides));
  assert.equal(scratch.open, 0);
  remove();
});

test('keys of different widths meet in the same partition', () => {
  const left = [field('k', 'int32'), field('v', 'utf8')];
  const right = [field('key', 'int64'), field('w', 'utf8')];
  const spec: Spec = {
    kind: 'join',
    uid: 'j',
    probe: 0,
    build: 1,
    how: 'inner',
    probeKeys: ['k'],
    buildKeys: ['key'],
    prefix: '',
    where: null,
    schema: [...left, right[1]!],
  };
  const n = 3000;
  const probes = batchOf(
    left,
    Array.from({ length: n }, (_, i) => [i - 1500, `v${i}`]),
  );
  const builds = batchOf(
    right,
    Array.from({ length: n }, (_, i) => [BigInt(i - 1500), 'w'.repeat(30)]),
  );
  const { memory, scratch, remove } = tight(65_536);
  const join = createSpillingJoin(spec, [left, right], [], memory.open());
  const given = batchesOf([...elementsOf(join, [builds], 1), ...elementsOf(join, [probes], 0)]);
  assert.equal(
    given.reduce((sum, { length }) => sum + length, 0),
    n,
  );
  assert.ok(scratch.writtenBytes > 0);
  remove();
});
