/**
 * Decimals: whole numbers of tenths, hundredths, ... : `unscaled` of them, 10^-scale each. Up to 15 digits stand as doubles,
 * which are exact there; more of them as 128 bits in four int32 lanes, the low one first, as Arrow has them. Between the two,
 * in loops, one JavaScript value: a number where it is a safe integer, else a bigint, and never the other way round.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { lanesToBigInt } from './lanes.ts';

/** As many digits are exact in a double, whatever they are. */
export const narrowDigits = 15;
export const mostDigits = 38;
const maxSafe = Number.MAX_SAFE_INTEGER;

/** A safe integer as a number, anything else as a bigint. */
export type Unscaled = number | bigint;

/** 10 to the n for each n of a decimal, as a double; exact to 22. In place of `**`, which asks the C library each time. */
export const tens: Float64Array = Float64Array.from({ length: mostDigits + 1 }, (_, n) => 10 ** n);
export const powerOfTen = (digits: number): bigint => 10n ** BigInt(digits);

const pattern = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,4}))?$/i;

/**
 * The digits of a text, exactly. @returns null when it is none
 */
export function digitsOf(text: string): { readonly unscaled: bigint; readonly scale: number } | null {
  const [, sign, whole = '', fraction = '', exponent = '0'] = pattern.exec(text) ?? [];
  if (sign === undefined || whole + fraction === '') return null;
  const unscaled = BigInt(`${whole}${fraction}`);
  const scale = fraction.length - Number(exponent);
  const signed = sign === '-' ? -unscaled : unscaled;
  return scale < 0 ? { unscaled: signed * powerOfTen(-scale), scale: 0 } : { unscaled: signed, scale };
}

/** At another scale; digits that fall away round it, halves away from zero. */
export function rescaled(unscaled: bigint, from: number, to: number): bigint {
  if (to >= from) return unscaled * powerOfTen(to - from);
  const unit = powerOfTen(from - to);
  const [quotient, rest] = [unscaled / unit, unscaled % unit];
  if (2n * (rest < 0n ? -rest : rest) < unit) return quotient;
  return quotient + (unscaled < 0n ? -1n : 1n);
}

export function decimalText(unscaled: Unscaled, scale: number): string {
  const digits = String(unscaled < 0 ? -unscaled : unscaled).padStart(scale + 1, '0');
  const sign = unscaled < 0 ? '-' : '';
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** A decimal as rows have it: immutable, exact. */
export class Decimal {
  readonly unscaled: bigint;
  /** Digits behind the point. */
  readonly scale: number;

  constructor(unscaled: bigint, scale: number) {
    this.unscaled = unscaled;
    this.scale = scale;
    Object.freeze(this);
  }

  /** Of its text, or a number by its shortest one: `Decimal.from('12.50')`. @throws VALUE_OUT_OF_RANGE when that is none */
  static from(value: string | number | bigint): Decimal {
    const found = digitsOf(String(value));
    if (found === null) throw new SluiceError('VALUE_OUT_OF_RANGE', { what: `'${value}' is not a decimal` });
    return new Decimal(found.unscaled, found.scale);
  }

  /** All its digits. */
  toString(): string {
    return decimalText(this.unscaled, this.scale);
  }

  /** The nearest number. */
  toNumber(): number {
    return Number(this.toString());
  }

  toJSON(): string {
    return this.toString();
  }

  get [Symbol.toStringTag](): string {
    return 'Sluice.Decimal';
  }
}

/** The decimal's number at a scale, null when digits would fall away. */
export function unscaledAt({ unscaled, scale }: Decimal, to: number): bigint | null {
  const value = rescaled(unscaled, scale, to);
  return rescaled(value, to, Math.max(scale, to)) === rescaled(unscaled, scale, Math.max(scale, to)) ? value : null;
}

/** Whether it has at most so many digits. */
export const fitsDigits = (unscaled: bigint, precision: number): boolean => {
  const limit = powerOfTen(precision);
  return unscaled < limit && unscaled > -limit;
};

// Kernels

export const narrowed = (value: bigint): Unscaled => (value <= maxSafe && value >= -maxSafe ? Number(value) : value);

/** Value i of four lanes each. */
export function wideAt(words: Int32Array, i: number): Unscaled {
  const at = 4 * i;
  const high = words[at + 1]!;
  const sign = high >> 31;
  if (words[at + 2] === sign && words[at + 3] === sign) {
    const value = high * 4_294_967_296 + (words[at]! >>> 0);
    if (value <= maxSafe && value >= -maxSafe) return value;
  }
  return wideBigInt(words, i);
}

export const wideBigInt = (words: Int32Array, i: number): bigint =>
  (lanesToBigInt(words[4 * i + 2]!, words[4 * i + 3]!) << 64n) | BigInt.asUintN(64, lanesToBigInt(words[4 * i]!, words[4 * i + 1]!));

export function putWide(words: Int32Array, i: number, value: Unscaled): void {
  const at = 4 * i;
  if (typeof value === 'number') {
    words[at] = value;
    words[at + 1] = Math.floor(value / 4_294_967_296);
    words[at + 2] = value < 0 ? -1 : 0;
    words[at + 3] = value < 0 ? -1 : 0;
    return;
  }
  for (let lane = 0; lane < 4; lane++) words[at + lane] = Number(BigInt.asIntN(32, value >> BigInt(32 * lane)));
}
