import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeBatch } from '#runtime/batch/column.ts';
import { hashBytes, hashColumn, hashKeys, hashRows, hashVersion } from '#runtime/batch/hash.ts';
import { lanesToBigInt } from '#runtime/batch/lanes.ts';
import type { Value } from '#runtime/expression/values.ts';
import { type TypeName, typeOf } from '../expression/random.ts';
import { columnOf, fieldsOf, formArb, formed, kindArb, kinds, valuesArb } from './columns.ts';

// xxh64, seed 0, as its specification says it, in bigints.
const [p1, p2, p3, p4, p5] = [0x9e3779b185ebca87n, 0xc2b2ae3d27d4eb4fn, 0x165667b19e3779f9n, 0x85ebca77c2b2ae63n, 0x27d4eb2f165667c5n];
const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const rotate = (value: bigint, by: bigint): bigint => u64((value << by) | (value >> (64n - by)));
const round = (state: bigint, word: bigint): bigint => u64(rotate(u64(state + word * p2), 31n) * p1);
const mergeEight = (hash: bigint, word: bigint): bigint => u64(rotate(hash ^ round(0n, word), 27n) * p1 + p4);
const avalanche = (hash: bigint): bigint => {
  let h = u64((hash ^ (hash >> 33n)) * p2);
  h = u64((h ^ (h >> 29n)) * p3);
  return h ^ (h >> 32n);
};
function xxh64(bytes: Buffer): bigint {
  let at = 0;
  let hash = p5;
  if (bytes.length >= 32) {
    const states = [u64(p1 + p2), p2, 0n, u64(-p1)];
    for (; at + 32 <= bytes.length; at += 32) for (let s = 0; s < 4; s++) states[s] = round(states[s]!, bytes.readBigUInt64LE(at + 8 * s));
    hash = u64(rotate(states[0]!, 1n) + rotate(states[1]!, 7n) + rotate(states[2]!, 12n) + rotate(states[3]!, 18n));
    for (const state of states) hash = u64((hash ^ round(0n, state)) * p1 + p4);
  }
  hash = u64(hash + BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8) hash = mergeEight(hash, bytes.readBigUInt64LE(at));
  if (at + 4 <= bytes.length) {
    hash = u64(rotate(hash ^ u64(BigInt(bytes.readUInt32LE(at)) * p1), 23n) * p2 + p3);
    at += 4;
  }
  for (; at < bytes.length; at++) hash = u64(rotate(hash ^ u64(BigInt(bytes[at]!) * p5), 11n) * p1);
  return avalanche(hash);
}

/** Without zeros at the end of what is behind the point; how many digits that are stands in the highest byte. */
function canonicalDecimal(value: bigint, scale: number): Buffer {
  let [rest, digits] = [value, scale];
  for (; digits > 0 && rest % 10n === 0n; digits--) rest /= 10n;
  const bytes = Buffer.alloc(BigInt.asIntN(64, rest) === rest ? 8 : 16);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number(BigInt.asUintN(8, rest >> BigInt(8 * i)));
  bytes[bytes.length - 1]! ^= digits;
  return bytes;
}

function canonical(value: NonNullable<Value>, kind: TypeName): Buffer {
  if (kind === 'utf8') return Buffer.from(value as string);
  if (kind === 'bool') return Buffer.of(value ? 1 : 0);
  const type = typeOf(kind);
  if (type.kind === 'decimal') return canonicalDecimal(value as bigint, type.scale);
  const bytes = Buffer.alloc(8);
  if (kind !== 'float64') bytes.writeBigInt64LE(BigInt(value));
  else if (Number.isNaN(value)) bytes.writeBigUInt64LE(0x7ff8000000000000n);
  else bytes.writeDoubleLE((value as number) + 0);
  return bytes;
}
const nullHash = 0x9e3779b97f4a7c15n;
const hashOf = (value: Value, kind: TypeName): bigint => (value === null ? nullHash : xxh64(canonical(value, kind)));

const hex = (lanes: Int32Array, i = 0): string =>
  u64(lanesToBigInt(lanes[2 * i]!, lanes[2 * i + 1]!))
    .toString(16)
    .padStart(16, '0');
const bytesHash = (text: string): string => {
  const out = new Int32Array(2);
  const bytes = Buffer.from(`.${text}.`);
  hashBytes(bytes, 1, bytes.length - 1, out, 0);
  return hex(out);
};

test("bytes hash as xxHash's own vectors", () => {
  const vectors: Readonly<Record<string, string>> = {
    '': 'ef46db3751d8e999',
    a: 'd24ec4f1a98c6e5b',
    as: '1c330fb2d66be179',
    asd: '631c37ce72a97393',
    asdf: '415872f599cea71e',
    abc: '44bc2cf5ad770999',
    'Call me Ishmael. Some years ago--never mind how long precisely-': '02a2e85470d6fd96',
    'Nobody inspects the spammish repetition': 'fbcea83c8a378bf1',
  };
  for (const [text, expected] of Object.entries(vectors)) assert.equal(bytesHash(text), expected, text);
});

test('bytes of any length hash as the specification says', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(7), (bytes, shift) => {
      const out = new Int32Array(2);
      const moved = new Uint8Array(bytes.length + shift);
      moved.set(bytes, shift);
      hashBytes(moved, shift, moved.length, out, 0);
      assert.equal(u64(lanesToBigInt(out[0]!, out[1]!)), xxh64(Buffer.from(bytes)));
    }),
    { numRuns: 300 },
  );
});

test('values of every kind and form hash as their canonical bytes', () => {
  fc.assert(
    fc.property(
      kindArb.chain((kind) => fc.tuple(fc.constant(kind), valuesArb(kind, { maxLength: 30 }))),
      formArb,
      ([kind, values], form) => {
        const out = new Int32Array(2 * values.length);
        hashColumn(formed(kind, values, form), values.length, out);
        for (const [i, value] of values.entries()) assert.equal(hex(out, i), hashOf(value, kind).toString(16).padStart(16, '0'));
      },
    ),
    { numRuns: 300 },
  );
});

test('five is five in every whole type, -0 is 0, one NaN', () => {
  const one = (kind: TypeName, value: Value): number => hashKeys([columnOf(kind, [value])], 1)[0]!;
  assert.equal(new Set([one('int32', -5), one('integer', -5), one('int64', -5n), one('timestamp', -5n), one('date', -5)]).size, 1);
  assert.equal(new Set([one('int32', -5), one('decimal(9,2)', -500n), one('decimal(30,4)', -50_000n)]).size, 1);
  assert.equal(one('decimal(9,2)', 150n), one('decimal(30,4)', 15_000n));
  assert.notEqual(one('decimal(9,2)', 150n), one('decimal(30,4)', 150n));
  assert.equal(one('float64', -0), one('float64', 0));
  const strange = new Float64Array(new BigUint64Array([0xfff8000000000001n]).buffer);
  assert.equal(hashKeys([{ ...columnOf('float64', [0]), data: strange }], 1)[0], one('float64', Number.NaN));
});

test('key and row hashes are those of version 1', () => {
  // Golden: blocks written by one release are read by another, so a partition must stay where it is.
  assert.equal(hashVersion, 1);
  const columns = [columnOf('int32', [1, null]), columnOf('utf8', ['abc', 'Call me Ishmael. Some years ago--never mind'])];
  assert.deepEqual([...hashKeys(columns.slice(0, 1), 2)], [0x9f29cb17, 0x9e3779b9]);
  assert.deepEqual([...hashKeys(columns.slice(1), 2)], [0x44bc2cf5, 0xf509c512]);
  assert.deepEqual([...hashKeys(columns, 2)], [0x80dbe5b0, 0x099ddc79]);
  const rows = hashRows(makeBatch(fieldsOf('int32', 'utf8'), 2, columns));
  assert.deepEqual([hex(rows, 0), hex(rows, 1)], ['1be30e53c55885be', 'd5b69218884d103d']);
});

/** MurmurHash3_x86_32, seed 0, over whole words. */
function murmur(words: readonly number[]): number {
  let h = 0;
  for (const word of words) {
    let k = Math.imul(word, 0xcc9e2d51);
    k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    h ^= k;
    h = (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
  }
  h ^= 4 * words.length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

test('several keys are one by MurmurHash3 over their high halves', () => {
  // Vectors of other implementations: the bytes 00000000, ffffffff and 21436587.
  assert.deepEqual([[0], [0xffffffff], [0x87654321]].map(murmur), [0x2362f9de, 0x76293b50, 0xf55b516b]);
  const columns = [columnOf('int32', [1, 2, 3]), columnOf('utf8', ['a', null, 'c']), columnOf('float64', [0.5, -0, 2])];
  const halves = columns.map((column) => hashKeys([column], 3));
  assert.deepEqual(
    [...hashKeys(columns, 3)],
    [0, 1, 2].map((i) => murmur(halves.map((half) => half[i]!))),
  );
});

test('a row hash is the tail of xxh64 over the hashes of its columns', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(kindArb, fc.nat(1000), formArb), { maxLength: 4 }), (of) => {
      const values = of.map(([kind, pick]) => [null, ...valuesFor(kind)][pick % (1 + valuesFor(kind).length)]!);
      const columns = of.map(([kind, , form], c) => formed(kind, [values[c]!], form));
      const rows = hashRows(makeBatch(fieldsOf(...of.map(([kind]) => kind)), 1, columns));
      const hash = of.reduce((state, [kind], c) => mergeEight(state, hashOf(values[c]!, kind)), u64(p5 + BigInt(8 * of.length)));
      assert.equal(u64(lanesToBigInt(rows[0]!, rows[1]!)), avalanche(hash));
    }),
    { numRuns: 200 },
  );
});
const valuesFor = (kind: TypeName): readonly Value[] =>
  kind === 'utf8'
    ? ['', 'abc', 'x'.repeat(70)]
    : kind === 'bool'
      ? [true, false]
      : kind === 'decimal(9,2)'
        ? [0n, -1n, -500n, 999_999_990n]
        : kind.startsWith('decimal')
          ? [0n, -1n, -50_000n, 2n ** 62n, -(10n ** 29n)]
          : kind === 'int64' || kind === 'timestamp'
            ? [0n, -1n, 2n ** 62n]
            : [0, -1, 77];

test('keys spread evenly, also those that differ in few bits', () => {
  const partitions = 16;
  const shares = (kind: TypeName, values: readonly Value[]): number => {
    const counts = Array.from({ length: partitions }, () => 0);
    for (const hash of hashKeys([columnOf(kind, values)], values.length)) counts[Math.floor((hash * partitions) / 2 ** 32)]!++;
    return Math.max(...counts) / (values.length / partitions);
  };
  const n = 20_000;
  const list = <T>(of: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => of(i));
  assert(
    shares(
      'int32',
      list((i) => i),
    ) < 1.2,
  );
  assert(
    shares(
      'timestamp',
      list((i) => BigInt(i) * 86_400_000_000n),
    ) < 1.2,
  );
  assert(
    shares(
      'float64',
      list((i) => i * 1024),
    ) < 1.2,
  );
  assert(
    shares(
      'utf8',
      list((i) => `user-${i}`),
    ) < 1.2,
  );
  for (const kind of ['decimal(9,2)', 'decimal(30,4)'] as const)
    assert(
      shares(
        kind,
        list((i) => BigInt(i) * 5n),
      ) < 1.2,
    );
  assert.equal(kinds.length, 10);
});
