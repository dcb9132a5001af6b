import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accountFlags, createKernel, nameOfCode, readTotals, verdictOf, walkCodes } from '#worker/kernel/kernel.ts';
import { manifestPartition, noAttempt, sealBlock, verifyBlock } from '#worker/protocol/block.ts';
import { ManifestBuilder, readManifest } from '#worker/protocol/manifest.ts';
import { granuleTargetBytes, noLocation, readGranule } from '#worker/store/region.ts';
import { Arena, at, attempt, shuffle } from './arena.ts';

const payload = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 255);

function arena(): Arena {
  const made = new Arena(createKernel);
  made.account();
  return made;
}

test('what the kernel stamps, block.ts verifies, and the other way round', () => {
  const a = arena();
  a.put({ partition: 101, sequence: 0 }, payload(13));
  const second = a.put({ partition: 102, tag: 5 }, payload(100));
  a.bytes.fill(0xff, second + 64 + 100, second + 64 + 104); // padding is the kernel's to clear
  assert.equal(a.stamp(), 2);
  const read = verifyBlock(a.bytes.subarray(0, second + 168), second);
  assert.ok(read.kind === 'block');
  assert.deepEqual([read.header.tag, Uint8Array.from(read.payload)], [5, payload(100)]);
  const { header } = read;
  const again = new Uint8Array(168);
  sealBlock(again, 0, header, read.payload);
  assert.deepEqual(again, a.bytes.slice(second, second + 168));
});

test('a walk takes blocks, writes their entries and sums them up', () => {
  const a = arena();
  const first = a.put({ partition: 101, map: 6, records: 3 }, payload(13));
  const second = a.put({ partition: 101, map: 6, sequence: 1, records: 4, kind: 1 }, payload(0));
  a.stamp();
  assert.deepEqual(a.walk(), { code: walkCodes.ok, entries: 2, position: a.length });
  assert.deepEqual(a.words(at.entries, 16), [101, 6, attempt, 1, 0, first, 80, 77 * 256, 101, 6, attempt, 1, 1, second, 64, 77 * 256 + 1]);
  const sum = BigInt.asUintN(64, a.view.getBigUint64(first + 56, true) + a.view.getBigUint64(second + 56, true));
  assert.deepEqual(readTotals(a.memory, at.account), { blocks: 2, manifests: 0, dropped: 0, records: 7n, payloadBytes: 13n, sum });
  assert.equal(a.view.getUint32(at.counts + 4 * (1 * 3 + 1), true), 2);
});

test('the first bad block stops the walk and says why; those before it are taken', () => {
  // Where a bit is flipped, from the second block's first byte; none: the buffer ends early.
  const cases: [keyof typeof walkCodes, number | undefined][] = [
    ['truncated', undefined],
    ['headerHash', 24],
    ['headerHash', 56],
    ['payloadHash', 48 + 22],
    ['payloadHash', 64 + 15],
  ];
  for (const [code, flip] of cases) {
    const a = arena();
    a.put({}, payload(8));
    const second = a.put({ sequence: 1 }, payload(13));
    a.stamp();
    if (flip !== undefined) a.bytes[second + flip]! ^= 1;
    const walked = a.walk(flip === undefined ? a.length - 8 : a.length);
    assert.deepEqual([nameOfCode(walked.code), verdictOf(walked.code)], [code, 'corrupt']);
    assert.deepEqual([walked.entries, walked.position], [1, second - at.data]);
    assert.equal(readTotals(a.memory, at.account).blocks, 1);
  }
});

test('a block that is whole but does not belong here is told from a corrupt one', () => {
  const cases: [keyof typeof walkCodes, Parameters<Arena['put']>[0]][] = [
    ['shuffle', { shuffle: (shuffle + 1n) as typeof shuffle }],
    ['map', { map: 4 }],
    ['map', { map: 8 }],
    ['partition', { partition: 99 }],
    ['partition', { partition: 104 }],
    ['attempt', { attempt: attempt + 1 }],
    ['section', { section: 0 }],
    ['sequence', { sequence: 2 }],
    ['sequence', { sequence: 0 }],
    ['format', { kind: 3 }],
    ['format', { codec: 3 }],
    ['format', { flags: 2 }],
  ];
  for (const [code, wrong] of cases) {
    const a = arena();
    a.put({}, payload(8));
    a.put({ sequence: 1, ...wrong }, payload(8));
    a.stamp();
    const walked = a.walk();
    assert.deepEqual([nameOfCode(walked.code), walked.entries], [code, 1]);
    assert.equal(verdictOf(walked.code), code === 'format' ? 'corrupt' : 'identity');
  }
});

test('another version, or padding that is not zero, is no block of ours though its hashes hold', () => {
  for (const place of [2, 64 + 7]) {
    const a = arena();
    a.put({}, payload(5));
    a.stamp();
    a.bytes[at.data + place] = 2;
    a.view.setBigUint64(at.data + 48, a.kernel.hash(at.data + 64, 8), true);
    a.view.setBigUint64(at.data + 56, a.kernel.hash(at.data, 56), true);
    assert.equal(nameOfCode(a.walk().code), 'format');
  }
});

test('where nobody has committed nothing is wanted, not even attempt FFFFFFFF', () => {
  const a = arena();
  a.account({}, [noAttempt, attempt, attempt]);
  a.put({ attempt: noAttempt }, payload(8));
  a.stamp();
  assert.equal(nameOfCode(a.walk().code), 'attempt');
});

test('a manifest ends a stream: it is not counted, sorts last, and nothing may follow it', () => {
  const a = arena();
  a.account({ mapFrom: 5, mapTo: 6 });
  const builder = new ManifestBuilder(100, 104);
  const first = a.put({ partition: 103 }, payload(8));
  a.stamp();
  builder.add(103, 8, 1, a.view.getUint32(first + 56, true), a.view.getUint32(first + 60, true));
  const manifest = builder.seal({ shuffle, map: 5, attempt, section: 1 });
  a.bytes.set(manifest, at.data + 72);
  const { code, entries } = a.kernel.walk(at.data, 72 + manifest.length, at.account, at.entries, 0, 10);
  assert.deepEqual([code, entries], [walkCodes.ok, 2]);
  const read = verifyBlock(manifest, 0);
  assert.ok(read.kind === 'block');
  const stated = readManifest(read.payload);
  assert.ok(stated.kind === 'manifest');
  const totals = readTotals(a.memory, at.account);
  assert.deepEqual(
    [totals.blocks, totals.records, totals.payloadBytes, totals.sum, totals.manifests],
    [stated.manifest.blocks, stated.manifest.records, stated.manifest.payloadBytes, stated.manifest.sum, 1],
  );
  assert.deepEqual(a.words(at.entries + 32, 8), [manifestPartition, 5, attempt, 1, 0, at.data + 72, manifest.length, 77 * 256 + 2]);
  assert.equal(nameOfCode(a.kernel.walk(at.data + 72, manifest.length, at.account, at.entries, 2, 10).code), 'manifest');
  a.view.setUint32(at.counts, 0, true);
  assert.equal(nameOfCode(a.kernel.walk(at.data, 72, at.account, at.entries, 2, 10).code), 'manifest');
});

test('a reader drops what was resent but not what is missing, and takes no manifest', () => {
  const a = arena();
  a.account({ flags: accountFlags.dropResent | accountFlags.noManifest });
  for (const sequence of [0, 1, 0, 1, 2]) a.put({ sequence }, payload(8));
  a.put({ sequence: 4 }, payload(8));
  a.stamp();
  assert.deepEqual(a.walk(), { code: walkCodes.sequence, entries: 3, position: 5 * 72 });
  assert.deepEqual([readTotals(a.memory, at.account).dropped, readTotals(a.memory, at.account).blocks], [2, 3]);
  const b = arena();
  b.account({ flags: accountFlags.dropResent | accountFlags.noManifest });
  b.put({ kind: 2 }, payload(40));
  b.stamp();
  assert.equal(nameOfCode(b.walk().code), 'manifest');
});

test('who serves passes over what was not asked for, in bytes and in entries alike', () => {
  const a = arena();
  a.account({ partitionFrom: 0, partitionTo: 2000, counts: at.data + 65536 }, [attempt, attempt, attempt]);
  const wanted = a.put({ map: 6, partition: 101 }, payload(8));
  a.put({ map: 6, partition: 1000 }, payload(8));
  a.put({ map: 5, partition: 101 }, payload(8));
  a.put({ map: 7, partition: 101 }, payload(8));
  a.stamp();
  a.walk();
  a.fillList([0, 1, 2, 3]);
  const flags = accountFlags.dropResent | accountFlags.dropOthers;
  const only = { mapFrom: 6, mapTo: 8, flags };
  a.account(only, [attempt, attempt + 1]);
  const selected = a.kernel.select(at.entries, at.list, 0, 4, at.account, at.into, 1000);
  assert.deepEqual([selected, a.words(at.into, 1)], [{ code: walkCodes.ok, entries: 1, position: 4 }, [0]]);
  a.account({ ...only, flags: flags | accountFlags.headersOnly }, [attempt, attempt + 1]);
  a.bytes[wanted + 64]! ^= 1; // the reader's to find
  assert.deepEqual(a.walk(), { code: walkCodes.ok, entries: 1, position: a.length });
  assert.deepEqual([a.words(at.entries + 20, 1), readTotals(a.memory, at.account).dropped], [[wanted], 3]);
});

test('walk and select stop at their room and go on from there', () => {
  const a = arena();
  for (const sequence of [0, 1, 2]) a.put({ sequence }, payload(8));
  a.stamp();
  assert.deepEqual(a.walk(a.length, 2), { code: walkCodes.full, entries: 2, position: 144 });
  assert.deepEqual(a.kernel.walk(at.data + 144, 72, at.account, at.entries, 2, 1), { code: walkCodes.ok, entries: 1, position: 72 });
  a.fillList([0, 1, 2]);
  a.account();
  assert.deepEqual(a.kernel.select(at.entries, at.list, 0, 3, at.account, at.into, 150), { code: walkCodes.full, entries: 2, position: 2 });
  assert.deepEqual(a.kernel.select(at.entries, at.list, 2, 3, at.account, at.into, 150), { code: walkCodes.ok, entries: 1, position: 3 });
});

test('granules close at a partition, at 64 KiB, and around every manifest', () => {
  const a = arena();
  const sizes: [number, number][] = [
    [100, 30000],
    [100, 30000],
    [100, 8],
    [100, 30000],
    [101, 8],
    [101, 70000],
  ];
  const next = [0, 0];
  for (const [partition, bytes] of sizes) a.put({ partition, sequence: next[partition - 100]!++ }, payload(bytes));
  a.put({ kind: 2, partition: 100, map: 6 }, payload(40));
  a.stamp();
  assert.equal(a.walk().code, walkCodes.ok);
  a.fillList([0, 1, 2, 3, 4, 5, 6]);
  assert.equal(a.kernel.granules(at.entries, at.list, 7, 800, at.into, 100), 5);
  assert.equal(a.kernel.granules(at.entries, at.list, 7, 800, at.into, 4), -1);
  const all = Array.from({ length: 5 }, (_, i) => readGranule(a.view, at.into + 32 * i));
  assert.deepEqual(
    all.map(({ partition, blocks, location }) => [partition, blocks, location]),
    [
      [100, 3, noLocation],
      [100, 1, noLocation],
      [101, 1, noLocation],
      [101, 1, noLocation],
      [manifestPartition, 1, 77],
    ],
  );
  let offset = 800;
  for (const granule of all) {
    assert.equal(granule.offset, offset);
    assert.ok(granule.length <= granuleTargetBytes || granule.blocks === 1);
    offset += granule.length;
  }
  assert.equal(offset, 800 + a.length);
});

test('stamping something else than whole blocks is a mistake of the caller', () => {
  const a = arena();
  a.put({}, payload(8));
  assert.throws(() => a.kernel.stamp(at.data, 40), RangeError);
  assert.throws(() => a.kernel.stamp(at.data, 71), RangeError);
  a.view.setUint32(at.data + 8, 0xfffffff0, true);
  assert.throws(() => a.stamp(), RangeError);
});
