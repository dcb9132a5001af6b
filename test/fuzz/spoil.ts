/**
 * Ways to spoil a frame: bits, ends, bytes in between, lengths up to 4 GiB, fields and types under a check word that is right, and
 * how it is sent. Whoever sends says what comes of it.
 */
import type { Random } from '#manager/process/ports.ts';
import { frameHeaderBytes } from '#worker/protocol/frames.ts';
import { xxh64Words } from '#worker/protocol/xxh64.ts';
import { below, happens, oddNumber, weighted } from './tally.ts';

/** How often each is chosen. right: as it is · slow: byte by byte · half: a part of it, and then nothing any more. */
export const wayTable = {
  right: 300,
  flip: 8,
  cut: 3,
  insert: 3,
  length: 5,
  field: 22,
  type: 4,
  garbage: 1,
  slow: 3,
  twice: 8,
  half: 1,
  swap: 2,
} as const;
export type Way = keyof typeof wayTable;

const blocksType = 4;
const words = new Uint32Array(2);

/** Makes the check word of a frame right. */
function check(frame: Uint8Array): void {
  const covered = frame[4] === blocksType ? frameHeaderBytes : frame.length;
  frame.fill(0, 12, 16);
  xxh64Words(frame, 0, covered, words);
  new DataView(frame.buffer, frame.byteOffset).setUint32(12, words[0]!, true);
}

/** The bytes to send instead of `frame`, which is left alone; `pieces` of them one by one. */
export function spoil(random: Random, frame: Uint8Array): { way: Way; pieces: Uint8Array[] } {
  const way = weighted(random, wayTable);
  const bytes = frame.slice();
  const view = new DataView(bytes.buffer);
  switch (way) {
    case 'right':
      return { way, pieces: [bytes] };
    case 'flip':
      bytes[below(random, bytes.length)]! ^= 1 << below(random, 8);
      return { way, pieces: [bytes] };
    case 'cut':
      return { way, pieces: [bytes.subarray(0, below(random, bytes.length))] };
    case 'half':
      return { way, pieces: [bytes.subarray(0, 1 + below(random, bytes.length - 1))] };
    case 'insert': {
      const at = below(random, bytes.length);
      return { way, pieces: [bytes.subarray(0, at), random.fill(new Uint8Array(1 + below(random, 24))), bytes.subarray(at)] };
    }
    case 'length':
      view.setUint32(0, happens(random, 0.5) ? oddNumber(random) : (oddNumber(random) & ~7) >>> 0, true);
      check(bytes);
      return { way, pieces: [bytes] };
    case 'field':
      if (bytes.length > frameHeaderBytes)
        view.setUint32(frameHeaderBytes + 4 * below(random, (bytes.length - frameHeaderBytes) / 4), oddNumber(random), true);
      if (happens(random, 0.1)) view.setUint32(8, oddNumber(random), true);
      check(bytes);
      return { way, pieces: [bytes] };
    case 'type':
      bytes[4] = below(random, 16);
      if (happens(random, 0.2)) bytes[5 + below(random, 3)] = 1;
      check(bytes);
      return { way, pieces: [bytes] };
    case 'garbage':
      return { way, pieces: [random.fill(new Uint8Array(1 + below(random, 200)))] };
    case 'slow':
      return { way, pieces: Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)) };
    case 'twice':
      return { way, pieces: [bytes, bytes] };
    case 'swap': {
      const middle = below(random, bytes.length);
      return { way, pieces: [bytes.subarray(middle), bytes.subarray(0, middle)] };
    }
  }
}
