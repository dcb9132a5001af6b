import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Batch, batchRows, type Schema } from '#runtime/batch/batch.ts';
import { slice } from '#runtime/batch/slice.ts';
import { call, columnRef, literal } from '#runtime/expression/functions.ts';
import { type AsOf, type JoinKind, rightMark } from '#runtime/graph/plan.ts';
import { joinSchema } from '#runtime/graph/rewrite.ts';
import { createJoin } from '#runtime/operators/join.ts';
import { batchOf, formArb, valueArb } from '../batch/columns.ts';
import { nameOf, type TypeName } from '../expression/random.ts';
import { batchesOf, cells, elementsOf, field, inOrder, namedRows, reference } from './run.ts';

interface Sides {
  readonly probe: Schema;
  readonly build: Schema;
}
/** With two columns named `left` and `number` of the sides a pair has to be unlike, where asked. */
interface Kind {
  readonly how: JoinKind;
  readonly tested: boolean;
  readonly nullsEqual?: true;
  readonly asOf?: AsOf;
}
const where = call('or', [
  call('isNull', [columnRef(field('left', 'utf8'))]),
  call('gt', [columnRef(field(`${rightMark}number`, 'int64')), literal(0, { kind: 'int64' })]),
]);
const names = (schema: Schema, keys: number): string[] => schema.slice(0, keys).map(({ name }) => name);
const nodeOf = ({ probe, build }: Sides, keys: number, { how, tested, ...rest }: Kind) => {
  const node = { how, leftKeys: names(probe, keys), rightKeys: names(build, keys), prefix: 'r_', where: tested ? where : null, ...rest };
  return { kind: 'join', uid: 'j', left: 0, right: 1, ...node, schema: joinSchema(probe, build, node) } as const;
};
const output = (sides: Sides, keys: number, kind: Kind): Schema => nodeOf(sides, keys, kind).schema;
const joinOf = (sides: Sides, keys: number, kind: Kind) => {
  const { leftKeys, rightKeys, ...node } = nodeOf(sides, keys, kind);
  return createJoin({ ...node, probe: 0, build: 1, probeKeys: leftKeys, buildKeys: rightKeys }, [sides.probe, sides.build]);
};
const expected = (sides: Sides, keys: number, kind: Kind, probe: readonly Batch[], build: readonly Batch[]): string[] => {
  const node = nodeOf(sides, keys, kind);
  return inOrder(reference(node, { schema: sides.probe, rows: namedRows(probe) }, { schema: sides.build, rows: namedRows(build) }), node.schema);
};

const keyKinds: readonly TypeName[] = ['utf8', 'int32', 'integer', 'int64', 'float64', 'bool', 'date', 'timestamp', 'decimal(9,2)', 'decimal(30,4)'];
const sidesArb = fc.array(fc.constantFrom(...keyKinds), { minLength: 0, maxLength: 2 }).map((kinds) => ({
  keys: kinds.length,
  probe: [...kinds.map((kind, k) => field(`k${k}`, kind)), field('left', 'utf8')],
  build: [...kinds.map((kind, k) => field(`key${k}`, kind)), field('right', 'utf8'), field('number', 'int64')],
}));
const kindArb: fc.Arbitrary<Kind> = fc.record({
  how: fc.constantFrom('inner', 'left', 'right', 'full', 'semi', 'anti'),
  tested: fc.boolean(),
});
const batchesArb = (schema: Schema): fc.Arbitrary<Batch[]> =>
  fc.array(
    fc
      .tuple(fc.array(fc.tuple(...schema.map(({ type }) => few(nameOf(type)))), { maxLength: 12 }), fc.tuple(...schema.map(() => formArb)))
      .map(([rows, forms]) => batchOf(schema, rows, forms)),
    { maxLength: 3 },
  );
const few = (kind: TypeName) => valueArb(kind).map((value) => (kind === 'utf8' && value !== null ? String(value).slice(0, 1) : value));

test('matches are those of plain loops, in the order of the probe and then of the build', () => {
  const given = sidesArb.chain((sides) => fc.tuple(fc.constant(sides), batchesArb(sides.probe), batchesArb(sides.build)));
  fc.assert(
    fc.property(given, kindArb, fc.nat(3), ([sides, probe, build], kind, early) => {
      const join = joinOf(sides, sides.keys, kind);
      const elements = [];
      // Some of the probe comes before the build has ended, and waits.
      for (const batch of probe.slice(0, early)) elements.push(...join.process({ kind: 'batch', batch }, 0));
      assert.equal(elements.length, 0);
      elements.push(...elementsOf(join, build, 1));
      elements.push(...elementsOf(join, probe.slice(early), 0));
      assert.deepEqual(elements.filter(({ kind }) => kind === 'end').length, 1);
      assert.equal(elements.at(-1)!.kind, 'end');
      assert.deepEqual(inOrder(namedRows(batchesOf(elements)), output(sides, sides.keys, kind)), expected(sides, sides.keys, kind, probe, build));
    }),
    { numRuns: 600 },
  );
});

const simple: Sides = { probe: [field('k', 'int32'), field('v', 'int32')], build: [field('key', 'int32'), field('w', 'utf8')] };

test('the end of the probe waits for the build', () => {
  const join = joinOf(simple, 1, { how: 'left', tested: false });
  assert.deepEqual(elementsOf(join, [batchOf(simple.probe, [[1, 2]])], 0), []);
  const given = elementsOf(join, [batchOf(simple.build, [[1, 'one']])], 1);
  assert.deepEqual(namedRows(batchesOf(given)), [{ k: 1, v: 2, r_w: 'one' }]);
  assert.equal(given.at(-1)!.kind, 'end');
});

test('null keys match nothing, not even each other', () => {
  const build = [
    batchOf(simple.build, [
      [null, 'n'],
      [1, 'one'],
    ]),
  ];
  const probe = [
    batchOf(simple.probe, [
      [null, 1],
      [1, 2],
    ]),
  ];
  for (const how of ['inner', 'left'] as const) {
    const join = joinOf(simple, 1, { how, tested: false });
    elementsOf(join, build, 1);
    const rows = namedRows(batchesOf(elementsOf(join, probe, 0)));
    assert.deepEqual(rows, [...(how === 'left' ? [{ k: null, v: 1, r_w: null }] : []), { k: 1, v: 2, r_w: 'one' }]);
  }
});

test('a join that expands leaves in batches of 64 K rows, between which it suspends', () => {
  const join = joinOf(simple, 1, { how: 'inner', tested: false });
  elementsOf(
    join,
    [
      batchOf(
        simple.build,
        Array.from({ length: 500 }, (_, i) => [i % 2, `w${i}`]),
      ),
    ],
    1,
  );
  const batch = batchOf(
    simple.probe,
    Array.from({ length: 400 }, (_, i) => [i % 2, i]),
  );
  const lengths: number[] = [];
  let sum = 0;
  for (const element of join.process({ kind: 'batch', batch }, 0)) {
    assert(element.kind === 'batch');
    lengths.push(element.batch.length);
    sum += (cells(element.batch, 'v') as number[]).reduce((a, b) => a + b, 0);
  }
  assert.deepEqual(lengths, [batchRows, 400 * 250 - batchRows]);
  assert.equal(sum, 250 * ((399 * 400) / 2));
});

test("columns of a probe all of which matches once are the probe's own", () => {
  const join = joinOf(simple, 1, { how: 'inner', tested: false });
  elementsOf(
    join,
    [
      batchOf(simple.build, [
        [1, 'a'],
        [2, 'b'],
      ]),
    ],
    1,
  );
  const probe = batchOf(simple.probe, [
    [2, 1],
    [1, 2],
  ]);
  const [given] = batchesOf(elementsOf(join, [probe], 0));
  assert.equal(given!.columns[0], probe.columns[0]);
  const [part] = batchesOf([
    ...join.process(
      {
        kind: 'batch',
        batch: slice(
          batchOf(simple.probe, [
            [9, 1],
            [1, 2],
          ]),
          0,
          2,
        ),
      },
      0,
    ),
  ]);
  assert.deepEqual(namedRows([part!]), [{ k: 1, v: 2, r_w: 'a' }]);
});

test('nothing to build: an inner join gives nothing, a left one nulls', () => {
  for (const how of ['inner', 'left'] as const) {
    const join = joinOf(simple, 1, { how, tested: false });
    elementsOf(join, [], 1);
    const rows = namedRows(batchesOf(elementsOf(join, [batchOf(simple.probe, [[1, 2]]), batchOf(simple.probe, [])], 0)));
    assert.deepEqual(rows, how === 'left' ? [{ k: 1, v: 2, r_w: null }] : []);
  }
});

test('where nulls are equal, null keys match each other and only those', () => {
  const rows = (how: 'semi' | 'anti'): unknown[] => {
    const join = joinOf(simple, 1, { how, tested: false, nullsEqual: true });
    elementsOf(
      join,
      [
        batchOf(simple.build, [
          [null, 'n'],
          [2, 'two'],
        ]),
      ],
      1,
    );
    const probe = batchOf(simple.probe, [
      [null, 1],
      [1, 2],
      [2, 3],
    ]);
    return namedRows(batchesOf(elementsOf(join, [probe], 0))).map((row) => row['v']);
  };
  assert.deepEqual(rows('semi'), [1, 3]);
  assert.deepEqual(rows('anti'), [2]);
});

test('as of: each row meets the last one of its key that is not behind it, of equal ones the last that came', () => {
  const given = fc.tuple(fc.array(fc.constantFrom(...keyKinds), { maxLength: 2 }), fc.constantFrom(...keyKinds)).chain(([kinds, kind]) => {
    const sides: Sides = {
      probe: [...kinds.map((each, k) => field(`k${k}`, each)), field('at', kind), field('left', 'utf8')],
      build: [...kinds.map((each, k) => field(`key${k}`, each)), field('since', kind), field('number', 'int64')],
    };
    return fc.tuple(fc.constant(kinds.length), fc.constant(sides), batchesArb(sides.probe), batchesArb(sides.build));
  });
  fc.assert(
    fc.property(given, fc.constantFrom('inner', 'left'), ([keys, sides, probe, build], how) => {
      const kind: Kind = { how, tested: false, asOf: { left: 'at', right: 'since' } };
      const join = joinOf(sides, keys, kind);
      const rows = namedRows(batchesOf([...elementsOf(join, build, 1), ...elementsOf(join, probe, 0)]));
      assert.deepEqual(inOrder(rows, output(sides, keys, kind)), expected(sides, keys, kind, probe, build));
    }),
    { numRuns: 400 },
  );
});

test('a table keeps only the columns that somebody asks for: keys where rows of the build side leave alone, what the condition reads', () => {
  const sides = {
    probe: [field('k0', 'int32'), field('left', 'utf8')],
    build: [field('key0', 'int32'), field('right', 'utf8'), field('number', 'int64')],
  };
  const kept = (kind: Kind): readonly boolean[] => {
    const join = joinOf(sides, 1, kind);
    elementsOf(join, [batchOf(sides.build, [[1, 'a', 2n]])], 1);
    return join.table()!.columns.map((column) => column !== null);
  };
  assert.deepEqual(kept({ how: 'inner', tested: false }), [false, true, true]);
  assert.deepEqual(kept({ how: 'right', tested: false }), [true, true, true]);
  assert.deepEqual(kept({ how: 'semi', tested: false }), [false, false, false]);
  assert.deepEqual(kept({ how: 'anti', tested: true }), [false, false, true]);
});
