import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tableFromIPC } from 'apache-arrow';
import { createArrowEncoder } from '#runtime/connectors/arrow-encode.ts';
import { batchOf, fieldsOf } from '../batch/columns.ts';

const schema = fieldsOf('bool', 'utf8');
const whole = (isPacked: boolean, count: number): Buffer => {
  const encoder = createArrowEncoder(schema, isPacked);
  const batch = batchOf(schema, [
    [true, 'one'],
    [null, null],
    [false, ''],
  ]);
  return Buffer.concat([encoder.head(), ...Array.from({ length: count }, () => encoder.batch(batch)).flat(), encoder.foot()]);
};

test('a file begins and ends with its mark, its messages stand on 8 bytes, and the foot finds them', () => {
  for (const count of [0, 1, 3]) {
    const bytes = whole(false, count);
    assert.equal(bytes.subarray(0, 8).toString('latin1'), 'ARROW1\0\0');
    assert.equal(bytes.subarray(-6).toString('latin1'), 'ARROW1');
    const length = bytes.readInt32LE(bytes.length - 10);
    // Before the foot stands the mark of the end of a stream.
    assert.equal(bytes.readUInt32LE(bytes.length - 10 - length - 8), 0xffff_ffff);
    assert.equal(bytes.readUInt32LE(bytes.length - 10 - length - 4), 0);
    assert.equal((bytes.length - 10 - length) % 8, 0);
    assert.equal(tableFromIPC(bytes).numRows, 3 * count);
  }
});

test('without its mark it is a stream', () => {
  const bytes = whole(false, 2).subarray(8);
  assert.equal(tableFromIPC(bytes).numRows, 6);
});

test('bits behind the last one are zero, so that equal rows are equal bytes', () => {
  const of = (spare: number): Buffer => {
    const encoder = createArrowEncoder(schema, false);
    const batch = batchOf(schema, [
      [true, 'a'],
      [null, null],
    ]);
    const [bits, text] = batch.columns;
    const validity = Uint8Array.of(0b01 | spare);
    return Buffer.concat(encoder.batch({ ...batch, columns: [{ ...bits!, data: Uint8Array.of(0b01 | spare), validity }, text!] }));
  };
  assert.deepEqual(of(0), of(0b1111_0000));
});
