/**
 * Aggregates over frames. Where every row of a partition sees all of it, the accumulator of the table works it out once. Counts, sums,
 * means, extremes, first and last move with the frame: whole numbers by running totals, which are exact; floats forward while the frame
 * only grows, else anew for each row, so that no digit is lost by taking away; extremes by a queue of those that may still win. Any other
 * aggregate is worked out as its frame grows, where it only grows, else anew from the rows of each frame, which costs as much as the
 * frames are long.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { createAccumulator } from '../aggregate/table.ts';
import type { Column } from '../batch/batch.ts';
import { bitAt, bitmapBytes, setBit } from '../batch/bitmap.ts';
import { layoutOf, makeColumn } from '../batch/column.ts';
import { columnComparator } from '../batch/compare.ts';
import { concatColumns } from '../batch/concat.ts';
import { highLane, highLaneOf, int64Max, int64Min, lowLane, lowLaneOf } from '../batch/lanes.ts';
import { takeColumn, takeOrNull } from '../batch/take.ts';
import type { WindowFunction } from '../expression/expression.ts';
import type { Frames } from './frame.ts';
import { createGrowing } from './growing.ts';
import type { WindowRows } from './rows.ts';

/** What one function works on. */
export interface Framed {
  readonly of: WindowFunction;
  readonly rows: WindowRows;
  readonly frames: Frames;
  readonly argument: Column | null;
  readonly more: readonly Column[];
  /** 1 where the row counts: the filter is true and the argument not null, unless the aggregate keeps nulls; null: everywhere. */
  readonly counts: Uint8Array | null;
}

/** Pairs of a frame and a row of it that are worked out at once. */
const pairs = 1 << 16;
/** Frames of so many rows on average are worked out as they grow. */
const worthGrowing = 32;

/** The result for each row. @throws VALUE_OUT_OF_RANGE */
export function framed(given: Framed): Column {
  const { of, rows, frames, counts } = given;
  if (isWhole(given)) return takeColumn(once(given), rows.partition);
  switch (of.fn) {
    case 'count':
      return countColumn(running(rows, frames, counts));
    case 'sum':
    case 'avg': {
      const kind = of.argument!.type.kind;
      if (kind === 'int32' || kind === 'integer' || kind === 'int64') return wholeSums(given);
      return kind === 'float64' ? floatSums(given) : another(given);
    }
    case 'min':
    case 'max':
      return extremes(given, of.fn === 'max' ? 1 : -1);
    case 'first':
    case 'last':
      return of.more === undefined && counts === null ? ends(given) : another(given);
    default:
      return another(given);
  }
}

/** Any aggregate; asking an accumulator for one result costs as much as adding some rows to one of many. */
function another(given: Framed): Column {
  const { of, rows, frames } = given;
  let seen = 0;
  for (let i = 0; i < rows.length; i++) seen += frames.to[i]! - frames.from[i]!;
  return of.frame.start === null && seen > worthGrowing * rows.length ? grown(given) : anew(given);
}

/** Frames that begin with their partition. */
function grown({ of, rows, frames, argument, more, counts }: Framed): Column {
  const columns: Column[] = [];
  for (let p = 0; p + 1 < rows.starts.length; p++) {
    const [start, end] = [rows.starts[p]!, rows.starts[p + 1]!];
    const to = frames.to.subarray(start, end).map((row) => row - start);
    const growing = createGrowing(of);
    columns.push(growing.results(to, (reached) => growing.add(reached, { from: -start, argument, more, counts })));
  }
  return concatColumns(of.type, columns, rows.length);
}

function isWhole({ rows, frames }: Framed): boolean {
  for (let i = 0; i < rows.length; i++) {
    const p = rows.partition[i]!;
    if (frames.from[i] !== rows.starts[p] || frames.to[i] !== rows.starts[p + 1]) return false;
  }
  return true;
}

/** The result of each partition. */
function once({ of, rows, argument, more, counts }: Framed): Column {
  const accumulator = createAccumulator(of);
  const partitions = rows.starts.length - 1;
  accumulator.grow(partitions);
  const group = counts === null ? rows.partition : rows.partition.map((p, i) => (counts[i] === 1 ? p : -1));
  accumulator.update(group, rows.length, argument, more);
  return accumulator.final(partitions);
}

/** How many rows of each frame count. */
function running(rows: WindowRows, frames: Frames, counts: Uint8Array | null): Float64Array {
  const before = new Float64Array(rows.length + 1);
  for (let i = 0; i < rows.length; i++) before[i + 1] = before[i]! + (counts === null ? 1 : counts[i]!);
  return Float64Array.from(frames.from, (from, i) => Math.max(0, before[Math.max(from, frames.to[i]!)]! - before[from]!));
}

function countColumn(of: Float64Array): Column {
  const data = new Int32Array(2 * of.length);
  for (let i = 0; i < of.length; i++) {
    data[2 * i] = lowLane(of[i]!);
    data[2 * i + 1] = highLane(of[i]!);
  }
  return makeColumn({ kind: 'integer' }, of.length, data);
}

const two32 = 4_294_967_296;

/** Running totals of whole numbers in two parts, low ones within 2^32, so that no bit is lost. */
function wholeSums(given: Framed): Column {
  const { of, rows, frames, argument, counts } = given;
  const n = rows.length;
  const high = new Float64Array(n + 1);
  const low = new Float64Array(n + 1);
  const data = argument!.data as Int32Array;
  const isWord = layoutOf(argument!.type) === 'word';
  for (let i = 0; i < n; i++) {
    const isThere = counts === null || counts[i] === 1;
    const lo = isThere ? (isWord ? data[i]! : data[2 * i]!) >>> 0 : 0;
    const hi = isThere ? (isWord ? data[i]! >> 31 : data[2 * i + 1]!) : 0;
    const sum = low[i]! + lo;
    const carry = sum >= two32 ? 1 : 0;
    low[i + 1] = sum - carry * two32;
    high[i + 1] = high[i]! + hi + carry;
  }
  const present = running(rows, frames, counts);
  const validity = new Uint8Array(bitmapBytes(n));
  if (of.fn === 'avg') {
    const means = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      if (present[i] === 0) continue;
      setBit(validity, i);
      const [from, to] = [frames.from[i]!, frames.to[i]!];
      means[i] = asNumber(high[to]! - high[from]!, low[to]! - low[from]!) / present[i]!;
    }
    return makeColumn({ kind: 'float64' }, n, means, validity);
  }
  const { type } = of;
  const out = new Int32Array(2 * n);
  const most = type.kind === 'int64' ? int64Max : BigInt(Number.MAX_SAFE_INTEGER);
  const least = type.kind === 'int64' ? int64Min : -most;
  for (let i = 0; i < n; i++) {
    if (present[i] === 0) continue;
    setBit(validity, i);
    const [hi, lo] = [high[frames.to[i]!]! - high[frames.from[i]!]!, low[frames.to[i]!]! - low[frames.from[i]!]!];
    const sum = hi * two32 + lo;
    if (Number.isSafeInteger(sum)) {
      out[2 * i] = lowLane(sum);
      out[2 * i + 1] = highLane(sum);
      continue;
    }
    const exact = BigInt(hi) * BigInt(two32) + BigInt(lo);
    if (exact > most || exact < least)
      throw new SluiceError('VALUE_OUT_OF_RANGE', { what: `The sum ${of.name} is ${exact}, which does not fit in ${type.kind}` });
    out[2 * i] = lowLaneOf(exact);
    out[2 * i + 1] = highLaneOf(exact);
  }
  return makeColumn(type, n, out, validity);
}

/** Rounded once. */
function asNumber(high: number, low: number): number {
  const sum = high * two32 + low;
  return Number.isSafeInteger(sum) ? sum : Number(BigInt(high) * BigInt(two32) + BigInt(low));
}

function floatSums({ of, rows, frames, argument, counts }: Framed): Column {
  const n = rows.length;
  const data = argument!.data as Float64Array;
  const out = new Float64Array(n);
  const validity = new Uint8Array(bitmapBytes(n));
  const present = running(rows, frames, counts);
  let sum = 0;
  // Frames that all reach the end of their partition are added up from there.
  if (frames.to.every((to, i) => to === rows.starts[rows.partition[i]! + 1])) {
    for (let i = n - 1, next = n; i >= 0; i--) {
      const from = frames.from[i]!;
      const end = frames.to[i]!;
      if (i === end - 1) {
        sum = 0;
        next = end;
      }
      for (next--; next >= from; next--) if (counts === null || counts[next] === 1) sum += data[next]!;
      next = Math.max(next + 1, from);
      if (present[i] === 0) continue;
      setBit(validity, i);
      out[i] = of.fn === 'avg' ? sum / present[i]! : sum;
    }
    return makeColumn({ kind: 'float64' }, n, out, validity);
  }
  let [start, end] = [-1, -1];
  for (let i = 0; i < n; i++) {
    const [from, to] = [frames.from[i]!, frames.to[i]!];
    if (from !== start || to < end) {
      start = from;
      end = from;
      sum = 0;
    }
    for (; end < to; end++) if (counts === null || counts[end] === 1) sum += data[end]!;
    if (present[i] === 0) continue;
    setBit(validity, i);
    out[i] = of.fn === 'avg' ? sum / present[i]! : sum;
  }
  return makeColumn({ kind: 'float64' }, n, out, validity);
}

/** The row of the extreme of each frame: a queue of rows each of which beats all behind it. */
function extremes({ rows, frames, argument, counts }: Framed, sign: 1 | -1): Column {
  const n = rows.length;
  const compare = columnComparator(argument!, argument!, false);
  const best = new Int32Array(n);
  const queue = new Int32Array(n);
  let [head, tail, next] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const [from, to] = [frames.from[i]!, frames.to[i]!];
    if (i === rows.starts[rows.partition[i]!]) {
      head = tail = 0;
      next = i;
    }
    for (next = Math.max(next, from); next < to; next++) {
      if (counts !== null && counts[next] === 0) continue;
      while (tail > head && compare(queue[tail - 1]!, next) * sign <= 0) tail--;
      queue[tail++] = next;
    }
    while (head < tail && queue[head]! < from) head++;
    best[i] = from < to && head < tail ? queue[head]! : -1;
  }
  const column = takeOrNull(argument!, best);
  // -0 is given as 0, as by the accumulators.
  return layoutOf(column.type) === 'double' ? { ...column, data: (column.data as Float64Array).map((value) => value + 0) } : column;
}

/** first and last of all rows, as they are. */
function ends({ of, rows, frames, argument }: Framed): Column {
  const at = new Int32Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const [from, to] = [frames.from[i]!, frames.to[i]!];
    at[i] = from >= to ? -1 : of.fn === 'first' ? from : to - 1;
  }
  return takeOrNull(argument!, at);
}

/** Any aggregate, from the rows of each frame; frames of the same rows once. */
function anew({ of, rows, frames, argument, more, counts }: Framed): Column {
  const n = rows.length;
  const accumulator = createAccumulator(of);
  const groupOf = new Int32Array(n);
  let groups = 0;
  const group = new Int32Array(pairs);
  const row = new Int32Array(pairs);
  let filled = 0;
  const flush = (): void => {
    const picked = row.subarray(0, filled);
    accumulator.grow(groups);
    accumulator.update(
      group,
      filled,
      argument === null ? null : takeColumn(argument, picked),
      more.map((each) => takeColumn(each, picked)),
    );
    filled = 0;
  };
  for (let i = 0; i < n; i++) {
    const [from, to] = [frames.from[i]!, frames.to[i]!];
    if (i > 0 && rows.partition[i] === rows.partition[i - 1] && from === frames.from[i - 1] && to === frames.to[i - 1]) {
      groupOf[i] = groups - 1;
      continue;
    }
    groupOf[i] = groups++;
    for (let k = from; k < to; k++) {
      if (counts !== null && counts[k] === 0) continue;
      group[filled] = groupOf[i]!;
      row[filled++] = k;
      if (filled === pairs) flush();
    }
  }
  flush();
  return takeColumn(accumulator.final(groups), groupOf);
}

/** 1 where the argument is not null and the filter true; null: everywhere. */
export function countsOf(length: number, validity: Uint8Array | null, filter: Column | null): Uint8Array | null {
  if (validity === null && filter === null) return null;
  const counts = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const isKept = filter === null || (bitAt(filter.data as Uint8Array, i) === 1 && (filter.validity === null || bitAt(filter.validity, i) === 1));
    if (isKept && (validity === null || bitAt(validity, i) === 1)) counts[i] = 1;
  }
  return counts;
}
