/**
 * Shuffle throughput: writers and readers in this process against real workers, embedded or of a running cluster, beside the
 * limit of the machine measured in the same run (limit.ts). Every byte is read back from a region, and a part once from memory. Run
 * as `npm run bench -- shuffle` or `sluice bench shuffle`; whether what was read is what was written decides the exit code.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { styleText } from 'node:util';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { connectManager, type ManagerClient } from '#manager/client.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { type CommittedCell, type Level, levels } from '#manager/protocol/control.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { KiB, MiB, maxBlockBytes, shuffleFrom } from '#manager/protocol/ids.ts';
import { type LayoutView, viewLayout } from '#manager/protocol/layout.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import { type EmbeddedCluster, startEmbedded } from '#runtime/embedded.ts';
import { Sealer } from '#runtime/shuffle/sealer.ts';
import { createWorkerClient, type WorkerClient } from '#worker/client.ts';
import { createKernel, createKernelMemory, type Kernel, kernelReservedBytes } from '#worker/kernel/kernel.ts';
import { blockBytes, blockHeaderBytes } from '#worker/protocol/block.ts';
import { createTransport } from '#worker/transport.ts';
import { verifiedRead } from '#worker/verified-read.ts';
import { type Finding, type Flags, runProgram } from './harness.ts';
import { type Limit, limitOf, measureLimit, memoryLimitOf } from './limit.ts';

const flagTable = {
  cluster: { default: '', sentence: "a running cluster's manager, its secret in SLUICE_TOKEN; empty: an embedded one" },
  blockBytes: { default: 0, sentence: 'payload of a block; 0: the curve from 100 B to 1 MiB' },
  gigabytes: { default: 0.5, sentence: 'written and read for each size of block' },
  workers: { default: 1, sentence: 'workers of the embedded cluster' },
  writers: { default: 2, sentence: 'map tasks at once' },
  readers: { default: 2, sentence: 'reduce tasks at once' },
  level: { default: 'received', sentence: 'when a writer is answered: received, written or durable' },
  codec: { default: 'none', sentence: 'none or zstd: writers compress payloads, readers decompress them' },
  json: { default: false, sentence: 'the JSON line only, no table' },
} as const;

/** Of the result; what the size of block was measured at is its own. */
const measured = [
  'MB/s',
  'writeMBps',
  'readMBps',
  'clientCpuPerGB',
  'workerCpuPerGB',
  'workerOverLimit',
  'memoryMBps',
  'memoryCpuPerGB',
  'memoryOverLimit',
  'hash',
];
const settings = ['blockBytes', 'gigabytes', 'workers', 'writers', 'readers', 'codec'];
const keys = [...measured, 'right', 'limitCpuPerGB', 'memoryLimitCpuPerGB', 'workerRssMB', 'limit', ...settings, 'curve'];

const curveSizes = [100, 1 * KiB, 4 * KiB, 16 * KiB, 64 * KiB, 256 * KiB, 1 * MiB];
/** The size a result is quoted at. */
const operatingBytes = 16 * KiB;
const arenaBytes = 128 * MiB;
/** Small enough to be read before it has to leave the arena. */
const memoryRoundBytes = 40 * MiB;
const partitions = 200;
const mapBytes = 64 * MiB;
const bufferBytes = 288 * KiB;
/** Of a location: while one is filled the others are on their way. */
const buffersPerColumn = 7;
/** A reduce task takes as many partitions as it takes to come to this. */
const readBytes = 4 * MiB;
/** Payloads are pieces of this; it compresses about as well as text does. */
const textBytes = 8 * MiB;

/** @returns the exit code */
export function shuffleBench(argv: readonly string[]): Promise<number> {
  return runProgram('sluice bench shuffle', argv, flagTable, keys, measure);
}

/** One size of block. */
interface Point {
  readonly blockBytes: number;
  readonly writeMBps: number;
  readonly readMBps: number;
  readonly 'MB/s': number;
  /** Of this process: what writers and readers take, the bench's own payloads and digests among it. */
  readonly clientCpuPerGB: number | null;
  readonly workerCpuPerGB: number | null;
  readonly workerOverLimit: number | null;
  readonly memoryMBps: number;
  readonly memoryCpuPerGB: number | null;
  readonly memoryOverLimit: number | null;
  /** Most that one worker has had resident so far. */
  readonly workerRssMB: number | null;
  readonly hash: string;
  readonly right: boolean;
}

async function measure(flags: Flags<typeof flagTable>): Promise<Finding> {
  check(flags);
  const say = progressLine();
  say('the limit of this machine');
  const limit = await measureLimit(flags.gigabytes * 1e9);
  let cluster: EmbeddedCluster | null = null;
  try {
    if (flags.cluster === '') {
      const worker = { arenaBytes };
      cluster = await startEmbedded({
        workers: flags.workers,
        executors: 0,
        dataDir: null,
        port: 0,
        worker,
        died: (name, how) => say(`${name} died: ${how}`),
      });
    }
    const stage = await openStage(cluster, flags);
    try {
      return await run(stage, flags, limit, say);
    } finally {
      await stage.close();
    }
  } finally {
    await cluster?.close(false);
  }
}

function check({ blockBytes: bytes, gigabytes, workers, writers, readers, codec, level }: Flags<typeof flagTable>): void {
  const usage = (what: string): SluiceError => new SluiceError('USAGE', { what });
  if (bytes !== 0 && !(Number.isInteger(bytes) && bytes >= 8 && bytes <= maxBlockBytes)) throw usage(`--block-bytes is 8 to ${maxBlockBytes}`);
  if (!(gigabytes > 0)) throw usage('--gigabytes is more than 0');
  for (const [flag, count] of Object.entries({ workers, writers, readers })) {
    if (!(Number.isInteger(count) && count >= 1 && count <= 64)) throw usage(`--${flag} is 1 to 64`);
  }
  if (!levels.some((one) => one === level)) throw usage('--level is received, written or durable');
  if (codec !== 'none' && codec !== 'zstd') throw usage('--codec is none or zstd');
}

/** On a terminal one line that is written over; else a line each. */
function progressLine(): (text: string) => void {
  return (text) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${styleText('dim', text)}`);
    else process.stderr.write(`${text}\n`);
  };
}

/** What all points have in common: a job on a cluster, and the workers' processes where they can be seen. */
interface Stage {
  readonly manager: ManagerClient;
  readonly job: number;
  readonly client: WorkerClient;
  readonly workers: readonly { readonly url: string; readonly pid: number | null }[];
  readonly text: Uint8Array;
  readonly zstd: boolean;
  readonly kernels: readonly Kernel[];
  close(): Promise<void>;
}

async function openStage(cluster: EmbeddedCluster | null, flags: Flags<typeof flagTable>): Promise<Stage> {
  const urls = cluster ? [cluster.url] : flags.cluster.split(',');
  const secret = cluster?.secret ?? process.env['SLUICE_TOKEN'] ?? '';
  const manager = await connectManager({ urls, token: tokenSource(secret, Date.now), clock: systemClock, random: systemRandom });
  const { job, token } = await manager.openJob({ name: 'bench shuffle', url: '', slots: 0 });
  const stop = new AbortController();
  const kept = (async () => {
    while (!stop.signal.aborted) await manager.keepJob({ job, after: Number.MAX_SAFE_INTEGER, slots: 0, waitMs: 3000 }, { signal: stop.signal });
  })().catch(() => {});
  const { workers } = await manager.status({});
  const client = createWorkerClient({ transport: createTransport(), clock: systemClock, random: systemRandom, token, name: 'bench' });
  return {
    manager,
    job,
    client,
    workers: workers.map(({ host, port, pid }) => ({ url: `http://${host}:${port}`, pid: cpuOf(pid) === null ? null : pid })),
    text: textOf(textBytes),
    zstd: flags.codec === 'zstd',
    // Room for each writer's columns, touched as used.
    kernels: Array.from({ length: flags.writers }, () =>
      createKernel(createKernelMemory(kernelReservedBytes + 2 * buffersPerColumn * blockBytes(maxBlockBytes) + 64 * bufferBytes)),
    ),
    async close() {
      client.close();
      stop.abort();
      await kept;
      await manager.closeJob({ job });
      await manager.close();
    },
  };
}

async function run(stage: Stage, flags: Flags<typeof flagTable>, limit: Limit, say: (text: string) => void): Promise<Finding> {
  const sizes = flags.blockBytes === 0 ? curveSizes : [flags.blockBytes];
  say('warming up: arenas are touched, segment files made');
  await regionRound(stage, flags, 256 * KiB);
  const curve: Point[] = [];
  // Large blocks first: the smaller they are the more memory their index takes, and a peak is not forgotten.
  for (const bytes of sizes.toReversed()) {
    say(`${sizeText(bytes)} blocks: ${curve.length + 1} of ${sizes.length}`);
    curve.unshift(await point(stage, flags, bytes, limit));
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[2K');
  const main = curve.find((one) => one.blockBytes === operatingBytes) ?? curve[0]!;
  if (!flags.json) {
    console.table(Object.fromEntries(curve.map(({ blockBytes: size, right: _right, hash: _hash, ...figures }) => [sizeText(size), figures])));
    const parts = Object.entries(limit).map(([name, value]) => `${name} ${value.toFixed(2)}`);
    console.log(`limit ${limitOf(limit).toFixed(2)} CPU-s/GB: ${parts.join(', ')}; arena ${round(arenaBytes / 1e6, 0)} MB`);
  }
  const right = curve.every((one) => one.right);
  const { gigabytes, workers, writers, readers, codec } = flags;
  return {
    right,
    result: {
      ...main,
      right,
      limitCpuPerGB: round(limitOf(limit), 3),
      memoryLimitCpuPerGB: round(memoryLimitOf(limit), 3),
      gigabytes,
      workers: flags.cluster === '' ? workers : stage.workers.length,
      writers,
      readers,
      codec,
      limit: Object.fromEntries(Object.entries(limit).map(([name, value]) => [name, round(value, 3)])),
      curve,
    },
  };
}

async function point(stage: Stage, flags: Flags<typeof flagTable>, bytes: number, limit: Limit): Promise<Point> {
  const region = await regionRound(stage, flags, bytes);
  const memory = await memoryRounds(stage, flags, bytes);
  const mbps = (volume: number, ms: number): number => round(volume / 1e3 / ms, 0);
  const perGB = (cpu: number | null, volume: number): number | null => (cpu === null ? null : round(cpu / (volume / 1e9), 3));
  const over = (cpu: number | null, volume: number, least: number): number | null => (cpu === null ? null : round(cpu / (volume / 1e9) / least, 2));
  return {
    blockBytes: bytes,
    writeMBps: mbps(region.bytes, region.writeMs),
    readMBps: mbps(region.bytes, region.readMs),
    'MB/s': mbps(region.bytes, region.writeMs + region.readMs),
    clientCpuPerGB: perGB(region.clientCpu, region.bytes),
    workerCpuPerGB: perGB(region.cpu, region.bytes),
    workerOverLimit: over(region.cpu, region.bytes, limitOf(limit)),
    memoryMBps: mbps(memory.bytes, memory.ms),
    memoryCpuPerGB: perGB(memory.cpu, memory.bytes),
    memoryOverLimit: over(memory.cpu, memory.bytes, memoryLimitOf(limit)),
    workerRssMB: peakOfAll(stage),
    hash: region.hash,
    right: region.right && memory.right,
  };
}

/** Writes all, waits until nothing is in memory any more, reads all. */
async function regionRound(stage: Stage, flags: Flags<typeof flagTable>, size: number) {
  const shape = shapeOf(flags.gigabytes * 1e9, size, mapBytes);
  const cpuBefore = cpuOfAll(stage);
  const clientBefore = process.cpuUsage();
  const writeFrom = performance.now();
  const { view, digest } = await writeAll(stage, flags, shape, size);
  const writeMs = performance.now() - writeFrom;
  await until(stage, 'sluice_worker_arena_used_bytes');
  const readFrom = performance.now();
  const found = await readAll(stage, flags, view);
  const readMs = performance.now() - readFrom;
  const cpu = spent(cpuBefore, cpuOfAll(stage));
  const { user, system } = process.cpuUsage(clientBefore);
  await release(stage, view);
  const right = digest.text === found.digest.text && found.bytes === shape.maps * shape.blocksPerMap * size;
  return { writeMs, readMs, cpu, clientCpu: (user + system) / 1e6, right, hash: found.digest.text, bytes: shape.maps * shape.blocksPerMap * size };
}

/** As much again in rounds that fit the arena, each read as soon as it is written. */
async function memoryRounds(stage: Stage, flags: Flags<typeof flagTable>, size: number) {
  let [bytes, ms, right] = [0, 0, true];
  let cpu: number | null = 0;
  const shape = shapeOf(memoryRoundBytes, size, memoryRoundBytes / flags.writers);
  const roundBytes = shape.maps * shape.blocksPerMap * size;
  for (let rounds = Math.max(1, Math.round((flags.gigabytes * 1e9) / roundBytes)); rounds > 0; rounds--) {
    const cpuBefore = cpuOfAll(stage);
    const from = performance.now();
    const { view, digest } = await writeAll(stage, flags, shape, size);
    const found = await readAll(stage, flags, view);
    ms += performance.now() - from;
    const more = spent(cpuBefore, cpuOfAll(stage));
    cpu = cpu === null || more === null ? null : cpu + more;
    bytes += roundBytes;
    right &&= digest.text === found.digest.text;
    await release(stage, view);
  }
  return { bytes, ms, cpu, right };
}

const shapeOf = (volume: number, size: number, perMap: number) => {
  const maps = Math.max(1, Math.round(volume / perMap));
  return { maps, blocksPerMap: Math.max(1, Math.ceil(volume / maps / size)) };
};
type Shape = ReturnType<typeof shapeOf>;

/** What was written, or read, in any order: a sum over blocks of who they are and of their payload's hash. */
class Digest {
  #low = 0;
  #high = 0;
  add(partition: number, map: number, records: number, hashLow: number, hashHigh: number): void {
    const who = Math.imul(partition + 1, 0x9e3779b1) ^ Math.imul(map + 1, 0x85ebca77) ^ records;
    this.#low = (this.#low + Math.imul(hashLow ^ who, 0xc2b2ae3d)) | 0;
    this.#high = (this.#high + Math.imul(hashHigh ^ Math.imul(who, 0x27d4eb2f), 0x165667b1)) | 0;
  }
  merge(other: Digest): void {
    this.#low = (this.#low + other.#low) | 0;
    this.#high = (this.#high + other.#high) | 0;
  }
  get text(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
    return hex(this.#high) + hex(this.#low);
  }
}

let runs = 0;

async function writeAll(stage: Stage, flags: Flags<typeof flagTable>, shape: Shape, size: number): Promise<{ view: LayoutView; digest: Digest }> {
  const { manager, job } = stage;
  const level = flags.level as Level;
  const bytesHint = shape.maps * shape.blocksPerMap * size;
  const spec = { maps: shape.maps, partitions, order: 0, level, deterministic: true, replicas: 1, bytesHint, schema: '' } as const;
  const layout = await manager.openShuffle({ job, name: `run ${runs++}`, spec });
  const view = viewLayout(layout);
  const digest = new Digest();
  let next = 0;
  const writer = async (kernel: Kernel): Promise<void> => {
    while (next < shape.maps) digest.merge(await writeMap(stage, kernel, view, next++, shape.blocksPerMap, size));
  };
  await Promise.all(stage.kernels.slice(0, flags.writers).map(writer));
  return { view: viewLayout(await manager.layout({ shuffle: layout.shuffle, after: -1, waitMs: 0 })), digest };
}

/** One map task: blocks to partitions in turn, a ring of buffers a location, then manifest and commit. */
async function writeMap(stage: Stage, kernel: Kernel, view: LayoutView, map: number, blocks: number, size: number): Promise<Digest> {
  const { manager, client, text, zstd } = stage;
  const { level } = view.layout.spec;
  const shuffle = shuffleFrom(view.layout.shuffle);
  const words = new Uint32Array(kernel.memory.buffer);
  const digest = new Digest();
  const room = Math.max(bufferBytes, blockBytes(size) + KiB);
  const targets = view.targets(map);
  const columns = targets.map((location, i) => {
    const { partitionFrom, partitionTo } = location;
    const from = kernelReservedBytes + i * buffersPerColumn * room;
    const sealer = new Sealer({ shuffle, map, attempt: 0, partitionFrom, partitionTo, kernel });
    sealer.begin(from, from + room);
    const target = { shuffle, map, attempt: 0, section: 0, location: location.id, partitionFrom, partitionTo, level } as const;
    return {
      location,
      sealer,
      stream: client.openWrite(location.replicas[0]!, target),
      from: Array.from({ length: buffersPerColumn }, (_, buffer) => from + buffer * room),
      sent: Array.from({ length: buffersPerColumn }, () => noPush),
      filling: 0,
    };
  });
  const push = (column: (typeof columns)[number]): Promise<void> => {
    const bytes = column.sealer.seal();
    for (let at = bytes.byteOffset / 4, end = at + bytes.length / 4; at < end; at += blockBytes(words[at + 2]!) / 4) {
      digest.add(words[at + 6]!, map, words[at + 11]!, words[at + 12]!, words[at + 13]!);
    }
    return column.stream.push(bytes);
  };
  const columnOf = new Uint8Array(partitions);
  for (const [i, { partitionFrom, partitionTo }] of targets.entries()) columnOf.fill(i, partitionFrom, partitionTo);
  for (let i = 0; i < blocks; i++) {
    const partition = (i + map * 7) % partitions;
    const at = ((i * 4099 + map * 65537) * 8) % (textBytes - size);
    const piece = text.subarray(at, at + size);
    const payload = zstd ? zstdCompressSync(piece) : piece;
    const column = columns[columnOf[partition]!]!;
    if (!column.sealer.fits(payload.length)) {
      column.sent[column.filling] = push(column);
      column.filling = (column.filling + 1) % buffersPerColumn;
      await column.sent[column.filling];
      const from = column.from[column.filling]!;
      column.sealer.begin(from, from + room);
    }
    column.sealer.add(partition, payload, 1);
  }
  const cells = await Promise.all(
    columns.map(async (column): Promise<CommittedCell> => {
      const sent = push(column);
      const manifest = column.sealer.manifest();
      await column.stream.finish(manifest);
      await sent;
      const hash = new DataView(manifest.buffer, manifest.byteOffset).getBigUint64(56, true);
      return { location: column.location.id, incarnations: [column.location.replicas[0]!.incarnation], manifestHash: hash.toString() };
    }),
  );
  await manager.commit({ shuffle: view.layout.shuffle, map, attempt: 0, cells });
  return digest;
}

const noPush: Promise<void> = Promise.resolve();

/** A few partitions at a time, as reduce tasks do. */
async function readAll(stage: Stage, flags: Flags<typeof flagTable>, view: LayoutView): Promise<{ digest: Digest; bytes: number }> {
  const { client, zstd } = stage;
  const { kernel, words } = client.receive;
  const digest = new Digest();
  const step = Math.ceil(readBytes / (view.layout.spec.bytesHint / partitions));
  let [bytes, next] = [0, 0];
  const reader = async (): Promise<void> => {
    while (next < partitions) {
      const partitionFrom = next;
      next += step;
      const range = { partitionFrom, partitionTo: Math.min(next, partitions), mapFrom: 0, mapTo: view.layout.spec.maps, ordered: false };
      for await (const batch of verifiedRead(client, view, range)) {
        batch.each((partition, map, records, payload) => {
          bytes += zstd ? zstdDecompressSync(payload).length : payload.length;
          const header = (payload.byteOffset - blockHeaderBytes) / 4;
          digest.add(partition, map, records, words[header + 12]!, words[header + 13]!);
        });
        // The digest rests on hashes that were verified; that they are the bytes' is looked at once a batch.
        const { payload } = batch.at(0);
        const stated = BigInt(words[payload.byteOffset / 4 - 4]!) | (BigInt(words[payload.byteOffset / 4 - 3]!) << 32n);
        if (kernel.hash(payload.byteOffset, (payload.length + 7) & ~7) !== stated)
          throw new SluiceError('INTERNAL', { what: 'a verified block has another hash' });
      }
    }
  };
  await Promise.all(Array.from({ length: flags.readers }, reader));
  return { digest, bytes };
}

/** Its memory and segments are free again when this settles, for the next round to use. */
async function release(stage: Stage, { layout }: LayoutView): Promise<void> {
  await stage.manager.release({ shuffle: layout.shuffle });
  if (stage.workers.some(({ pid }) => pid !== null)) await until(stage, 'sluice_worker_shuffles');
}

/** Waits until a gauge of every worker is 0; on a cluster that others use as well, some seconds. */
async function until(stage: Stage, gauge: string): Promise<void> {
  for (let waited = 0; waited < 15_000; waited += 100) {
    const texts = await Promise.all(stage.workers.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()));
    if (texts.every((text) => new RegExp(`^${gauge} 0$`, 'm').test(text))) return;
    await sleep(100);
  }
}

/** CPU-seconds of a worker on this machine; null when there is no such process. */
function cpuOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    if (!stat.includes('(sluice-worker') && !stat.includes('(node')) return null;
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return null;
  }
}

const cpuOfAll = ({ workers }: Stage): number | null => {
  const each = workers.map(({ pid }) => (pid === null ? null : cpuOf(pid)));
  return each.includes(null) ? null : (each as number[]).reduce((sum, cpu) => sum + cpu, 0);
};
const spent = (before: number | null, after: number | null): number | null => (before === null || after === null ? null : after - before);

const peakOfAll = ({ workers }: Stage): number | null => {
  const each = workers.map(({ pid }) => (pid === null ? null : peakRssMB(pid)));
  return each.includes(null) ? null : Math.max(...(each as number[]));
};

function peakRssMB(pid: number): number | null {
  try {
    const kilobytes = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kilobytes === undefined ? null : round((Number(kilobytes) * 1024) / 1e6, 0);
  } catch {
    return null;
  }
}

/** Words from a small set, in an order that does not repeat within reach. */
function textOf(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const words = Array.from({ length: 512 }, (_, i) => Buffer.from(`${((i * 2654435761) >>> 0).toString(36)} `));
  let [at, state] = [0, 1];
  while (at < length) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    const word = words[state >>> 23]!.subarray(0, length - at);
    bytes.set(word, at);
    at += word.length;
  }
  return bytes;
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits));
const sizeText = (bytes: number): string => (bytes >= MiB ? `${bytes / MiB} MiB` : bytes >= KiB ? `${bytes / KiB} KiB` : `${bytes} B`);
