/**
 * One segment file of 64 KiB as a worker has written it, in its second use: regions of three shuffles, blocks, manifests, losers,
 * padding, and behind them what an earlier use has left. It knows what was committed, and what stands at each byte.
 */
import assert from 'node:assert/strict';
import { KiB, type ShuffleId } from '#manager/protocol/ids.ts';
import { type LayoutView, viewLayout } from '#manager/protocol/layout.ts';
import { Layouts } from '#worker/layouts.ts';
import { blockBytes, blockHeaderBytes, blockKinds, verifyBlock } from '#worker/protocol/block.ts';
import { segmentPath } from '#worker/store/directory.ts';
import { readIdentity } from '#worker/store/identity.ts';
import { dataOffset, indexOffset, pageBytes, readRegionHeader, regionBytes, regionHeaderBytes, trailerOffset } from '#worker/store/region.ts';
import { readSegmentHead } from '#worker/store/segment.ts';
import type { Store } from '#worker/store/store.ts';
import { openWorkerWorld, payloadOf, type WorkerWorld } from '../shuffle-worker/world.ts';

export const segmentBytes = 64 * KiB;

/** What a byte of the segment is. `loser`: a block of an attempt that did not win · `unused`: nothing is stored there. */
export const places = ['head', 'header', 'blockHeader', 'payload', 'padding', 'manifest', 'index', 'trailer', 'loser', 'unused'] as const;
export type Place = (typeof places)[number];

export interface WrittenShuffle {
  readonly shuffle: ShuffleId;
  readonly view: LayoutView;
  readonly ordered: boolean;
  readonly maps: number;
  readonly partitions: number;
  /** What was committed: payloads by map * partitions + partition, in their order. */
  readonly payloads: ReadonlyMap<number, readonly Uint8Array[]>;
}

export interface WrittenSegment {
  readonly bytes: Uint8Array;
  readonly cluster: string;
  readonly directory: string;
  readonly shuffles: readonly WrittenShuffle[];
  readonly layouts: Layouts;
  placeOf(byte: number): Place;
  /** Whose region the byte is in; null: it is in none. */
  shuffleAt(byte: number): ShuffleId | null;
  close(): Promise<void>;
}

const partitions = 4;
/** Blocks of a map, about `bytes` in all and of odd lengths, so that there is padding; one partition is empty, one has several. */
const blocksOf = (shuffle: number, map: number, attempt: number, bytes: number): (readonly [number, Uint8Array])[] =>
  [0, 0, 1, 3, 0, 1].map((partition, i) => [
    partition,
    payloadOf(Math.round(bytes / 6) - 64 + 31 * (i % 3) + 3 * map, shuffle * 1000 + map * 100 + attempt * 10 + i),
  ]);

export async function writeSegment(): Promise<WrittenSegment> {
  const world = await openWorkerWorld({ segmentBytes });
  await earlierUse(world);
  const written: { shuffle: ShuffleId; ordered: boolean; maps: number; payloads: Map<number, Uint8Array[]> }[] = [];
  for (const [i, { ordered, maps, order }] of [
    { ordered: false, maps: 3, order: 0 as const },
    { ordered: true, maps: 2, order: 0 as const },
    { ordered: true, maps: 3, order: 1 as const },
  ].entries()) {
    const shuffle = await world.shuffle(`shuffle ${i}`, { maps, partitions, order });
    written.push({ shuffle, ordered, maps, payloads: new Map() });
  }
  const write = async (number: number, map: number, bytes: number, attempt = 1): Promise<void> => {
    const { shuffle, payloads } = written[number]!;
    const blocks = blocksOf(number, map, attempt, bytes);
    await world.write(shuffle, map, blocks, attempt);
    if (attempt !== 1) return;
    for (const [partition, payload] of blocks) {
      const key = map * partitions + partition;
      payloads.set(key, [...(payloads.get(key) ?? []), payload]);
    }
  };
  const flush = (): Promise<void> => (world.worker.store as Store).flushAll();
  // Two regions of the first shuffle, with an attempt that lost, and one of each of the others: 12 KiB each.
  await write(0, 0, 2200);
  await write(0, 0, 2200, 2);
  await write(0, 1, 2200);
  await write(1, 0, 3300);
  await write(1, 1, 3300);
  await flush();
  await write(0, 2, 6800);
  for (let map = 0; map < 3; map++) await write(2, map, 2200);
  await flush();
  const shuffles: WrittenShuffle[] = [];
  for (const { shuffle, ordered, maps, payloads } of written) {
    const layout = await world.calls.layout({ shuffle: shuffle.toString(), after: -1, waitMs: 0 });
    shuffles.push({ shuffle, view: viewLayout(layout), ordered, maps, partitions, payloads });
  }
  const { cluster, directory } = (await readIdentity(world.disk))!;
  const bytes = world.disk.bytes(segmentPath(0)).slice();
  assert.equal(bytes.length, segmentBytes);
  assert.equal([...world.disk.files.keys()].filter((path) => path.endsWith('.segment')).length, 1, 'all of it is in one segment');
  return {
    bytes,
    cluster,
    directory,
    shuffles,
    layouts: new Layouts(world.calls),
    ...placesIn(bytes, cluster, directory, shuffles),
    close: () => world.close(),
  };
}

/** Fills the segment with regions that are released then: their hashes hold, and they are nobody's. */
async function earlierUse(world: WorkerWorld): Promise<void> {
  const shuffle = await world.shuffle('earlier', { maps: 16, partitions });
  for (let map = 0; map < 5; map++) {
    await world.write(shuffle, map, blocksOf(9, map, 1, 6800));
    await (world.worker.store as Store).flushAll();
  }
  await world.calls.release({ shuffle: shuffle.toString() });
  await world.clock.advance(100);
  assert.equal(world.worker.store.shuffles.size, 0, 'the earlier use is over');
}

function placesIn(
  bytes: Uint8Array,
  cluster: string,
  directory: string,
  shuffles: readonly WrittenShuffle[],
): Pick<WrittenSegment, 'placeOf' | 'shuffleAt'> {
  const table = new Uint8Array(bytes.length).fill(places.indexOf('unused'));
  const mark = (place: Place, from: number, length: number): void => void table.fill(places.indexOf(place), from, from + length);
  const head = readSegmentHead(bytes, { segment: 0, cluster, directory });
  assert.ok(head.kind === 'segment' && head.head.use === 2, 'a segment in its second use');
  mark('head', 0, 64);
  const regions: { readonly shuffle: ShuffleId; readonly from: number; readonly to: number }[] = [];
  for (let at = pageBytes; at < bytes.length; ) {
    const read = readRegionHeader(bytes.subarray(at), { use: 2, page: at / pageBytes, room: bytes.length - at });
    if (read.kind === 'none') break;
    const { header } = read;
    mark('header', at, regionHeaderBytes);
    mark('index', at + indexOffset(header), header.indexBytes);
    mark('trailer', at + trailerOffset(header), regionHeaderBytes);
    const { view } = shuffles.find(({ shuffle }) => shuffle === header.shuffle)!;
    for (let block = at + dataOffset; block < at + indexOffset(header); ) {
      const verified = verifyBlock(bytes, block);
      assert.ok(verified.kind === 'block');
      const { kind, payloadLength, map, attempt } = verified.header;
      if (view.winner(map, 0) !== attempt) mark('loser', block, verified.bytes);
      else if (kind === blockKinds.manifest) mark('manifest', block, verified.bytes);
      else {
        mark('blockHeader', block, blockHeaderBytes);
        mark('payload', block + blockHeaderBytes, payloadLength);
        mark('padding', block + blockHeaderBytes + payloadLength, blockBytes(payloadLength) - blockHeaderBytes - payloadLength);
      }
      block += verified.bytes;
    }
    regions.push({ shuffle: header.shuffle, from: at, to: at + regionBytes(header) });
    at += regionBytes(header);
  }
  assert.equal(regions.length, 4);
  for (const place of places) assert.ok(table.includes(places.indexOf(place)), `nothing is ${place}`);
  return {
    placeOf: (byte) => places[table[byte]!]!,
    shuffleAt: (byte) => regions.find(({ from, to }) => from <= byte && byte < to)?.shuffle ?? null,
  };
}
