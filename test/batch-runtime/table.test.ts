import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csv, parquet } from '#runtime/connectors/builders.ts';
import { count } from '#runtime/fluent/aggregate.ts';
import { col, lit } from '#runtime/fluent/columns.ts';
import type { Columns } from '#runtime/fluent/expr.ts';
import { udf } from '#runtime/fluent/udf.ts';
import { expressionText } from '#runtime/graph/explain.ts';
import type { PlanNode } from '#runtime/graph/plan.ts';
import { buildGraph, job } from '#runtime/job.ts';
import { date, float64, int32, int64, integer, schema, timestamp, typeText, utf8 } from '#runtime/schema.ts';
import { desc, type Flow, type Table } from '#runtime/table.ts';

const facts = schema({ a: utf8().nullable(), b: utf8(), n: int32().nullable(), x: float64(), l: int64(), at: timestamp() });
const side = schema({ b: utf8(), name: utf8(), size: int32() });
const read = (flow: Flow) => flow.read(csv('facts.csv', { schema: facts }));
const readSide = (flow: Flow) => flow.read(csv('side.csv', { schema: side }));

const built = (build: (flow: Flow) => unknown) => buildGraph(job({ name: 'test', build: (flow) => build(flow) as undefined }));
const last = (build: (flow: Flow) => unknown): PlanNode => built(build).plan.nodes.at(-1)!;
const fields = (build: (flow: Flow) => unknown): string[] => last(build).schema.map((field) => `${field.name} ${typeText(field)}`);
const refused = (build: (flow: Flow) => unknown, code: string, ...words: string[]): void =>
  assert.throws(
    () => built(build),
    (thrown: Error & { code?: string }) => {
      assert.equal(thrown.code, code, thrown.message);
      for (const word of words) assert(thrown.message.includes(word), `${word}: ${thrown.message}`);
      return true;
    },
  );
/** As plain JavaScript would: without the compiler's help. */
const js = (table: unknown) => table as { [verb: string]: (...given: unknown[]) => unknown };

test('each verb gives the columns its type promises, in the written order', () => {
  assert.deepEqual(
    fields((flow) => read(flow).select('b', (t) => ({ far: t.x.gt(1), h: t.at.hour() }), 'n')),
    ['b utf8', 'far bool', 'h int32', 'n int32 nullable'],
  );
  assert.deepEqual(
    fields((flow) =>
      read(flow)
        .select('n')
        .derive((t) => ({ m: t.n.add(1), n: t.n.coalesce(0), one: 1, tag: 'x', yes: true, big: 1n })),
    ),
    ['n int32', 'm int32 nullable', 'one float64', 'tag utf8', 'yes bool', 'big int64'],
  );
  assert.deepEqual(
    fields((flow) => read(flow).drop('a', 'at', 'l')),
    ['b utf8', 'n int32 nullable', 'x float64'],
  );
  assert.deepEqual(
    fields((flow) => read(flow).select('a', 'n').rename({ a: 'n', n: 'a' })),
    ['n utf8 nullable', 'a int32 nullable'],
  );
  assert.deepEqual(
    fields((flow) => read(flow).select('a', 'n').dropNulls('a')),
    ['a utf8', 'n int32 nullable'],
  );
  assert.deepEqual(
    fields((flow) =>
      readSide(flow)
        .filter((t) => t.size.gt(1))
        .orderBy('b')
        .limit(3),
    ),
    ['b utf8', 'name utf8', 'size int32'],
  );
});

test('aggregates: sums of whole numbers are whole, over nothing all but counts are null', () => {
  const aggregates = (t: Columns<{ n: number | null; x: number; l: bigint; b: string }>) => ({
    rows: count(),
    known: t.n.count(),
    n: t.n.sum(),
    x: t.x.sum(),
    l: t.l.sum(),
    mean: t.l.avg(),
    low: t.b.min(),
    some: t.x.max().filter(t.n.gt(1)),
  });
  assert.deepEqual(
    fields((flow) =>
      read(flow)
        .groupBy('b')
        .aggregate((t) => aggregates(t)),
    ),
    ['b utf8', 'rows integer', 'known integer', 'n integer nullable', 'x float64', 'l int64', 'mean float64', 'low utf8', 'some float64 nullable'],
  );
  assert.deepEqual(
    fields((flow) => read(flow).aggregate((t) => aggregates(t))),
    [
      'rows integer',
      'known integer',
      'n integer nullable',
      'x float64 nullable',
      'l int64 nullable',
      'mean float64 nullable',
      'low utf8 nullable',
      'some float64 nullable',
    ],
  );
});

test('a key that is computed is a column of the groups alone', () => {
  const nodes = built((flow) =>
    read(flow)
      .groupBy('b', (t) => ({ h: t.at.hour() }))
      .aggregate((t) => ({ first: t.at.min() })),
  ).plan.nodes;
  assert.deepEqual(
    nodes.map(({ kind }) => kind),
    ['scan', 'project', 'aggregate'],
  );
  assert.deepEqual(
    nodes.at(-1)!.schema.map(({ name }) => name),
    ['b', 'h', 'first'],
  );
});

test('names that every object has are names like others', () => {
  const odd = schema({ constructor: int32(), valueOf: utf8() });
  assert.deepEqual(
    fields((flow) => js(flow.read(csv('odd.csv', { schema: odd }))).rename!({ valueOf: 'v' })),
    ['constructor int32', 'v utf8'],
  );
  refused((flow) => js(readSide(flow)).rename!({ toString: 'v' }), 'COLUMN_UNKNOWN', 'toString');
  refused((flow) => js(flow).rows!(odd, [{}]), 'PLAN_UNSUPPORTED', 'constructor');
});

test('a join gives the left columns, then the right ones without its keys, null where it may find nothing', () => {
  assert.deepEqual(
    fields((flow) =>
      read(flow)
        .select('a', 'x')
        .join(readSide(flow), { on: { a: 'b' }, prefix: 's_', how: 'left' }),
    ),
    ['a utf8 nullable', 'x float64', 's_name utf8 nullable', 's_size int32 nullable'],
  );
  assert.deepEqual(
    fields((flow) => read(flow).select('b').join(readSide(flow), { on: 'b' })),
    ['b utf8', 'name utf8', 'size int32'],
  );
  const node = last((flow) => readSide(flow).join(readSide(flow).drop('size'), { on: ['b', 'name'] }));
  assert(node.kind === 'join');
  assert.deepEqual([node.leftKeys, node.rightKeys, node.how], [['b', 'name'], ['b', 'name'], 'inner']);
});

test('what joins refuse', () => {
  refused((flow) => js(readSide(flow)).join!(readSide(flow), { on: 'b' }), 'COLUMN_CLASH', 'name');
  refused((flow) => js(read(flow)).join!(readSide(flow), { on: { n: 'b' } }), 'EXPRESSION_TYPE', 'int32', 'utf8', 'cast');
  refused((flow) => js(read(flow)).join!(readSide(flow), { on: { b: 'bb' } }), 'COLUMN_UNKNOWN', 'bb', 'right side');
  refused((flow) => js(read(flow)).join!(readSide(flow), { on: { bb: 'b' } }), 'COLUMN_UNKNOWN', 'bb');
  refused((flow) => js(read(flow)).join!(readSide(flow), { on: {} }), 'PLAN_UNSUPPORTED', 'no keys');
  refused((flow) => js(read(flow)).join!(readSide(flow), { on: 'b', how: 'outer', prefix: 's_' }), 'PLAN_UNSUPPORTED', 'outer', 'full');
  refused((flow) => js(read(flow)).join!(readSide(flow), { on: 'b', how: 'cross', prefix: 's_' }), 'PLAN_UNSUPPORTED', 'no keys');
  refused((flow) => js(readSide(flow)).intersect!(readSide(flow).drop('size')), 'COLUMN_UNKNOWN', 'size');
  refused((flow) => js(readSide(flow).drop('size')).except!(readSide(flow)), 'PLAN_UNSUPPORTED', 'size');
  let other: Table<unknown> | null = null;
  built((flow) => (other = readSide(flow) as unknown as Table<unknown>));
  refused((flow) => js(read(flow)).join!(other, { on: 'b' }), 'PLAN_UNSUPPORTED', 'same flow');
});

test('a name that is not there is COLUMN_UNKNOWN where it is written, with those that are', () => {
  const wrong: readonly ((flow: Flow) => unknown)[] = [
    (flow) => js(readSide(flow)).select!('nam'),
    (flow) => js(readSide(flow)).drop!('nam'),
    (flow) => js(readSide(flow)).rename!({ nam: 'x' }),
    (flow) => js(readSide(flow)).dropNulls!('nam'),
    (flow) => js(readSide(flow)).orderBy!('nam'),
    (flow) => js(readSide(flow)).orderBy!(desc('nam')),
    (flow) => js(js(readSide(flow)).groupBy!('nam')).aggregate!(() => ({ n: count() })),
    (flow) => js(readSide(flow)).filter!((t: { nam: { eq(value: string): unknown } }) => t.nam.eq('x')),
    (flow) => readSide(flow).filter(() => col('nam', utf8()).eq('x')),
    (flow) => js(readSide(flow)).write!(parquet('out', { partitionBy: ['nam'] })),
    (flow) =>
      readSide(flow)
        .drop('name')
        .filter(() => col('name', utf8()).eq('x')),
  ];
  for (const build of wrong) refused(build, 'COLUMN_UNKNOWN', 'nam', 'size');
});

test('what makes no table', () => {
  refused((flow) => js(read(flow)).select!('b', () => ({ b: lit(1, int32()) })), 'PLAN_UNSUPPORTED', 'two columns named b');
  refused((flow) => js(read(flow)).rename!({ a: 'b' }), 'PLAN_UNSUPPORTED', 'two columns named b');
  refused((flow) => js(js(read(flow)).groupBy!('b')).aggregate!(() => ({ b: count() })), 'PLAN_UNSUPPORTED', 'two columns named b');
  refused((flow) => read(flow).groupBy(), 'PLAN_UNSUPPORTED', 'no keys');
  refused((flow) => read(flow).orderBy(), 'PLAN_UNSUPPORTED', 'no keys');
  refused((flow) => read(flow).aggregate(() => ({})), 'PLAN_UNSUPPORTED', 'no column');
  for (const n of [-1, 0.5, Number.NaN, 2 ** 53]) refused((flow) => read(flow).limit(n), 'PLAN_UNSUPPORTED', String(n));
  refused((flow) => js(read(flow)).write!('out.csv'), 'PLAN_UNSUPPORTED', 'sink');
  refused((flow) => js(flow).read!('facts.csv'), 'PLAN_UNSUPPORTED', 'source');
  refused((flow) => [flow.read(csv('a', { schema: side }), 'x'), flow.read(csv('b', { schema: side }), 'x')][1], 'PLAN_UNSUPPORTED', 'named x');
});

test('conditions and columns are of the right kind', () => {
  refused((flow) => js(read(flow)).filter!((t: { n: unknown }) => t.n), 'EXPRESSION_TYPE', 'bool', 'int32');
  refused((flow) => js(read(flow)).derive!(() => ({ x: null })), 'EXPRESSION_TYPE', 'null');
  refused((flow) => js(read(flow)).derive!(() => ({ x: count() })), 'EXPRESSION_TYPE', 'aggregate');
  refused((flow) => js(read(flow)).aggregate!((t: { n: unknown }) => ({ x: t.n })), 'EXPRESSION_TYPE', 'x in aggregate-1');
  refused((flow) => js(read(flow)).aggregate!((t: { b: { sum(): unknown } }) => ({ x: t.b.sum() })), 'EXPRESSION_TYPE', 'sum of a utf8');
  refused((flow) => read(flow).filter(() => col('n', int32()).gt(1)), 'EXPRESSION_TYPE', 'n is int32 nullable, not int32');
  refused((flow) => read(flow).filter(() => col('b', int32()).gt(1)), 'EXPRESSION_TYPE', 'b is utf8');
});

test('a table written down holds its rows as plain JSON', () => {
  const all = schema({ n: integer(), l: int64().nullable(), d: date() });
  const node = last((flow) =>
    flow.rows(all, [
      { n: 2 ** 40, l: 2n ** 62n, d: '1995-03-15' as never },
      { n: -1, l: null, d: '1970-01-01' as never },
    ]),
  );
  assert(node.kind === 'values');
  assert.deepEqual(node.rows, [
    ['1099511627776', '4611686018427387904', 9204],
    ['-1', null, 0],
  ]);
  refused(
    (flow) =>
      js(flow).rows!(all, [
        { n: 1, d: 0 },
        { l: 1n, d: 0 },
      ]),
    'PLAN_UNSUPPORTED',
    'row 1',
    'n',
  );
  refused((flow) => js(flow).rows!(all, [{ n: 0.5, d: 0 }]), 'EXPRESSION_TYPE', '0.5');
  refused((flow) => js(flow).rows!(all, [{ n: 2 ** 53, d: 0 }]), 'VALUE_OUT_OF_RANGE', '9007199254740992');
});

test('a source of which nothing is declared learns its columns from `col`, and must before anything needs them all', () => {
  const { nodes } = built((flow) =>
    flow
      .read(csv('bare.csv'))
      .filter(() => col('n', int32()).gt(1))
      .select(() => ({ b: col('b', utf8().nullable()) })),
  ).plan;
  const [scan] = nodes;
  assert.deepEqual(scan?.kind === 'scan' && scan.columns, ['n', 'b']);
  assert.deepEqual(nodes.at(-1)!.schema, [{ name: 'b', type: { kind: 'utf8' }, nullable: true }]);
  refused((flow) => flow.read(csv('bare.csv')), 'PLAN_UNSUPPORTED', 'select them first');
  refused((flow) => js(flow.read(csv('bare.csv'))).write!(csv('out.csv')), 'PLAN_UNSUPPORTED', 'select them first');
  refused((flow) => js(flow.read(csv('bare.csv'))).orderBy!(), 'PLAN_UNSUPPORTED');
});

test('functions get slots in the order of the graph, and pipe is a step of one’s own', () => {
  const f = udf([utf8()], utf8(), (s) => s);
  const graph = built((flow) => read(flow).pipe((t) => t.derive((c) => ({ p: f(c.b), q: f(f(c.b)) }))));
  assert.deepEqual(
    graph.functions.map(({ uid }) => uid),
    ['derive-1', 'derive-1', 'derive-1'],
  );
  const node = graph.plan.nodes.at(-1)!;
  assert(node.kind === 'project');
  assert(expressionText(node.columns.at(-1)!.expression).length > 0);
  assert.equal(JSON.stringify(graph.plan).includes('run'), false);
});

test('one table may be used many times: it stands in the plan once', () => {
  const { nodes } = built((flow) => {
    const t = readSide(flow);
    t.write(csv('a.csv'), 'a');
    t.write(csv('b.csv'), 'b');
    return t.limit(1);
  }).plan;
  assert.deepEqual(
    nodes.map(({ kind }) => kind),
    ['scan', 'sink', 'sink', 'limit'],
  );
});
