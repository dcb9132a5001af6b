import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arrow, csv, parquet } from '#runtime/connectors/builders.ts';
import { int32, schema, utf8 } from '#runtime/schema.ts';

const columns = schema({ n: int32(), t: utf8().nullable() });

test('with a schema it is a source with its fields, in their order', () => {
  const { source, fields } = csv('in/*.csv', { schema: columns, rejects: 'bad.csv' });
  assert.deepEqual(source, { connector: 'csv', path: 'in/*.csv', rejects: 'bad.csv' });
  assert.deepEqual(fields, [
    { name: 'n', type: { kind: 'int32' }, nullable: false },
    { name: 't', type: { kind: 'utf8' }, nullable: true },
  ]);
  assert.deepEqual(arrow('in', { schema: columns }).source, { connector: 'arrow', path: 'in' });
  assert.deepEqual(parquet('in', { schema: columns }).source, { connector: 'parquet', path: 'in' });
});

test('without a schema it is a sink, and a source of which nothing is declared', () => {
  const out = parquet('out', { partitionBy: ['t'], overwrite: true });
  assert.deepEqual(out.sink, { connector: 'parquet', path: 'out', overwrite: true, partitionBy: ['t'] });
  assert.deepEqual(out.names, ['t']);
  assert.equal(out.fields, null);
  assert.deepEqual(arrow('out.arrow', { compression: 'zstd' }).sink, {
    connector: 'arrow',
    path: 'out.arrow',
    overwrite: false,
    compression: 'zstd',
  });
  assert.throws(() => arrow('out.arrow', { compression: 'lz4' as 'zstd' }), { code: 'PLAN_UNSUPPORTED', message: /compression is 'zstd', not lz4/ });
  assert.deepEqual(csv('out.csv').sink, { connector: 'csv', path: 'out.csv', overwrite: false });
});

test('specs are plain JSON', () => {
  for (const { source, sink } of [csv('a'), parquet('b', { partitionBy: ['n'] }), csv('c', { overwrite: true })]) {
    assert.deepEqual(JSON.parse(JSON.stringify({ source, sink })), { source, sink });
  }
});
