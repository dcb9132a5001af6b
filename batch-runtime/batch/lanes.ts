/**
 * 64-bit integers as two int32 lanes, the low one first, and what they are as numbers and bigints. BigInt per value
 * is slow; kernels take the double where it is exact and come here where it is not.
 */

const two32 = 4_294_967_296;

/** The value as a double: exact within +-2^53, else rounded. */
export const lanesToNumber = (lo: number, hi: number): number => hi * two32 + (lo >>> 0);

export const lanesToBigInt = (lo: number, hi: number): bigint => (BigInt(hi) << 32n) | BigInt(lo >>> 0);

/** The lanes of a whole number within +-2^53. */
export const lowLane = (value: number): number => value | 0;
export const highLane = (value: number): number => Math.floor(value / two32) | 0;

export const lowLaneOf = (value: bigint): number => Number(BigInt.asIntN(32, value));
export const highLaneOf = (value: bigint): number => Number(BigInt.asIntN(32, value >> 32n));

export const int64Min: bigint = -(2n ** 63n);
export const int64Max: bigint = 2n ** 63n - 1n;
