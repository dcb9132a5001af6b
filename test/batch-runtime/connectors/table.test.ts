import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arrow, csv, json, parquet } from '#runtime/connectors/builders.ts';
import { sinkOf, sinks, sourceOf, sources } from '#runtime/connectors/table.ts';
import { int32 } from '#runtime/schema.ts';

test('what the builders name is in the table', () => {
  const columns = { schema: { n: int32() } };
  const built = [
    { source: arrow('in', columns).source, sink: arrow('out').sink },
    { source: json('in', columns).source, sink: json('out').sink },
    { source: csv('in', columns).source, sink: csv('out').sink },
    { source: parquet('in', columns).source, sink: parquet('out').sink },
  ];
  for (const { source, sink } of built) {
    assert.notEqual(sources[source.connector], undefined);
    assert.equal(sourceOf(source), sources[source.connector]);
    assert.notEqual(sinks[sink.connector], undefined);
    assert.equal(sinkOf(sink), sinks[sink.connector]);
  }
});

test('what a source leaves aside has a sink', () => {
  const { source } = csv('in.csv', { schema: { n: int32() }, rejects: 'bad.csv' });
  const side = sourceOf(source).side(source);
  assert.equal(sinkOf(side!), sinks['rejects']);
  const plain = csv('in.csv', { schema: { n: int32() } }).source;
  assert.equal(sourceOf(plain).side(plain), null);
});

test('a name nobody has is refused, and those there are said', () => {
  assert.throws(() => sourceOf({ connector: 'kafka' }), {
    code: 'PLAN_UNSUPPORTED',
    message: /no source connector 'kafka'; there are arrow, csv, json, parquet/,
  });
  assert.throws(() => sinkOf({ connector: 'toString' }), { code: 'PLAN_UNSUPPORTED' });
});
