/**
 * Damage as machines and networks do it: bits flipped, pages zeroed, ends cut off, pieces swapped, in the files of running
 * workers and in the frames on their connections. It knows where bytes are that will be read, and says whether it changed any.
 */
import { open, stat } from 'node:fs/promises';
import type { Channel, DataTransport, Random } from '#manager/process/ports.ts';
import { shuffleFrom } from '#manager/protocol/ids.ts';
import type { LayoutView } from '#manager/protocol/layout.ts';
import { blockBytes } from '#worker/protocol/block.ts';
import { type Cluster, storedBlocks } from '../contract/cluster.ts';

export const ways = ['flip', 'zero', 'cut', 'swap'] as const;
export type Way = (typeof ways)[number];

const pageBytes = 4096;
export const below = (random: Random, limit: number): number => Math.floor(random.next() * limit);

interface Spot {
  readonly path: string;
  readonly at: number;
  readonly length: number;
}

/** Harms one stored block of a winner of the shuffle. Answers whether bytes that will be read have changed. */
export async function harmFile(cluster: Cluster, view: LayoutView, way: Way, random: Random): Promise<boolean> {
  const shuffle = shuffleFrom(view.layout.shuffle);
  const spots: Spot[] = [];
  for await (const { path, at, header } of storedBlocks(cluster)) {
    const isWinner = view.layout.locations.some(({ id }) => view.winner(header.map, id) === header.attempt);
    if (header.shuffle === shuffle && isWinner) spots.push({ path, at, length: blockBytes(header.payloadLength) });
  }
  if (spots.length === 0) return false;
  const spot = spots[below(random, spots.length)]!;
  const file = await open(spot.path, 'r+');
  try {
    if (way === 'cut') {
      const { size } = await stat(spot.path);
      await file.truncate(spot.at + below(random, spot.length));
      // The store goes on to write where it stands: the file has its length again, not its bytes.
      if (random.next() < 0.5) await file.truncate(size);
      return true;
    }
    if (way === 'flip') {
      const at = spot.at + below(random, spot.length);
      const byte = await piece(file, at, 1);
      byte[0]! ^= 1 << below(random, 8);
      await file.write(byte, 0, 1, at);
      return true;
    }
    const page = Math.floor((spot.at + below(random, spot.length)) / pageBytes) * pageBytes;
    if (way === 'zero') {
      const before = await piece(file, page, pageBytes);
      await file.write(new Uint8Array(pageBytes), 0, pageBytes, page);
      return isAnyByteOf(spots, spot.path, page, before, new Uint8Array(pageBytes));
    }
    // With a page of another block's: of another map, partition, or worker.
    const other = spots[below(random, spots.length)]!;
    const otherPage = Math.floor(other.at / pageBytes) * pageBytes;
    const otherFile = await open(other.path, 'r+');
    try {
      const mine = await piece(file, page, pageBytes);
      const theirs = await piece(otherFile, otherPage, pageBytes);
      await file.write(theirs, 0, pageBytes, page);
      await otherFile.write(mine, 0, pageBytes, otherPage);
      return isAnyByteOf(spots, spot.path, page, mine, theirs);
    } finally {
      await otherFile.close();
    }
  } finally {
    await file.close();
  }
}

async function piece(file: Awaited<ReturnType<typeof open>>, at: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await file.read(bytes, 0, length, at);
  return bytes;
}

const isAnyByteOf = (spots: readonly Spot[], path: string, page: number, before: Uint8Array, after: Uint8Array): boolean =>
  before.some((byte, i) => byte !== after[i] && spots.some((spot) => spot.path === path && spot.at <= page + i && page + i < spot.at + spot.length));

/** A transport that passes everything on until it is told to harm what flows by next. */
export interface HarmfulTransport extends DataTransport {
  /** Harms once, at byte `at` from now of what flows that way. */
  arm(direction: 'toWorker' | 'toClient', way: Way, at: number): void;
  /** It has changed something since it was armed. */
  readonly hit: boolean;
  disarm(): void;
}

export function harmful(inner: DataTransport, random: Random): HarmfulTransport {
  let armed: { direction: 'toWorker' | 'toClient'; way: Way; left: number } | null = null;
  let hit = false;
  /** The bytes as they arrive, and whether the connection ends there. The input is not changed. */
  const pass = (direction: 'toWorker' | 'toClient', bytes: Uint8Array): { bytes: Uint8Array; isCut: boolean } => {
    if (armed?.direction !== direction) return { bytes, isCut: false };
    if (armed.left >= bytes.length) {
      armed.left -= bytes.length;
      return { bytes, isCut: false };
    }
    const { way, left: at } = armed;
    armed = null;
    const harmed = bytes.slice();
    if (way === 'cut') {
      hit = true;
      return { bytes: harmed.subarray(0, at), isCut: true };
    }
    if (way === 'flip') harmed[at]! ^= 1 << below(random, 8);
    else if (way === 'zero') harmed.fill(0, at, at + pageBytes);
    else {
      // Two pieces of what came at once change places.
      const length = Math.min(pageBytes, bytes.length >>> 1);
      const first = Math.min(at, bytes.length - 2 * length);
      harmed.set(bytes.subarray(first + length, first + 2 * length), first);
      harmed.set(bytes.subarray(first, first + length), first + length);
    }
    hit = harmed.some((byte, i) => byte !== bytes[i]);
    return { bytes: harmed, isCut: false };
  };
  return {
    arm(direction, way, at) {
      armed = { direction, way, left: at };
      hit = false;
    },
    get hit() {
      return hit;
    },
    disarm() {
      armed = null;
      hit = false;
    },
    async connect(to, hello, handlers) {
      let closed = false;
      let channel: Channel | null = null;
      const made = await inner.connect(to, hello, {
        data(bytes) {
          if (closed) return;
          const passed = pass('toClient', bytes);
          if (passed.bytes.length > 0) handlers.data(passed.bytes);
          if (!passed.isCut) return;
          closed = true;
          channel?.close();
        },
        closed: () => handlers.closed(),
      });
      channel = made.channel;
      return {
        welcome: made.welcome,
        channel: {
          close: () => made.channel.close(),
          async send(parts) {
            if (armed?.direction !== 'toWorker') return made.channel.send(parts);
            const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
            let at = 0;
            for (const part of parts) {
              all.set(part, at);
              at += part.length;
            }
            const passed = pass('toWorker', all);
            const sent = made.channel.send([passed.bytes]);
            if (passed.isCut) made.channel.close();
            return sent;
          },
        },
      };
    },
  };
}
