// The Java codec against the TypeScript codec: it decodes what was written here, in this run, says what it saw in words,
// and writes the same bytes again from the values alone. SEED=n repeats a run. Skipped without a JDK of 17 or newer.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { blockBytes, sealBlock, verifyBlock } from '#worker/protocol/block.ts';
import { blocksFrameHeader, encodeMessage, FrameParser, type Message } from '#worker/protocol/frames.ts';
import { ManifestBuilder, readManifest } from '#worker/protocol/manifest.ts';
import { bytesOf, type GoldenName, golden, hexOf } from '../golden/golden.ts';
import { anyBlock, anyMessage, shuffle, u32, u64 } from '../golden/values.ts';

const sources = fileURLToPath(new URL('../../plugins/jvm-client/src', import.meta.url));

/** B a block, M a block with a manifest, F a frame; X and Y a block and a frame with one bit turned. */
interface Item {
  readonly letter: 'B' | 'M' | 'F' | 'X' | 'Y';
  readonly bytes: Uint8Array;
}

function randomItems(seed: number): Item[] {
  const items: Item[] = [];
  for (const { header, payload } of fc.sample(anyBlock, { seed, numRuns: 10_000 })) {
    const bytes = new Uint8Array(blockBytes(payload.length));
    sealBlock(bytes, 0, header, payload);
    items.push({ letter: 'B', bytes });
  }
  const fed = fc.record({
    of: fc.record({ shuffle, map: u32, attempt: u32, section: u32 }),
    from: fc.nat(100_000),
    range: fc.integer({ min: 1, max: 2000 }),
    blocks: fc.array(fc.tuple(fc.nat(), fc.nat(1 << 24), u32, u32, u32), { maxLength: 300, size: 'max' }),
  });
  for (const { of, from, range, blocks } of fc.sample(fed, { seed, numRuns: 200 })) {
    const builder = new ManifestBuilder(from, from + range);
    for (const [place, payloadBytes, records, low, high] of blocks) builder.add(from + (place % range), payloadBytes, records, low, high);
    items.push({ letter: 'M', bytes: builder.seal(of) });
  }
  for (const message of fc.sample(anyMessage, { seed, numRuns: 2_000 })) items.push({ letter: 'F', bytes: encodeMessage(message) });
  const bodies = fc.sample(fc.tuple(u32, fc.array(u64, { maxLength: 40 })), { seed, numRuns: 200 });
  for (const [stream, words] of bodies) {
    const body = Buffer.from(BigUint64Array.from(words).buffer);
    items.push({ letter: 'F', bytes: Buffer.concat([blocksFrameHeader(stream, body.length), body]) });
  }
  const places = fc.sample(fc.nat(), { seed, numRuns: 1_000 });
  for (const [i, place] of places.entries()) {
    const { letter, bytes } = items[(i * 11) % items.length]!;
    const damaged = Uint8Array.from(bytes);
    damaged[place % bytes.length]! ^= 1 << (i & 7);
    // The check of a frame of blocks covers its header only: the blocks have hashes of their own.
    if (letter !== 'F' || bytes[4] !== 4) items.push({ letter: letter === 'F' ? 'Y' : 'X', bytes: damaged });
  }
  return items;
}

const goldenItems = (): Item[] => {
  const of = (name: GoldenName, letter: Item['letter']): Item[] => golden(name).map(({ hex }) => ({ letter, bytes: bytesOf(hex) }));
  return [...of('block', 'B'), ...of('manifest', 'M'), ...of('frames', 'F')];
};

const packed = (items: readonly Item[]): Uint8Array =>
  Buffer.concat(
    items.flatMap(({ letter, bytes }) => {
      const head = Buffer.from([letter.charCodeAt(0), 0, 0, 0, 0]);
      head.writeUInt32BE(bytes.length, 1);
      return [head, bytes];
    }),
  );

function unpacked(bytes: Buffer): Item[] {
  const items: Item[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 1);
    items.push({ letter: String.fromCharCode(bytes[at]!) as Item['letter'], bytes: Uint8Array.from(bytes.subarray(at + 5, at + 5 + length)) });
    at += 5 + length;
  }
  return items;
}

/** What an item says, in the words the Java side uses; read with the TypeScript codec. */
function inWords({ letter, bytes }: Item): string {
  if (letter === 'F') return frameInWords(bytes);
  if (letter === 'Y') return 'corrupt';
  const read = verifyBlock(bytes, 0);
  if (letter === 'X') return read.kind === 'corrupt' ? read.fault : 'whole';
  assert.ok(read.kind === 'block');
  const words: unknown[] = ['block', ...Object.values(ordered(read.header)), read.payloadHash, read.headerHash];
  if (letter === 'M') {
    const stated = readManifest(read.payload);
    assert.ok(stated.kind === 'manifest');
    const { partitionFrom, partitionTo, blocks, records, payloadBytes, sum } = stated.manifest;
    const counts: string[] = [];
    stated.manifest.each((partition, count, bytesAtMost) => counts.push(`${partition}:${count}:${bytesAtMost}`));
    words.push('manifest', partitionFrom, partitionTo, blocks, records, payloadBytes, sum, counts.join(','));
  }
  return words.join(' ');
}

const ordered = (header: Parameters<typeof sealBlock>[2]): object => {
  const { kind, codec, flags, tag, payloadLength, rawLength, shuffle, partition, map, attempt, section, sequence, records } = header;
  return { kind, codec, flags, tag, payloadLength, rawLength, shuffle, partition, map, attempt, section, sequence, records };
};

function frameInWords(bytes: Uint8Array): string {
  let words = '';
  const say = (value: unknown): unknown => {
    if (value instanceof Uint8Array) return hexOf(value);
    return Array.isArray(value) ? value.join(',') : value;
  };
  new FrameParser().push(bytes, {
    message: (message: Message) => {
      const values = Object.entries(message).filter(([name]) => name !== 'type' && name !== 'stream');
      const said = values.map(([name, value]) => say(name === 'text' ? Buffer.from(value as string) : value));
      words = [message.type, ...said, message.stream].join(' ');
    },
    beginBlocks: (_, bodyLength) => new Uint8Array(bodyLength),
    endBlocks: (stream, target) => {
      words = `blocks ${hexOf(target)} ${stream}`;
    },
  });
  return words;
}

const version = /(\d+)/.exec(spawnSync('javac', ['-version'], { encoding: 'utf8' }).stdout ?? '')?.[1];
const skip = Number(version ?? 0) >= 17 ? false : 'no JDK 17 here';

test('Java decodes what TypeScript wrote and writes it back byte for byte', { skip }, (t) => {
  const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31));
  t.diagnostic(`SEED=${seed}`);
  const folder = mkdtempSync(join(tmpdir(), 'codec-'));
  try {
    const run = (program: string, args: string[]): void => {
      const { status, stderr, stdout } = spawnSync(program, args, { encoding: 'utf8', cwd: folder });
      assert.equal(status, 0, `${program} (SEED=${seed}): ${stderr}${stdout}`);
    };
    const files = readdirSync(sources, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.java'));
    run('javac', ['--release', '17', '-Xlint:all', '-Werror', '-d', 'classes', ...files.map((file) => join(sources, file))]);
    const items = [...goldenItems(), ...randomItems(seed)];
    writeFileSync(join(folder, 'written'), packed(items));
    run('java', ['-XX:TieredStopAtLevel=1', '-Xshare:auto', '-cp', 'classes', 'sluice.codec.Exchange', 'written', 'back', 'words']);
    const back = unpacked(readFileSync(join(folder, 'back')));
    const words = readFileSync(join(folder, 'words'), 'utf8').split('\n');
    assert.equal(back.length, items.length);
    for (const [i, item] of items.entries()) {
      assert.equal(hexOf(back[i]!.bytes), hexOf(item.bytes), `item ${i} of SEED=${seed}`);
      assert.equal(words[i], inWords(back[i]!), `item ${i} of SEED=${seed}`);
    }
    t.diagnostic(`${items.length} items exchanged`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
