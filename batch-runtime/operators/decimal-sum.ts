/**
 * Sums of decimals per group, exact: a double per group while that is a safe integer, what goes beyond is carried in a bigint.
 * Its result and what travels between phases is a decimal of 38 digits. Called by accumulate.ts.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Column, ColumnType } from '../batch/batch.ts';
import { bitAt, bitmapBytes, setBit } from '../batch/bitmap.ts';
import { layoutOf, makeColumn } from '../batch/column.ts';
import { decimalText, fitsDigits, mostDigits, narrowed, putWide, wideAt } from '../batch/decimal.ts';
import { decimalDouble } from '../expression/cast.ts';

const maxSafe = Number.MAX_SAFE_INTEGER;

export class DecimalSum {
  readonly #name: string;
  readonly #type: Extract<ColumnType, { kind: 'decimal' }>;
  #sums = new Float64Array(0);
  #seen = new Uint8Array(0);
  /** What left the double, by group. */
  readonly #carried = new Map<number, bigint>();

  /** @param scale  of the argument */
  constructor(name: string, scale: number) {
    this.#name = name;
    this.#type = { kind: 'decimal', precision: mostDigits, scale };
  }

  grow(groups: number): void {
    if (groups <= this.#sums.length) return;
    const room = Math.max(groups, 2 * this.#sums.length, 64);
    const sums = new Float64Array(room);
    sums.set(this.#sums);
    this.#sums = sums;
    const seen = new Uint8Array(room);
    seen.set(this.#seen);
    this.#seen = seen;
  }

  update(group: Int32Array, length: number, argument: Column | null): void {
    const { type, data } = argument!;
    const sums = this.#sums;
    const seen = this.#seen;
    if (layoutOf(type) === 'double') {
      this.#updateNarrow(group, length, data as Float64Array);
      return;
    }
    for (let i = 0; i < length; i++) {
      const g = group[i]!;
      if (g < 0) continue;
      seen[g] = 1;
      const value = wideAt(data as Int32Array, i);
      if (typeof value === 'bigint') this.#carry(g, value);
      else {
        const sum = sums[g]! + value;
        if (sum <= maxSafe && sum >= -maxSafe) sums[g] = sum;
        else {
          this.#carry(g, BigInt(sums[g]!));
          sums[g] = value;
        }
      }
    }
  }

  /** Values are numbers, all of them. */
  #updateNarrow(group: Int32Array, length: number, data: Float64Array): void {
    const sums = this.#sums;
    const seen = this.#seen;
    for (let i = 0; i < length; i++) {
      const g = group[i]!;
      if (g < 0) continue;
      const sum = sums[g]! + data[i]!;
      seen[g] = 1;
      if (sum <= maxSafe && sum >= -maxSafe) sums[g] = sum;
      else {
        this.#carry(g, BigInt(sums[g]!));
        sums[g] = data[i]!;
      }
    }
  }

  merge(group: Int32Array, length: number, columns: readonly Column[]): void {
    const column = columns[0]!;
    const { validity } = column;
    if (validity === null) {
      this.update(group, length, column);
      return;
    }
    const there = new Int32Array(length);
    for (let i = 0; i < length; i++) there[i] = bitAt(validity, i) === 1 ? group[i]! : -1;
    this.update(there, length, column);
  }

  partial(groups: number): Column[] {
    return [this.final(groups)];
  }

  /** @throws VALUE_OUT_OF_RANGE */
  final(groups: number): Column {
    const data = new Int32Array(4 * groups);
    const validity = new Uint8Array(bitmapBytes(groups));
    let nulls = 0;
    for (let g = 0; g < groups; g++) {
      if (this.#seen[g] === 0) nulls++;
      else {
        setBit(validity, g);
        putWide(data, g, this.#carried.size === 0 ? this.#sums[g]! : this.#total(g));
      }
    }
    return makeColumn(this.#type, groups, data, nulls === 0 ? null : validity);
  }

  /** Held; a bigint takes about as much as here. */
  get bytes(): number {
    return this.#sums.byteLength + this.#seen.byteLength + 64 * this.#carried.size;
  }

  /** The group has no value. */
  isEmpty(g: number): boolean {
    return this.#seen[g] === 0;
  }

  /** The sum as a double. */
  at(g: number): number {
    return decimalDouble(this.#total(g), this.#type.scale);
  }

  #total(g: number): number | bigint {
    const carried = this.#carried.get(g);
    if (carried === undefined) return this.#sums[g]!;
    const total = carried + BigInt(this.#sums[g]!);
    if (fitsDigits(total, mostDigits)) return narrowed(total);
    throw new SluiceError('VALUE_OUT_OF_RANGE', {
      what: `The sum ${this.#name} is ${decimalText(total, this.#type.scale)}, which has more than ${mostDigits} digits`,
    });
  }

  #carry(g: number, value: bigint): void {
    this.#carried.set(g, (this.#carried.get(g) ?? 0n) + value);
  }
}
