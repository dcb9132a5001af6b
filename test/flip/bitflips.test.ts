// Every bit of a segment, in npm test each ninety-seventh; and that a miss would be seen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockHeaderBytes, readHeader, sealBlock } from '#worker/protocol/block.ts';
import { bitflips } from './bitflips.ts';
import { places, segmentBytes, type WrittenSegment } from './segment.ts';

test('whatever bit is flipped, and wherever the end is cut off, what is lost is named and the rest is right', async () => {
  const said: string[] = [];
  const found = await bitflips({ step: 97, say: (text) => said.push(text) });
  assert.equal(found.misses, 0, said.join('\n'));
  assert.equal(found.flips, Math.ceil((segmentBytes * 8) / 97));
  assert.equal(found.cuts, Math.ceil(segmentBytes / 97));
  for (const place of places) assert.ok(Object.keys(found.byPlace[place]).length > 0, `no bit of ${place} was flipped`);
});

/** Changes byte `at` of the payload of the first block in such a place, and seals it anew: its hashes hold. */
function reseal(written: WrittenSegment, bytes: Uint8Array, place: 'blockHeader' | 'manifest', at: number): void {
  let block = 0;
  while (written.placeOf(block) !== place) block++;
  const header = readHeader(new DataView(bytes.buffer, bytes.byteOffset), block);
  const payload = bytes.slice(block + blockHeaderBytes, block + blockHeaderBytes + header.payloadLength);
  payload[at]! ^= 1;
  sealBlock(bytes, block, header, payload);
}

test('a change that no hash betrays is a miss: rows that were never written, and a manifest that nobody made', async () => {
  for (const { place, at, words } of [
    { place: 'blockHeader', at: 0, words: /block 0 of map 0, partition 0/ },
    { place: 'manifest', at: 16, words: /which nobody wrote/ },
  ] as const) {
    const said: string[] = [];
    const step = 8 * 4200;
    const harm = (bytes: Uint8Array, bit: number, written: WrittenSegment): void => {
      if (bit > 0) reseal(written, bytes, place, at);
    };
    const found = await bitflips({ step, harm, say: (text) => said.push(text) });
    assert.ok(found.misses > 0, place);
    assert.match(said.join('\n'), words);
  }
});

test('damage that nobody notices is a miss', async () => {
  const found = await bitflips({ step: segmentBytes * 8, harm: () => {}, say: () => {} });
  assert.equal(found.misses, 1, 'bit 0 is of the head, and was not flipped');
});
