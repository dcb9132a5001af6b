import assert from 'node:assert/strict';
import { test } from 'node:test';
import { xxh64 } from '#worker/protocol/xxh64.ts';
import { pageBytes } from '#worker/store/region.ts';
import { encodeSegmentHead, readSegmentHead, type SegmentHead } from '#worker/store/segment.ts';
import { bytesOf, golden, hexOf } from '../../golden/golden.ts';

const [vector] = golden<SegmentHead>('segment');
assert.ok(vector);
const head = vector.value;
const good = bytesOf(vector.hex);

test('a golden first page is written and read byte for byte', () => {
  assert.equal(good.length, pageBytes);
  assert.equal(hexOf(encodeSegmentHead(head)), vector.hex);
  assert.deepEqual(readSegmentHead(good, head), { kind: 'segment', head });
});

test('a page of another segment, directory or cluster is none, and says so', () => {
  const other = '0'.repeat(32);
  assert.deepEqual(readSegmentHead(good, { ...head, segment: 5 }), { kind: 'none', what: 'another segment' });
  assert.deepEqual(readSegmentHead(good, { ...head, cluster: other }), { kind: 'none', what: 'another cluster' });
  assert.deepEqual(readSegmentHead(good, { ...head, directory: other }), { kind: 'none', what: 'another directory' });
});

test('any flipped bit, a page of zeros, a short page and another version are no segment', () => {
  for (let bit = 0; bit < 8 * 64; bit++) {
    const bytes = Uint8Array.from(good);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(readSegmentHead(bytes, head).kind, 'none', `bit ${bit}`);
  }
  assert.deepEqual(readSegmentHead(new Uint8Array(pageBytes), head), { kind: 'none', what: 'no magic' });
  assert.deepEqual(readSegmentHead(good.subarray(0, 63), head), { kind: 'none', what: 'cut off' });
  const newer = Uint8Array.from(good);
  newer[4] = 2;
  new DataView(newer.buffer).setBigUint64(56, xxh64(newer, 0, 56), true);
  assert.deepEqual(readSegmentHead(newer, head), { kind: 'none', what: 'version' });
});

test('an id that is not 32 hex digits is a mistake of the caller', () => {
  assert.throws(() => encodeSegmentHead({ ...head, cluster: 'x' }), RangeError);
});
