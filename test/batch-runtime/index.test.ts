import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as door from '#runtime/index.ts';

test('what a job may import is this and nothing else', () => {
  assert.deepEqual(Object.keys(door).sort(), [
    'Decimal',
    'SluiceError',
    'Temporal',
    'Type',
    'arrow',
    'bool',
    'bytes',
    'col',
    'count',
    'csv',
    'cumeDist',
    'date',
    'decimal',
    'denseRank',
    'desc',
    'float32',
    'float64',
    'int16',
    'int32',
    'int64',
    'int8',
    'integer',
    'job',
    'json',
    'list',
    'lit',
    'localTimestamp',
    'ntile',
    'parquet',
    'percentRank',
    'rank',
    'rowNumber',
    'run',
    'schema',
    'struct',
    'time',
    'timestamp',
    'udf',
    'uint16',
    'uint32',
    'uint64',
    'uint8',
    'utf8',
    'when',
  ]);
});

test("the package's own name leads to the same modules", async () => {
  const own = await import('sluice');
  assert.equal(own.job, door.job);
});
