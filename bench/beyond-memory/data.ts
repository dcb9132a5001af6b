/**
 * Rows for the bench beyond-memory, made and written as Parquet: { id, key, text }, about 200 bytes each in memory and a few on disk,
 * since texts repeat but for the id in front of them. Keys are a permutation of the ids, or Zipf's law draws them. Totals that the jobs
 * have to find are worked out from ids and keys alone.
 */

import { type Batch, batchRows, type Schema } from '#runtime/batch/batch.ts';
import { makeBatch, makeColumn } from '#runtime/batch/column.ts';
import { type Digest, Digester } from '#runtime/batch/digest.ts';
import type { Written } from '#runtime/connectors/connector.ts';
import { parquetSink } from '#runtime/connectors/parquet-sink.ts';

export const schema: Schema = [
  { name: 'id', type: { kind: 'integer' }, nullable: false },
  { name: 'key', type: { kind: 'integer' }, nullable: false },
  { name: 'text', type: { kind: 'utf8' }, nullable: false },
];

const words = ' of the quick brown fox that jumps over the lazy dog by the river bank in the evening sun';
/** Of a text: the id as eight hexadecimal digits, then words. */
export const textBytes = 180;
/** In memory: two lanes for each number, an offset, the text. */
export const rowBytes = 8 + 8 + 4 + textBytes;
const rowsPerFile = 16 * batchRows;

const template = (() => {
  const line = new TextEncoder().encode(words.repeat(3).slice(0, textBytes));
  const all = new Uint8Array(batchRows * textBytes);
  for (let i = 0; i < batchRows; i++) all.set(line, i * textBytes);
  return all;
})();
const digits = new TextEncoder().encode('0123456789abcdef');

/** Rows [from, to) with the keys that `keyOf` gives. */
export function batchOf(from: number, to: number, keyOf: (id: number) => number): Batch {
  const n = to - from;
  const ids = new Int32Array(2 * n);
  const keys = new Int32Array(2 * n);
  const text = template.slice(0, n * textBytes);
  const offsets = new Int32Array(n + 1);
  for (let i = 0; i < n; i++) {
    const id = from + i;
    const key = keyOf(id);
    ids[2 * i] = id | 0;
    ids[2 * i + 1] = Math.floor(id / 4_294_967_296);
    keys[2 * i] = key | 0;
    keys[2 * i + 1] = Math.floor(key / 4_294_967_296);
    for (let d = 0, at = i * textBytes; d < 8; d++) text[at + d] = digits[(id >>> (28 - 4 * d)) & 15]!;
    offsets[i + 1] = (i + 1) * textBytes;
  }
  const [id, key, last] = schema as [Schema[0], Schema[0], Schema[0]];
  return makeBatch(schema, n, [makeColumn(id.type, n, ids), makeColumn(key.type, n, keys), makeColumn(last.type, n, text, null, offsets)]);
}

/** Writes `rows` rows into a folder; answers their digest. */
export async function writeRows(path: string, rows: number, keyOf: (id: number) => number, said: (rows: number) => void): Promise<Digest> {
  const digest = new Digester();
  const sink = { connector: 'parquet', path, overwrite: true };
  await parquetSink.prepare(sink, 'made');
  const all: Written[] = [];
  for (let file = 0; file * rowsPerFile < rows; file++) {
    const writer = await parquetSink.createWriter(sink, schema, { job: 'made', task: file, attempt: 0 });
    const end = Math.min(rows, (file + 1) * rowsPerFile);
    for (let from = file * rowsPerFile; from < end; from += batchRows) {
      const batch = batchOf(from, Math.min(end, from + batchRows), keyOf);
      digest.add(batch);
      await writer.write(batch);
    }
    all.push(await writer.finish());
    said(end);
  }
  await parquetSink.publish(sink, 'made', all);
  return digest.result();
}

/** A permutation of [0, n): id * step + shift mod n, and its inverse. */
export function permutation(n: number, step: number, shift: number): { of(id: number): number; inverse(key: number): number } {
  let a = step % n;
  while (gcd(a, n) !== 1) a++;
  const back = Number(inverseOf(BigInt(a), BigInt(n)));
  // Products stay below 2^53 for n up to 94 million.
  return { of: (id) => (id * a + shift) % n, inverse: (key) => (((key - shift + n) % n) * back) % n };
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

function inverseOf(a: bigint, n: bigint): bigint {
  let [r, next] = [n, a];
  let [t, nextT] = [0n, 1n];
  while (next !== 0n) {
    const q = r / next;
    [r, next] = [next, r - q * next];
    [t, nextT] = [nextT, t - q * nextT];
  }
  return ((t % n) + n) % n;
}

/** Key by row as Zipf's law has it over [0, distinct): the same for the same id. */
export function zipf(distinct: number, exponent: number): (id: number) => number {
  const sums = new Float64Array(distinct);
  let total = 0;
  for (let k = 0; k < distinct; k++) {
    total += (k + 1) ** -exponent;
    sums[k] = total;
  }
  return (id) => {
    let h = Math.imul(id ^ (id >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    const wanted = (((h ^ (h >>> 16)) >>> 0) / 4_294_967_296) * total;
    let [low, high] = [0, distinct - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}
