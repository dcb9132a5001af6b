import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { blockBytes, blockHeaderBytes, sealBlock, verifyBlock } from '#worker/protocol/block.ts';
import { bytesOf, golden, hexOf } from '../../golden/golden.ts';
import { type AnyBlock, anyBlock } from '../../golden/values.ts';

const sealed = ({ header, payload }: AnyBlock): Uint8Array => {
  const bytes = new Uint8Array(blockBytes(payload.length)).fill(0xaa);
  assert.equal(sealBlock(bytes, 0, header, payload), bytes.length);
  return bytes;
};

test('golden blocks are written and read byte for byte', () => {
  const vectors = golden<AnyBlock>('block');
  assert.ok(vectors.length >= 3);
  for (const { name, value, hex } of vectors) {
    assert.equal(hexOf(sealed(value)), hex, name);
    const read = verifyBlock(bytesOf(hex), 0);
    assert.ok(read.kind === 'block', name);
    assert.deepEqual({ header: read.header, payload: Uint8Array.from(read.payload) }, value, name);
  }
});

test('a sealed block is read back, wherever it stands', () => {
  fc.assert(
    fc.property(anyBlock, fc.nat(3), (block, lead) => {
      const bytes = new Uint8Array(8 * lead + blockBytes(block.payload.length) + 8);
      sealBlock(bytes, 8 * lead, block.header, block.payload);
      const read = verifyBlock(bytes, 8 * lead);
      assert.ok(read.kind === 'block');
      assert.deepEqual(read.header, block.header);
      assert.equal(hexOf(read.payload), hexOf(block.payload));
      assert.equal(read.bytes, blockBytes(block.payload.length));
    }),
  );
});

test('any flipped bit is seen, and the fault says where', () => {
  fc.assert(
    fc.property(anyBlock, fc.nat(), fc.nat(7), (block, place, bit) => {
      const bytes = sealed(block);
      const at = place % bytes.length;
      bytes[at]! ^= 1 << bit;
      assert.deepEqual(verifyBlock(bytes, 0), { kind: 'corrupt', fault: at < blockHeaderBytes ? 'header' : 'payload' });
    }),
  );
});

test('a block that is cut off anywhere is truncated, whatever its length says', () => {
  const bytes = sealed({ header: { ...golden<AnyBlock>('block')[0]!.value.header, payloadLength: 5 }, payload: new Uint8Array(5) });
  for (let length = 0; length < bytes.length; length++) {
    assert.deepEqual(verifyBlock(bytes.subarray(0, length), 0), { kind: 'corrupt', fault: 'truncated' });
  }
});

test('right hashes over another format are refused', () => {
  const { header, payload } = golden<AnyBlock>('block')[0]!.value;
  for (const wrong of [{ kind: 3 }, { codec: 3 }, { flags: 2 }]) {
    assert.deepEqual(verifyBlock(sealed({ header: { ...header, ...wrong }, payload }), 0), { kind: 'corrupt', fault: 'format' });
  }
});

test('a payload may already stand in its place, and its length must be the stated one', () => {
  const { header, payload } = golden<AnyBlock>('block')[0]!.value;
  const bytes = new Uint8Array(blockBytes(payload.length));
  bytes.set(payload, blockHeaderBytes);
  sealBlock(bytes, 0, header, bytes.subarray(blockHeaderBytes, blockHeaderBytes + payload.length));
  assert.deepEqual(bytes, sealed({ header, payload }));
  assert.throws(() => sealBlock(bytes, 0, { ...header, payloadLength: 1 }, payload), RangeError);
});
