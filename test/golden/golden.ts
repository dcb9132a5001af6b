/**
 * Golden vectors: what a value's bytes are, frozen in test/golden/*.json and passed by every codec in every language.
 * In the files a u64 is "123n" and bytes are "hex:00ff"; text stays text.
 */
import { readFileSync } from 'node:fs';

export interface Golden<T> {
  readonly name: string;
  readonly value: T;
  readonly hex: string;
}

export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

const revive = (_: string, value: unknown): unknown => {
  if (typeof value !== 'string') return value;
  if (/^\d+n$/.test(value)) return BigInt(value.slice(0, -1));
  return value.startsWith('hex:') ? bytesOf(value.slice(4)) : value;
};

export type GoldenName = 'block' | 'manifest' | 'frames' | 'region' | 'segment';
export const golden = <T>(name: GoldenName): readonly Golden<T>[] =>
  JSON.parse(readFileSync(new URL(`${name}.json`, import.meta.url), 'utf8'), revive) as Golden<T>[];
