/**
 * Accumulators of aggregates: per group a few numbers in typed arrays, updated column by column. Whole numbers are summed
 * exactly: a double per group while that is exact, what goes beyond is carried in a bigint. Called by aggregate.ts
 * only. A row whose group is -1 is left out.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Accumulator } from '../aggregate/row.ts';
import type { Column, ColumnType } from '../batch/batch.ts';
import { bitAt, bitmapBytes, setBit } from '../batch/bitmap.ts';
import { layoutOf, makeColumn } from '../batch/column.ts';
import { compareBytes, compareDoubles } from '../batch/compare.ts';
import { putWide, type Unscaled, wideAt } from '../batch/decimal.ts';
import { highLane, highLaneOf, int64Max, int64Min, lanesToBigInt, lanesToNumber, lowLane, lowLaneOf } from '../batch/lanes.ts';
import type { Aggregate } from '../expression/expression.ts';
import { hasCarry, sumType } from '../graph/partial-aggregate.ts';
import { DecimalSum } from './decimal-sum.ts';

/** @returns the accumulator of sums of the argument's type */
export function createSum(aggregate: Aggregate): Sum | DecimalSum {
  const type = aggregate.argument?.type;
  return type?.kind === 'decimal' ? new DecimalSum(aggregate.name, type.scale) : new Sum(aggregate);
}

const integerType: ColumnType = { kind: 'integer' };
const maxSafe = Number.MAX_SAFE_INTEGER;
/** Of a bigint in a map, about. */
const carriedBytes = 64;
/** Of an array object beside its bytes, about. */
const textBytes = 200;

const room = (groups: number, now: number): number => Math.max(groups, 2 * now, 64);

export class Count implements Accumulator {
  #counts = new Float64Array(0);

  get bytes(): number {
    return this.#counts.byteLength;
  }

  grow(groups: number): void {
    if (groups > this.#counts.length) this.#counts = grownDoubles(this.#counts, room(groups, this.#counts.length));
  }

  update(group: Int32Array, length: number): void {
    const counts = this.#counts;
    for (let i = 0; i < length; i++) {
      const g = group[i]!;
      if (g >= 0) counts[g]!++;
    }
  }

  merge(group: Int32Array, length: number, columns: readonly Column[]): void {
    const counts = this.#counts;
    const data = columns[0]!.data as Int32Array;
    for (let i = 0; i < length; i++) counts[group[i]!]! += lanesToNumber(data[2 * i]!, data[2 * i + 1]!);
  }

  at(g: number): number {
    return this.#counts[g]!;
  }

  partial(groups: number): Column[] {
    return [this.final(groups)];
  }

  final(groups: number): Column {
    const data = new Int32Array(2 * groups);
    for (let g = 0; g < groups; g++) {
      data[2 * g] = lowLane(this.#counts[g]!);
      data[2 * g + 1] = highLane(this.#counts[g]!);
    }
    return makeColumn(integerType, groups, data);
  }
}

export class Sum implements Accumulator {
  readonly #aggregate: Aggregate;
  readonly #whole: boolean;
  readonly #hasCarry: boolean;
  #sums = new Float64Array(0);
  #seen = new Uint8Array(0);
  /** Of whole sums: what left the double, by group. */
  readonly #carried = new Map<number, bigint>();

  constructor(aggregate: Aggregate) {
    this.#aggregate = aggregate;
    this.#whole = sumType(aggregate).kind === 'int64';
    this.#hasCarry = hasCarry(aggregate);
  }

  get bytes(): number {
    return this.#sums.byteLength + this.#seen.byteLength + carriedBytes * this.#carried.size;
  }

  grow(groups: number): void {
    if (groups <= this.#sums.length) return;
    this.#sums = grownDoubles(this.#sums, room(groups, this.#sums.length));
    this.#seen = grownBytes(this.#seen, this.#sums.length);
  }

  update(group: Int32Array, length: number, argument: Column | null): void {
    const column = argument!;
    const seen = this.#seen;
    const sums = this.#sums;
    switch (layoutOf(column.type)) {
      case 'double': {
        const data = column.data as Float64Array;
        for (let i = 0; i < length; i++) {
          const g = group[i]!;
          if (g < 0) continue;
          sums[g]! += data[i]!;
          seen[g] = 1;
        }
        return;
      }
      case 'word': {
        const data = column.data as Int32Array;
        for (let i = 0; i < length; i++) {
          const g = group[i]!;
          if (g < 0) continue;
          const sum = sums[g]! + data[i]!;
          if (sum > maxSafe || sum < -maxSafe) {
            this.#carry(g, BigInt(sums[g]!));
            sums[g] = data[i]!;
          } else sums[g] = sum;
          seen[g] = 1;
        }
        return;
      }
      default: {
        const data = column.data as Int32Array;
        for (let i = 0; i < length; i++) {
          const g = group[i]!;
          if (g < 0) continue;
          const value = data[2 * i + 1]! * 4_294_967_296 + (data[2 * i]! >>> 0);
          const sum = sums[g]! + value;
          if (value > maxSafe || value < -maxSafe) this.#carry(g, lanesToBigInt(data[2 * i]!, data[2 * i + 1]!));
          else if (sum > maxSafe || sum < -maxSafe) {
            this.#carry(g, BigInt(sums[g]!));
            sums[g] = value;
          } else sums[g] = sum;
          seen[g] = 1;
        }
      }
    }
  }

  merge(group: Int32Array, length: number, columns: readonly Column[]): void {
    const column = columns[0]!;
    this.update(withoutNulls(group, length, column), length, column);
    if (!this.#hasCarry) return;
    const carries = columns[1]!.data as Int32Array;
    for (let i = 0; i < length; i++) {
      const [lo, hi] = [carries[2 * i]!, carries[2 * i + 1]!];
      if ((lo | hi) !== 0) this.#carry(group[i]!, lanesToBigInt(lo, hi) << 64n);
    }
  }

  partial(groups: number): Column[] {
    if (!this.#whole) return [this.#doubles(groups)];
    const sums = this.#lanes(groups, null, { kind: 'int64' });
    if (!this.#hasCarry) return [sums];
    const carries = new Int32Array(2 * groups);
    for (const [g, carried] of this.#carried) {
      const sum = carried + BigInt(this.#sums[g]!);
      const carry = (sum - BigInt.asIntN(64, sum)) >> 64n;
      carries[2 * g] = lowLaneOf(carry);
      carries[2 * g + 1] = highLaneOf(carry);
    }
    return [sums, makeColumn(integerType, groups, carries)];
  }

  final(groups: number): Column {
    const { type } = this.#aggregate;
    if (!this.#whole) return this.#doubles(groups);
    return this.#lanes(groups, type.kind === 'int64' ? int64Max : BigInt(maxSafe), type);
  }

  /** Null when the group has no value. */
  isEmpty(g: number): boolean {
    return this.#seen[g] === 0;
  }

  /** The sum as a double, rounded once. */
  at(g: number): number {
    const carried = this.#carried.get(g);
    return carried === undefined ? this.#sums[g]! : Number(carried + BigInt(this.#sums[g]!));
  }

  #carry(g: number, value: bigint): void {
    this.#carried.set(g, (this.#carried.get(g) ?? 0n) + value);
  }

  #doubles(groups: number): Column {
    return makeColumn({ kind: 'float64' }, groups, this.#sums.slice(0, groups), seenBits(this.#seen, groups));
  }

  /** @param most  the largest value of the type; null: what is beyond 64 bits is cut off */
  #lanes(groups: number, most: bigint | null, type: ColumnType): Column {
    const least = type.kind === 'int64' ? int64Min : -BigInt(maxSafe);
    const data = new Int32Array(2 * groups);
    for (let g = 0; g < groups; g++) {
      data[2 * g] = lowLane(this.#sums[g]!);
      data[2 * g + 1] = highLane(this.#sums[g]!);
    }
    for (const [g, carried] of this.#carried) {
      const sum = carried + BigInt(this.#sums[g]!);
      if (most !== null && (sum < least || sum > most))
        throw new SluiceError('VALUE_OUT_OF_RANGE', { what: `The sum ${this.#aggregate.name} is ${sum}, which does not fit in ${type.kind}` });
      data[2 * g] = lowLaneOf(sum);
      data[2 * g + 1] = highLaneOf(sum);
    }
    return makeColumn(type, groups, data, seenBits(this.#seen, groups));
  }
}

export class Average implements Accumulator {
  readonly #sum: Sum | DecimalSum;
  readonly #count = new Count();

  constructor(aggregate: Aggregate) {
    this.#sum = createSum(aggregate);
  }

  get bytes(): number {
    return this.#sum.bytes + this.#count.bytes;
  }

  grow(groups: number): void {
    this.#sum.grow(groups);
    this.#count.grow(groups);
  }

  update(group: Int32Array, length: number, argument: Column | null): void {
    this.#sum.update(group, length, argument);
    this.#count.update(group, length);
  }

  merge(group: Int32Array, length: number, columns: readonly Column[]): void {
    this.#sum.merge(group, length, columns);
    this.#count.merge(group, length, columns.slice(-1));
  }

  partial(groups: number): Column[] {
    return [...this.#sum.partial(groups), ...this.#count.partial(groups)];
  }

  final(groups: number): Column {
    const data = new Float64Array(groups);
    const validity = new Uint8Array(bitmapBytes(groups));
    let nulls = 0;
    for (let g = 0; g < groups; g++) {
      if (this.#sum.isEmpty(g)) nulls++;
      else {
        data[g] = this.#sum.at(g) / this.#count.at(g);
        setBit(validity, g);
      }
    }
    return makeColumn({ kind: 'float64' }, groups, data, nulls === 0 ? null : validity);
  }
}

/** @param sign  1: the greatest, -1: the least */
export function createExtreme(type: ColumnType, sign: 1 | -1): Accumulator {
  switch (layoutOf(type)) {
    case 'double':
      return new ExtremeDouble(type, sign);
    case 'lanes':
      return new ExtremeLanes(type, sign);
    case 'wide':
      return new ExtremeWide(type, sign);
    case 'bytes':
      return new ExtremeText(type, sign);
    default:
      return new ExtremeWord(type, sign);
  }
}

/** int32, date and bool. */
class ExtremeWord implements Accumulator {
  readonly #type: ColumnType;
  readonly #sign: 1 | -1;
  #values = new Int32Array(0);
  #seen = new Uint8Array(0);

  constructor(type: ColumnType, sign: 1 | -1) {
    this.#type = type;
    this.#sign = sign;
  }

  get bytes(): number {
    return this.#values.byteLength + this.#seen.byteLength;
  }

  grow(groups: number): void {
    if (groups <= this.#seen.length) return;
    this.#seen = grownBytes(this.#seen, room(groups, this.#seen.length));
    const values = new Int32Array(this.#seen.length);
    values.set(this.#values);
    this.#values = values;
  }

  update(group: Int32Array, length: number, argument: Column | null): void {
    const { type, data } = argument!;
    const values = this.#values;
    const seen = this.#seen;
    const sign = this.#sign;
    const isBool = type.kind === 'bool';
    for (let i = 0; i < length; i++) {
      const g = group[i]!;
      if (g < 0) continue;
      const value = isBool ? bitAt(data as Uint8Array, i) : data[i]!;
      if (seen[g] === 0 || (value - values[g]!) * sign > 0) {
        values[g] = value;
        seen[g] = 1;
      }
    }
  }

  merge(group: Int32Array, length: number, columns: readonly Column[]): void {
    this.update(withoutNulls(group, length, columns[0]!), length, columns[0]!);
  }

  partial(groups: number): Column[] {
    return [this.final(groups)];
  }

  final(groups: number): Column {
    const validity = seenBits(this.#seen, groups);
    if (this.#type.kind !== 'bool') return makeColumn(this.#type, groups, this.#values.slice(0, groups), validity);
    return makeColumn(this.#type, groups, seenBits(this.#values, groups) ?? new Uint8Array(bitmapBytes(groups)).fill(0xff), validity);
  }
}

/** integer, int64 and timestamp. */
class ExtremeLanes implements Accumulator {
  readonly #type: ColumnType;
  readonly #sign: 1 | -1;
  #values = new Int32Array(0);
  #seen = new Uint8Array(0);

  constructor(type: ColumnType, sign: 1 | -1) {
    this.#type = type;
    this.#sign = sign;
  }

  get bytes(): number {
    return this.#values.byteLength + this.#seen.byteLength;
  }

  grow(groups: number): void {
    if (groups <= this.#seen.length) return;
    this.#seen = grownBytes(this.#seen, room(groups, this.#seen.length));
    const values = new Int32Array(2 * this.#seen.length);
    values.set(this.#values);
    this.#values = values;
  }

  update(group: Int32Array, length: number, argument: Column | null): void {
    const data = argument!.data as Int32Array;
    const values = this.#values;
    const seen = this.#seen;
    const sign = this.#sign;
    for (let i = 0; i < length; i++) {
      const g = group[i]!;
      if (g < 0) continue;
      const lo = data[2 * i]!;
      const hi = data[2 * i + 1]!;
      if (seen[g] === 0 || (hi - values[2 * g + 1]! || (lo >>> 0) - (values[2 * g]! >>> 0)) * sign > 0) {
        values[2 * g] = lo;
        values[2 * g + 1] = hi;
        seen[g] = 1;
      }
    }
  }

  merge(group: Int32Array, length: number, columns: readonly Column[]): void {
    this.update(withoutNulls(group, length, columns[0]!), length, columns[0]!);
  }

  partial(groups: number): Column[] {
    return [this.final(groups)];
  }

  final(groups: number): Column {
    return makeColumn(this.#type, groups, this.#values.slice(0, 2 * groups), seenBits(this.#seen, groups));
  }
}

/** Decimals of more than 15 digits. */
class ExtremeWide implements Accumulator {
  readonly #type: ColumnType;
  readonly #sign: 1 | -1;
  readonly #values: (Unscaled | null)[] = [];

  constructor(type: ColumnType, sign: 1 | -1) {
    this.#type = type;
    this.#sign = sign;
  }

  get bytes(): number {
    return 24 * this.#values.length;
  }

  grow(groups: number): void {
    while (this.#values.length < groups) this.#values.push(null);
  }

  update(group: Int32Array, length: number, argument: Column | null): void {
    const data = argument!.data as Int32Array;
    for (let i = 0; i < length; i++) {
      const g = group[i]!;
      if (g < 0) continue;
      const value = wideAt(data, i);
      const best = this.#values[g]!;
      if (best === null || (this.#sign > 0 ? value > best : value < best)) this.#values[g] = value;
    }
  }

  merge(group: Int32Array, length: number, columns: readonly Column[]): void {
    this.update(withoutNulls(group, length, columns[0]!), length, columns[0]!);
  }

  partial(groups: number): Column[] {
    return [this.final(groups)];
  }

  final(groups: number): Column {
    const data = new Int32Array(4 * groups);
    const seen = new Uint8Array(groups);
    for (let g = 0; g < groups; g++) {
      const value = this.#values[g]!;
      if (value === null) continue;
      seen[g] = 1;
      putWide(data, g, value);
    }
    return makeColumn(this.#type, groups, data, seenBits(seen, groups));
  }
}

/** NaN is greater than all, as in sorting; -0 is given as 0. */
class ExtremeDouble implements Accumulator {
  readonly #type: ColumnType;
  readonly #sign: 1 | -1;
  #values = new Float64Array(0);
  #seen = new Uint8Array(0);

  constructor(type: ColumnType, sign: 1 | -1) {
    this.#type = type;
    this.#sign = sign;
  }

  get bytes(): number {
    return this.#values.byteLength + this.#seen.byteLength;
  }

  grow(groups: number): void {
    if (groups <= this.#seen.length) return;
    this.#seen = grownBytes(this.#seen, room(groups, this.#seen.length));
    this.#values = grownDoubles(this.#values, this.#seen.length);
  }

  update(group: Int32Array, length: number, argument: Column | null): void {
    const data = argument!.data as Float64Array;
    const values = this.#values;
    const seen = this.#seen;
    const sign = this.#sign;
    for (let i = 0; i < length; i++) {
      const g = group[i]!;
      if (g < 0) continue;
      const value = data[i]! + 0;
      if (seen[g] === 0 || compareDoubles(value, values[g]!) * sign > 0) {
        values[g] = value;
        seen[g] = 1;
      }
    }
  }

  merge(group: Int32Array, length: number, columns: readonly Column[]): void {
    this.update(withoutNulls(group, length, columns[0]!), length, columns[0]!);
  }

  partial(groups: number): Column[] {
    return [this.final(groups)];
  }

  final(groups: number): Column {
    return makeColumn(this.#type, groups, this.#values.slice(0, groups), seenBits(this.#seen, groups));
  }
}

/** By bytes. Keeps a copy of each group's text. */
class ExtremeText implements Accumulator {
  readonly #type: ColumnType;
  readonly #sign: 1 | -1;
  readonly #texts: (Uint8Array | null)[] = [];
  #bytes = 0;

  constructor(type: ColumnType, sign: 1 | -1) {
    this.#type = type;
    this.#sign = sign;
  }

  get bytes(): number {
    return this.#bytes + textBytes * this.#texts.length;
  }

  grow(groups: number): void {
    while (this.#texts.length < groups) this.#texts.push(null);
  }

  update(group: Int32Array, length: number, argument: Column | null): void {
    const column = argument!;
    const codes = column.dictionary === null ? null : (column.data as Int32Array);
    const source = column.dictionary ?? column;
    const bytes = source.data as Uint8Array;
    const offsets = source.offsets!;
    const sign = this.#sign;
    for (let i = 0; i < length; i++) {
      const g = group[i]!;
      if (g < 0) continue;
      const entry = codes === null ? i : codes[i]!;
      const from = offsets[entry]!;
      const to = offsets[entry + 1]!;
      const best = this.#texts[g]!;
      // A copy, not a view: the batch it lies in is let go.
      if (best === null || compareBytes(bytes, from, to, best, 0, best.length) * sign > 0) {
        this.#bytes += to - from - (best === null ? 0 : best.length);
        this.#texts[g] = Uint8Array.prototype.slice.call(bytes, from, to);
      }
    }
  }

  merge(group: Int32Array, length: number, columns: readonly Column[]): void {
    this.update(withoutNulls(group, length, columns[0]!), length, columns[0]!);
  }

  partial(groups: number): Column[] {
    return [this.final(groups)];
  }

  final(groups: number): Column {
    const offsets = new Int32Array(groups + 1);
    const validity = new Uint8Array(bitmapBytes(groups));
    let nulls = 0;
    for (let g = 0; g < groups; g++) {
      const text = this.#texts[g]!;
      if (text === null) nulls++;
      else setBit(validity, g);
      offsets[g + 1] = offsets[g]! + (text === null ? 0 : text.length);
    }
    const data = new Uint8Array(offsets[groups]!);
    for (let g = 0; g < groups; g++) {
      const text = this.#texts[g]!;
      if (text !== null) data.set(text, offsets[g]!);
    }
    return makeColumn(this.#type, groups, data, nulls === 0 ? null : validity, offsets);
  }
}

function withoutNulls(group: Int32Array, length: number, column: Column): Int32Array {
  const { validity } = column;
  if (validity === null) return group;
  const there = new Int32Array(length);
  for (let i = 0; i < length; i++) there[i] = bitAt(validity, i) === 1 ? group[i]! : -1;
  return there;
}

/** A bitmap of what is not 0; null when nothing is. */
function seenBits(seen: Uint8Array | Int32Array, groups: number): Uint8Array | null {
  const bits = new Uint8Array(bitmapBytes(groups));
  let all = true;
  for (let g = 0; g < groups; g++) {
    if (seen[g] !== 0) setBit(bits, g);
    else all = false;
  }
  return all ? null : bits;
}

function grownDoubles(values: Float64Array, length: number): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(length);
  grown.set(values);
  return grown;
}

function grownBytes(values: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const grown = new Uint8Array(length);
  grown.set(values);
  return grown;
}
