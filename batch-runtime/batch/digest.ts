/**
 * A digest of a multiset of rows: how many, and the wrapping sum and the xor of their 64-bit hashes. Equal for equal rows
 * however they are ordered, cut into batches or encoded; parts add up. A job's resultHash is its text. Not
 * cryptographic.
 */
import type { Batch } from './batch.ts';
import { hashRows } from './hash.ts';

/** Plain JSON; sum and xor are 16 hex digits. */
export interface Digest {
  readonly rows: number;
  readonly sum: string;
  readonly xor: string;
}

export const emptyDigest: Digest = { rows: 0, sum: '0'.repeat(16), xor: '0'.repeat(16) };

export class Digester {
  #rows = 0;
  #xorLow = 0;
  #xorHigh = 0;
  #sum = 0n;

  add(batch: Batch): void {
    const lanes = hashRows(batch);
    const n = batch.length;
    let xorLow = this.#xorLow;
    let xorHigh = this.#xorHigh;
    // Sums of 2^20 rows of 32 bits stay exact in a double.
    for (let from = 0; from < n; from += 1 << 20) {
      const to = Math.min(n, from + (1 << 20));
      let low = 0;
      let high = 0;
      for (let i = from; i < to; i++) {
        const lo = lanes[2 * i]!;
        const hi = lanes[2 * i + 1]!;
        xorLow ^= lo;
        xorHigh ^= hi;
        low += lo >>> 0;
        high += hi >>> 0;
      }
      this.#sum += BigInt(low) + (BigInt(high) << 32n);
    }
    this.#xorLow = xorLow;
    this.#xorHigh = xorHigh;
    this.#rows += n;
    this.#sum = BigInt.asUintN(64, this.#sum);
  }

  result(): Digest {
    const xor = (BigInt(this.#xorHigh >>> 0) << 32n) | BigInt(this.#xorLow >>> 0);
    return { rows: this.#rows, sum: hex(this.#sum), xor: hex(xor) };
  }
}

/** The digest of both multisets together. */
export const mergeDigests = (a: Digest, b: Digest): Digest => ({
  rows: a.rows + b.rows,
  sum: hex(BigInt.asUintN(64, BigInt(`0x${a.sum}`) + BigInt(`0x${b.sum}`))),
  xor: hex(BigInt(`0x${a.xor}`) ^ BigInt(`0x${b.xor}`)),
});

/** One line: rows, sum and xor. */
export const digestText = (digest: Digest): string => `${digest.rows}-${digest.sum}-${digest.xor}`;

const hex = (value: bigint): string => value.toString(16).padStart(16, '0');
