/**
 * A sketch of quantiles (KLL, Karnin, Lang, Liberty 2016) over doubles: levels of values, each value of level h stands for 2^h. A level
 * that is full is sorted and every second value moves up; which ones alternates, so the errors of two such steps cancel and the same
 * values in the same order give the same sketch. Two sketches are put together level by level. Below its size it is exact.
 */
import { compareDoubles } from '../batch/compare.ts';

export interface Sketch {
  count: number;
  /** By level. */
  readonly levels: number[][];
  /** Values in all levels. */
  size: number;
  /** Which half moves up next: 0 or 1. */
  side: number;
}

/** Values a sketch may hold before it drops any; about three times that is the most it holds. */
const width = 400;
const narrowing = 2 / 3;
const leastLevel = 8;
/** Of an empty sketch and of a value, about. */
const emptyBytes = 200;
const valueBytes = 8;

export const createSketch = (): Sketch => ({ count: 0, levels: [[]], size: 0, side: 0 });
export const sketchBytes = (sketch: Sketch): number => emptyBytes + valueBytes * sketch.size;

const capacityOf = (level: number, levels: number): number => Math.max(leastLevel, Math.ceil(width * narrowing ** (levels - 1 - level)));
const capacity = (levels: number): number => {
  let sum = 0;
  for (let level = 0; level < levels; level++) sum += capacityOf(level, levels);
  return sum;
};

/** @returns by how many bytes it grew */
export function addTo(sketch: Sketch, value: number): number {
  const before = sketch.size;
  sketch.levels[0]!.push(value);
  sketch.size++;
  sketch.count++;
  if (sketch.levels[0]!.length > capacityOf(0, sketch.levels.length)) shrink(sketch);
  return valueBytes * (sketch.size - before);
}

export function mergeInto(sketch: Sketch, other: Sketch): number {
  const before = sketch.size;
  other.levels.forEach((values, level) => {
    if (sketch.levels.length <= level) sketch.levels.push([]);
    const own = sketch.levels[level]!;
    for (const value of values) own.push(value);
  });
  sketch.size += other.size;
  sketch.count += other.count;
  shrink(sketch);
  return valueBytes * (sketch.size - before);
}

/** Moves full levels up until all fits. */
function shrink(sketch: Sketch): void {
  const { levels } = sketch;
  while (sketch.size > capacity(levels.length)) {
    const full = levels.findIndex((values, level) => values.length > capacityOf(level, levels.length));
    if (full === levels.length - 1) levels.push([]);
    const values = levels[full]!.sort(compareDoubles);
    const even = values.length & ~1;
    const next = levels[full + 1]!;
    for (let i = sketch.side; i < even; i += 2) next.push(values[i]!);
    sketch.side ^= 1;
    levels[full] = values.slice(even);
    sketch.size -= even >> 1;
  }
}

/** Null of an empty one. */
export function quantileOf(sketch: Sketch, share: number): number | null {
  if (sketch.count === 0) return null;
  const all = sketch.levels.flatMap((values, level) => values.map((value) => ({ value, weight: 2 ** level })));
  all.sort((a, b) => compareDoubles(a.value, b.value));
  const place = share * (sketch.count - 1);
  const below = Math.floor(place);
  const low = valueAt(all, below);
  const part = place - below;
  return part === 0 ? low : low * (1 - part) + valueAt(all, below + 1) * part;
}

/** The value that stands at a place of all that was added. */
function valueAt(all: readonly { readonly value: number; readonly weight: number }[], place: number): number {
  let end = 0;
  for (const { value, weight } of all) {
    end += weight;
    if (end > place) return value;
  }
  return all.at(-1)!.value;
}

/** Count and side, then of each level how many values and the values. */
export function writeSketch({ count, levels, size, side }: Sketch): Uint8Array {
  const view = new DataView(new ArrayBuffer(13 + 4 * levels.length + 8 * size));
  view.setFloat64(0, count, true);
  view.setUint8(8, side);
  view.setUint32(9, levels.length, true);
  let at = 13;
  for (const values of levels) {
    view.setUint32(at, values.length, true);
    at += 4;
    for (const value of values) {
      view.setFloat64(at, value, true);
      at += 8;
    }
  }
  return new Uint8Array(view.buffer);
}

export function readSketch(bytes: Uint8Array): Sketch {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const levels: number[][] = [];
  let at = 13;
  let size = 0;
  for (let left = view.getUint32(9, true); left > 0; left--) {
    const length = view.getUint32(at, true);
    at += 4;
    const values: number[] = [];
    for (let i = 0; i < length; i++, at += 8) values.push(view.getFloat64(at, true));
    levels.push(values);
    size += length;
  }
  return { count: view.getFloat64(0, true), side: view.getUint8(8), levels, size };
}
