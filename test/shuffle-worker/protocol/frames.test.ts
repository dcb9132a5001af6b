import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SluiceError } from '#manager/protocol/errors.ts';
import {
  blocksFrameHeader,
  encodeMessage,
  errorMessage,
  errorOfMessage,
  FrameParser,
  type FrameSink,
  frameHeaderBytes,
  type Message,
  type MessageOf,
  maxBlocksBytes,
} from '#worker/protocol/frames.ts';
import { xxh64 } from '#worker/protocol/xxh64.ts';
import { bytesOf, golden, hexOf } from '../../golden/golden.ts';
import { anyMessage, record } from '../../golden/values.ts';

type Blocks = { readonly type: 'blocks'; readonly stream: number; readonly body: Uint8Array };
type Frame = Message | Blocks;

const encoded = (frame: Frame): Uint8Array =>
  frame.type === 'blocks' ? Buffer.concat([blocksFrameHeader(frame.stream, frame.body.length), frame.body]) : encodeMessage(frame);

class Collector implements FrameSink {
  readonly frames: Frame[] = [];
  readonly claims: number[] = [];
  refuse = false;
  message(message: Message): void {
    this.frames.push(message);
  }
  beginBlocks(_stream: number, bodyLength: number): Uint8Array | null {
    this.claims.push(bodyLength);
    return this.refuse ? null : new Uint8Array(bodyLength);
  }
  endBlocks(stream: number, target: Uint8Array): void {
    this.frames.push({ type: 'blocks', stream, body: target });
  }
}
const parsed = (bytes: Uint8Array): Frame[] => {
  const sink = new Collector();
  new FrameParser().push(bytes, sink);
  return sink.frames;
};
const corruptFrame = (thrown: unknown): boolean => thrown instanceof SluiceError && thrown.code === 'CORRUPT_FRAME';

test('golden frames are written and read byte for byte, one of each of the twelve messages', () => {
  const vectors = golden<Frame>('frames');
  assert.equal(new Set(vectors.map(({ value }) => value.type)).size, 12);
  for (const { name, value, hex } of vectors) {
    assert.equal(hexOf(encoded(value)), hex, name);
    assert.deepEqual(parsed(bytesOf(hex)), [value], name);
  }
});

test('any frames in any cut come out as they went in', () => {
  const blocks = record({
    type: fc.constant('blocks' as const),
    stream: fc.nat(),
    body: fc.nat(20).chain((words) => fc.uint8Array({ minLength: 8 * words, maxLength: 8 * words })),
  });
  fc.assert(
    fc.property(
      fc.array(fc.oneof({ weight: 3, arbitrary: anyMessage }, blocks), { maxLength: 8 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 70 })),
      (frames, cuts) => {
        const bytes = Buffer.concat(frames.map(encoded));
        const sink = new Collector();
        const parser = new FrameParser();
        const reused = new Uint8Array(70);
        for (let at = 0; at < bytes.length; ) {
          const { value: cut } = cuts.next();
          const part = bytes.subarray(at, at + cut);
          reused.set(part);
          parser.push(reused.subarray(0, part.length), sink);
          reused.fill(0xee);
          at += part.length;
        }
        assert.ok(parser.idle);
        assert.deepEqual(sink.frames, frames);
      },
    ),
  );
});

test('a flipped bit of a control frame, or of the header before blocks, is seen before anyone is told', () => {
  fc.assert(
    fc.property(anyMessage, fc.nat(), (message, place) => {
      const bytes = encodeMessage(message);
      const bit = place % (8 * bytes.length);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      const sink = new Collector();
      const parser = new FrameParser();
      try {
        parser.push(bytes, sink);
        // A length that grew only waits for more, within what the message may have.
        assert.ok(bit < 32 && !parser.idle);
      } catch (thrown) {
        assert.ok(corruptFrame(thrown));
      }
      assert.deepEqual([sink.frames, sink.claims], [[], []]);
    }),
  );
  const header = blocksFrameHeader(7, 64);
  for (let bit = 0; bit < 128; bit++) {
    const bytes = Uint8Array.from(header);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    const sink = new Collector();
    assert.throws(() => new FrameParser().push(bytes, sink), corruptFrame, `bit ${bit}`);
    assert.deepEqual(sink.claims, []);
  }
});

test('lengths are refused before anything is allocated, with a right check word as well', () => {
  const claim = (type: number, bodyLength: number): Uint8Array => {
    const bytes = new Uint8Array(frameHeaderBytes);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, bodyLength, true);
    view.setUint32(4, type, true);
    view.setUint32(12, Number(xxh64(bytes) & 0xffffffffn), true);
    return bytes;
  };
  const wrong: [string, Uint8Array][] = [
    ['4 GiB of blocks', claim(4, 0xfffffff8)],
    ['blocks beyond the limit', claim(4, maxBlocksBytes + 8)],
    ['not a multiple of 8', claim(4, 12)],
    ['a ping with the wrong length', claim(10, 16)],
    ['an END beyond the limit', claim(7, (4 << 20) + 8)],
    ['a message nobody knows', claim(13, 0)],
    ['message 0', claim(0, 0)],
  ];
  for (const [name, bytes] of wrong) {
    const sink = new Collector();
    assert.throws(() => new FrameParser().push(bytes, sink), corruptFrame, name);
    assert.deepEqual(sink.claims, [], name);
  }
  new FrameParser().push(claim(4, maxBlocksBytes), { ...silentSink, beginBlocks: () => null });
});

const silentSink: FrameSink = { message() {}, beginBlocks: () => null, endBlocks() {} };

test('a right check word over a body that is not the message is refused', () => {
  const resealed = (bytes: Uint8Array): Uint8Array => {
    bytes.fill(0, 12, 16);
    new DataView(bytes.buffer).setUint32(12, Number(xxh64(bytes) & 0xffffffffn), true);
    return bytes;
  };
  const end: MessageOf<'end'> = { type: 'end', stream: 1, section: 0, more: 0, cursor: 0n, counts: Uint8Array.of(1, 2, 3) };
  for (const [at, value] of [
    [16 + 16, 200], // counts longer than the body
    [16 + 16, 1], // counts shorter: what is left is not zero
    [16 + 20, 1], // a word that must be 0
    [16 + 28, 9], // filling that must be 0
    [5, 1], // flags
  ] as const) {
    const bytes = encodeMessage(end);
    bytes[at] = value;
    assert.throws(() => parsed(resealed(bytes)), corruptFrame, `byte ${at}`);
  }
});

test('blocks of a stream nobody has pass by unread', () => {
  const sink = new Collector();
  sink.refuse = true;
  const ping: Message = { type: 'ping', stream: 0, nonce: 5n };
  new FrameParser().push(Buffer.concat([encoded({ type: 'blocks', stream: 3, body: new Uint8Array(4096) }), encoded(ping)]), sink);
  assert.deepEqual(sink.claims, [4096]);
  assert.deepEqual(sink.frames, [ping]);
});

test('an error travels with its code, its maps and its words', () => {
  const sent = new SluiceError('MISSING', { shuffle: '7', maps: [3, 9], what: 'a page of segment 4 is gone' });
  const [message] = parsed(encodeMessage(errorMessage(5, sent, 250)));
  assert.ok(message?.type === 'error');
  assert.equal(message.retryAfterMs, 250);
  const got = errorOfMessage(message, { shuffle: '7' });
  assert.deepEqual([got.code, got.facts, got.message], ['MISSING', sent.facts, sent.message]);
  assert.equal(errorOfMessage({ ...message, code: 999 }).code, 'INTERNAL');
});

test('a frame too long is a mistake of the caller', () => {
  assert.throws(() => blocksFrameHeader(1, maxBlocksBytes + 8), RangeError);
  assert.throws(() => encodeMessage({ type: 'end', stream: 1, section: 0, more: 0, cursor: 0n, counts: new Uint8Array(5 << 20) }), RangeError);
});

test('blocks that are read into their place are not copied, whatever came before them in a cut', () => {
  const sink = new Collector();
  const parser = new FrameParser();
  const placeNow = (): Uint8Array | null => parser.place;
  const bodies = [7, 8, 9].map((fill) => new Uint8Array(10_000).fill(fill));
  const bytes = Buffer.concat([
    encodeMessage({ type: 'ping', stream: 0, nonce: 1n }),
    ...bodies.map((body) => encoded({ type: 'blocks', stream: 4, body })),
  ]);
  assert.equal(placeNow(), null);
  let placed = 0;
  for (let at = 0; at < bytes.length; ) {
    const place = placeNow();
    const length = place ? Math.min(place.length, 3000) : 300;
    const into = place ?? new Uint8Array(length);
    const part = into.subarray(0, Math.min(length, bytes.length - at));
    part.set(bytes.subarray(at, at + part.length));
    const before = place?.length;
    parser.push(part, sink);
    if (before !== undefined) placed += part.length;
    at += part.length;
    if (before !== undefined && before > part.length) assert.equal(placeNow()?.length, before - part.length);
  }
  assert.ok(placed > 25_000);
  assert.equal(placeNow(), null);
  assert.deepEqual(
    sink.frames.slice(1).map((frame) => (frame as Blocks).body),
    bodies,
  );
  // Bytes of the same memory that lie elsewhere are copied.
  const memory = new Uint8Array(64);
  const target = memory.subarray(40, 48);
  const other = new FrameParser();
  const end: Uint8Array[] = [];
  const into = { message() {}, beginBlocks: () => target, endBlocks: (_: number, body: Uint8Array) => end.push(body) };
  memory.set(blocksFrameHeader(1, 8), 0);
  memory.set([1, 2, 3, 4, 5, 6, 7, 8], 16);
  other.push(memory.subarray(0, 24), into);
  assert.deepEqual([...end[0]!], [1, 2, 3, 4, 5, 6, 7, 8]);
});
