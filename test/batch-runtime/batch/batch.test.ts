import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchRows, type Column } from '#runtime/batch/batch.ts';
import { plainValue } from '#runtime/batch/rows.ts';
import { type TypeName, typeOf } from '../expression/random.ts';

const column = (kind: TypeName, data: Column['data'], rest: Partial<Column> = {}): Column => ({
  type: typeOf(kind),
  length: 3,
  data,
  offsets: null,
  validity: null,
  dictionary: null,
  children: [],
  ...rest,
});

test('values stand in the arrays as the docstring draws them', () => {
  const text = new TextEncoder().encode('..abccde');
  const dictionary = column('utf8', text, { length: 2, offsets: Int32Array.of(2, 5, 8) });
  const drawn: readonly (readonly [Column, readonly unknown[]])[] = [
    [column('int32', Int32Array.of(1, -1, 7)), [1, -1, 7]],
    [column('date', Int32Array.of(0, -1, 9204)), [0, -1, 9204]],
    [column('float64', Float64Array.of(0.5, -1, 2)), [0.5, -1, 2]],
    [column('integer', Int32Array.of(5, 0, -1, -1, 0, 1)), ['5', '-1', '4294967296']],
    [column('int64', Int32Array.of(0, -2147483648, -1, 2147483647, 1, 0)), ['-9223372036854775808', '9223372036854775807', '1']],
    [column('timestamp', Int32Array.of(1, 0, 2, 0, 3, 0)), ['1', '2', '3']],
    [column('bool', Uint8Array.of(0b101)), [true, false, true]],
    [column('utf8', text, { offsets: Int32Array.of(2, 5, 5, 8) }), ['abc', '', 'cde']],
    [column('utf8', Int32Array.of(1, 0, 1), { dictionary }), ['cde', 'abc', 'cde']],
    [column('int32', Int32Array.of(1, 77, 7), { validity: Uint8Array.of(0b101) }), [1, null, 7]],
  ];
  for (const [given, expected] of drawn)
    assert.deepEqual(
      [0, 1, 2].map((i) => plainValue(given, i)),
      expected,
    );
});

test('a batch has as many rows as fit in 16 bits', () => {
  assert.equal(batchRows, 2 ** 16);
});
