import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Type } from 'typebox';
import { csv } from '#runtime/connectors/builders.ts';
import { count } from '#runtime/fluent/aggregate.ts';
import { udf } from '#runtime/fluent/udf.ts';
import { type AnyJob, buildGraph, firstDifference, isJob, job, readParams } from '#runtime/job.ts';
import { int32, schema, utf8 } from '#runtime/schema.ts';
import type { Flow } from '#runtime/table.ts';

const facts = schema({ a: utf8(), n: int32() });
const read = (flow: Flow) => flow.read(csv('facts.csv', { schema: facts }));
const code =
  (expected: string, word = '') =>
  (thrown: Error & { code?: string }) => {
    assert.equal(thrown.code, expected);
    assert(thrown.message.includes(word), thrown.message);
    return true;
  };

test('a job knows the module that declared it, and is known as one', () => {
  const made = job({ name: 'one', build: (flow) => read(flow) });
  assert.equal(made.module, import.meta.url);
  assert(isJob(made));
  for (const other of [null, undefined, {}, 'job', () => {}, { name: 'x', build() {} }]) assert(!isJob(other));
  assert(Object.isFrozen(made));
});

const params = {
  out: Type.String(),
  least: Type.Integer({ default: 2, minimum: 0 }),
  share: Type.Number({ default: 0.5 }),
  live: Type.Boolean({ default: false }),
  names: Type.Array(Type.String(), { default: ['a'] }),
  nested: Type.Object({ x: Type.Integer() }, { default: { x: 1 } }),
};
const of = { name: 'p', params };

test('params: defaults are filled in, text is read by the type, and all is frozen', () => {
  const given = readParams(of, { out: '5', least: '7', share: '1e-3', live: 'true', names: '["b","c"]' });
  assert.deepEqual(given, { out: '5', least: 7, share: 0.001, live: true, names: ['b', 'c'], nested: { x: 1 } });
  assert.throws(() => {
    (given.nested as { x: number }).x = 2;
  }, TypeError);
  assert.deepEqual(readParams(of, { out: 'o', least: 3, nested: { x: 4 } }).nested, { x: 4 });
});

test('every fault of the params is named at once', () => {
  assert.throws(
    () => readParams(of, { least: 'two', live: 'yes', nested: {}, unknown: 1, constructor: 1 }),
    (thrown: Error & { code?: string; facts?: { faults?: string[] } }) => {
      assert.equal(thrown.code, 'PARAMS_INVALID');
      for (const word of ['out', 'least', 'live', 'nested.x', 'unknown', 'constructor'])
        assert(thrown.message.includes(word), `${word}: ${thrown.message}`);
      return thrown.facts?.faults?.length === 6;
    },
  );
  for (const least of ['', ' ', '1x', '0x10', '1_0', 'Infinity', '1.5', '-1'])
    assert.throws(() => readParams(of, { out: 'o', least }), { code: 'PARAMS_INVALID' }, least);
});

test('the same job has the same digest, another expression or function text another', () => {
  const graph = (build: (flow: Flow) => unknown) => buildGraph(job({ name: 'd', build: (flow) => build(flow) as undefined }));
  const digest = (build: (flow: Flow) => unknown): string => graph(build).digest;
  const twice = udf([int32()], int32(), (n) => n * 2);
  const thrice = udf([int32()], int32(), (n) => n * 3);
  const digests = [
    digest((flow) => read(flow).filter((t) => t.n.gt(1))),
    digest((flow) => read(flow).filter((t) => t.n.gt(2))),
    digest((flow) => read(flow).select((t) => ({ x: twice(t.n) }))),
    digest((flow) => read(flow).select((t) => ({ x: thrice(t.n) }))),
  ];
  assert.equal(new Set(digests).size, digests.length);
  assert.equal(
    digests[0],
    digest((flow) => read(flow).filter((t) => t.n.gt(1))),
  );
  const [a, b] = [graph((flow) => read(flow).filter((t) => t.n.gt(1))), graph((flow) => read(flow).filter((t) => t.n.gt(2)))];
  assert.equal(firstDifference(a.plan, a.plan), null);
  assert.equal(firstDifference(a.plan, b.plan), 'filter-1');
  assert.equal(firstDifference(a.plan, { ...a.plan, name: 'other' }), 'the name');
  assert.equal(firstDifference(a.plan, { ...a.plan, result: null }), 'the result');
});

test('a build that differs the second time is BUILD_NOT_REPEATABLE, with the node', () => {
  let n = 0;
  const counting = job({ name: 'c', build: (flow) => read(flow).filter((t) => t.n.gt(n++)) });
  assert.throws(() => buildGraph(counting), code('BUILD_NOT_REPEATABLE', 'filter-1'));
  let first = true;
  const other = job({
    name: 'f',
    build(flow) {
      const f = first ? udf([int32()], int32(), (x) => x + 1) : udf([int32()], int32(), (x) => x + 2);
      first = false;
      return read(flow).derive((t) => ({ y: f(t.n) }));
    },
  });
  assert.throws(() => buildGraph(other), code('BUILD_NOT_REPEATABLE', 'derive-1'));
});

test('a build that is async, throws, gives nothing, or something else', () => {
  const built = (build: (flow: Flow) => unknown): unknown => buildGraph(job({ name: 'bad', build: build as () => undefined }) as AnyJob);
  assert.throws(() => built(async () => Promise.reject(new Error('late'))), code('JOB_BUILD_ASYNC', 'bad'));
  assert.throws(
    () =>
      built(() => {
        throw new TypeError('its own');
      }),
    TypeError,
  );
  assert.throws(() => built(() => {}), code('PLAN_UNSUPPORTED', 'writes nothing'));
  assert.throws(() => built(() => 5), code('PLAN_UNSUPPORTED', 'not a table'));
  let stolen: unknown;
  built((flow) => (stolen = read(flow)));
  assert.throws(() => built(() => stolen), code('PLAN_UNSUPPORTED', 'not a table'));
});

test('an expression that was made and not used is EXPRESSION_UNUSED', () => {
  const built = (build: (flow: Flow) => unknown): unknown => buildGraph(job({ name: 'u', build: (flow) => build(flow) as undefined }));
  assert.throws(() => built((flow) => read(flow).filter((t) => t.n.gt(1) && t.n.lt(9))), code('EXPRESSION_UNUSED', 'n'));
  built((flow) => read(flow).filter((t) => t.n.gt(1).and(t.n.lt(9))));
  built((flow) =>
    read(flow)
      .groupBy('a')
      .aggregate((t) => ({ n: count().filter(t.n.gt(1)), s: t.n.add(1).sum() })),
  );
});
