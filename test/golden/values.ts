/**
 * Arbitrary values of the formats, for property tests: headers that a writer could state, and messages of every kind.
 */
import fc from 'fast-check';
import type { ShuffleId } from '#manager/protocol/ids.ts';
import type { BlockHeader } from '#worker/protocol/block.ts';
import type { Message } from '#worker/protocol/frames.ts';

// Plain objects: what decoders make has a prototype.
export const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;

export const u32 = fc.integer({ min: 0, max: 0xffffffff });
export const u64 = fc.bigInt({ min: 0n, max: 0xffffffffffffffffn });
export const shuffle = u64.map((id) => id as ShuffleId);

export interface AnyBlock {
  readonly header: BlockHeader;
  readonly payload: Uint8Array;
}

export const anyBlock: fc.Arbitrary<AnyBlock> = fc
  .record({
    kind: fc.integer({ min: 0, max: 2 }),
    codec: fc.integer({ min: 0, max: 2 }),
    flags: fc.integer({ min: 0, max: 1 }),
    tag: fc.integer({ min: 0, max: 0xffff }),
    rawLength: u32,
    shuffle,
    partition: u32,
    map: u32,
    attempt: u32,
    section: u32,
    sequence: u32,
    records: u32,
    payload: fc.uint8Array({ maxLength: 300 }),
  })
  .map(({ payload, ...header }) => ({ header: { ...header, payloadLength: payload.length }, payload }));

const some = { stream: u32 };
const bytes = fc.uint8Array({ maxLength: 40 });
export const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  record({
    type: fc.constant('openWrite' as const),
    ...some,
    shuffle,
    map: u32,
    attempt: u32,
    section: u32,
    location: u32,
    partitionFrom: u32,
    partitionTo: u32,
    level: u32,
  }),
  record({
    type: fc.constant('openRead' as const),
    ...some,
    shuffle,
    location: u32,
    partitionFrom: u32,
    partitionTo: u32,
    mapFrom: u32,
    mapTo: u32,
    sectionFrom: u32,
    ledgerVersion: u32,
    flags: u32,
    grantBytes: u32,
    cursor: u64,
    skip: bytes,
  }),
  record({ type: fc.constant('opened' as const), ...some, accepted: u32, grantBytes: u32, ledgerVersion: u32, backlogBytes: u64 }),
  record({ type: fc.constant('ack' as const), ...some, accepted: u32, level: u32, grantBytes: u32, final: u32 }),
  record({ type: fc.constant('credit' as const), ...some, grantBytes: u32, wantedBytes: u32 }),
  record({ type: fc.constant('end' as const), ...some, section: u32, more: u32, cursor: u64, counts: bytes }),
  record({ type: fc.constant('close' as const), ...some, reason: u32 }),
  record({
    type: fc.constant('error' as const),
    ...some,
    code: u32,
    retryAfterMs: u32,
    maps: fc.array(u32, { maxLength: 5 }),
    text: fc.string({ unit: 'grapheme', maxLength: 20 }),
  }),
  record({ type: fc.constant('ping' as const), ...some, nonce: u64 }),
  record({ type: fc.constant('pong' as const), ...some, nonce: u64 }),
  record({ type: fc.constant('goaway' as const), ...some, deadlineMs: u32 }),
);
