/**
 * Hashes of many values at once, in WebAssembly: 64-bit multiplications are one instruction there and eight in JavaScript. The values are
 * copied into a small memory of the kernel, piece by piece, so that they stay in the cache. assembly/hash.ts is the source, hash-bytes.ts its
 * compiled form. Called by hash.ts, which says what is hashed.
 */
import { compileWasm, createMemory } from '#worker/kernel/wasm.ts';
import { hashKernelBytes } from './hash-bytes.ts';

/** Values of a piece. */
const pieceMax = 4_096;
/** Text of a piece; a longer value is not for this. */
export const textMax = 1 << 16;

// Where what lies. Offsets are one more than values.
const statesAt = 0;
const valuesAt = statesAt + 8 * pieceMax;
const offsetsAt = valuesAt + 8 * pieceMax;
const textAt = offsetsAt + 8 * pieceMax;
const memoryBytes = textAt + textMax;

interface Exports {
  eights(at: number, count: number): void;
  fold(states: number, values: number, count: number): void;
  close(states: number, count: number): void;
  texts(bytes: number, offsets: number, first: number, count: number, into: number): void;
}
const memory = createMemory(memoryBytes);
const kernel = compileWasm<Exports>(hashKernelBytes)(memory);
const states = new Int32Array(memory.buffer, statesAt, 2 * pieceMax);
const values = new Int32Array(memory.buffer, valuesAt, 2 * pieceMax);
const offsets = new Int32Array(memory.buffer, offsetsAt, pieceMax + 1);
const text = new Uint8Array(memory.buffer, textAt, textMax);

const piece = (lanes: Int32Array, from: number, count: number): Int32Array => lanes.subarray(2 * from, 2 * (from + count));

/** Copies `lanes` piece by piece to `at`, lets the kernel change them there, and copies them back. */
function inPieces(lanes: Int32Array, length: number, at: Int32Array, change: (from: number, count: number) => void): void {
  for (let from = 0; from < length; from += pieceMax) {
    const count = Math.min(pieceMax, length - from);
    const place = piece(lanes, from, count);
    at.set(place);
    change(from, count);
    place.set(piece(at, 0, count));
  }
}

/** Puts the hash of the 8 bytes of each pair of lanes in its place. */
export function hashEights(lanes: Int32Array, length: number): void {
  inPieces(lanes, length, values, (_, count) => kernel.eights(valuesAt, count));
}

/** Folds each pair of lanes into the state beside it, as 8 more bytes. */
export function foldEights(into: Int32Array, lanes: Int32Array, length: number): void {
  inPieces(into, length, states, (from, count) => {
    values.set(piece(lanes, from, count));
    kernel.fold(statesAt, valuesAt, count);
  });
}

/** The end of each state: its hash. */
export function closeEights(into: Int32Array, length: number): void {
  inPieces(into, length, states, (_, count) => kernel.close(statesAt, count));
}

/**
 * The hash of each value of a column of bytes, from value `from` on, as far as they fit into the memory.
 * @returns where to go on; `from` itself when that value alone has more than textMax bytes
 */
export function hashTexts(bytes: Uint8Array, ends: Int32Array, from: number, length: number, out: Int32Array): number {
  const first = ends[from]!;
  const most = Math.min(length, from + pieceMax);
  let to = most;
  if (ends[to]! - first > textMax) {
    // The last one that still fits.
    let [low, high] = [from, most];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (ends[middle]! - first <= textMax) low = middle;
      else high = middle;
    }
    to = low;
  }
  const count = to - from;
  if (count === 0) return from;
  text.set(bytes.subarray(first, ends[to]!));
  offsets.set(ends.subarray(from, to + 1));
  kernel.texts(textAt, offsetsAt, first, count, valuesAt);
  piece(out, from, count).set(values.subarray(0, 2 * count));
  return to;
}
