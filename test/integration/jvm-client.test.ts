/**
 * The JVM client over real workers and a real manager: what one language writes the other reads, cut wires, damage on the wire, dead and
 * stopped workers with and without a replica, and each bad input with its code and remedy. SEED=n repeats a run. Skipped without a
 * JDK of 17 or newer.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connectManager, type ManagerClient } from '#manager/client.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { silent } from '#manager/process/ports.ts';
import { type ErrorCode, errors, SluiceError } from '#manager/protocol/errors.ts';
import { MiB } from '#manager/protocol/ids.ts';
import { type LayoutView, viewLayout } from '#manager/protocol/layout.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import { type EmbeddedCluster, startEmbedded } from '#runtime/embedded.ts';
import { createRemoteShuffle } from '#runtime/shuffle/remote.ts';
import type { ShuffleDriver, ShuffleHandle } from '#runtime/shuffle/spi.ts';
import { createTransport } from '#worker/transport.ts';
import { content, Front, noJava, type Passing, straight, Tool, Wire } from './jvm-client.ts';

const skip = noJava;
const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31));

interface World {
  readonly cluster: EmbeddedCluster;
  readonly manager: ManagerClient;
  readonly tool: Tool;
  readonly job: number;
  readonly token: string;
  readonly driver: ShuffleDriver;
}

async function open(workers: number, worker: Readonly<Record<string, unknown>> = {}): Promise<World> {
  const tool = new Tool();
  const cluster = await startEmbedded({ workers, executors: 0, dataDir: null, port: 0, worker, died: () => {} });
  const ports = { clock: systemClock, random: systemRandom };
  const manager = await connectManager({ urls: [cluster.url], token: tokenSource(cluster.secret, Date.now), ...ports });
  const [job, token] = (await tool.ask(`job ${cluster.url} ${cluster.secret}`)).split(' ') as [string, string];
  await tool.ask(`open ${cluster.url} ${job} ${token}`);
  const driver = createRemoteShuffle({ manager, transport: createTransport(), ...ports, log: silent, job: Number(job), token });
  return { cluster, manager, tool, job: Number(job), token, driver };
}

async function close({ cluster, manager, tool, driver }: World): Promise<void> {
  await tool.close();
  await driver.close();
  await manager.close();
  await cluster.close(false);
}

interface Spec {
  readonly maps: number;
  readonly partitions: number;
  readonly replicas?: number;
  /** 1: cut by map. */
  readonly order?: number;
  readonly level?: string;
}
let names = 0;
const resolve = (tool: Tool, { maps, partitions, replicas = 1, order = 0, level = 'received' }: Spec, name = `s${names++}`): Promise<string> =>
  tool.ask(`resolve ${name} 0 ${maps} ${partitions} ${replicas} ${order} ${level}`);

const won = (maps: number): string => Array(maps).fill('won').join(' ');

/** What a read of all of it answers, by this side's account. */
function expected(size: number, [mapFrom, mapTo]: readonly [number, number], [from, to]: readonly [number, number], of = seed): string {
  let [blocks, bytes] = [0, 0];
  for (let map = mapFrom; map < mapTo; map++)
    for (let partition = from; partition < to; partition++)
      for (const payload of content(of, size, map, partition)) {
        blocks++;
        bytes += payload.length;
      }
  return `${blocks} ${bytes}`;
}

async function writeHere(driver: ShuffleDriver, handle: ShuffleHandle, size: number): Promise<void> {
  for (let map = 0; map < handle.maps; map++) await writeMapHere(driver, handle, map, size);
}

async function writeMapHere(driver: ShuffleDriver, handle: ShuffleHandle, map: number, size: number): Promise<void> {
  const writer = await driver.createWriter(handle, map, 1);
  for (let partition = 0; partition < handle.partitions; partition++)
    for (const payload of content(seed, size, map, partition)) await writer.write(partition, payload, payload.length % 7);
  assert.ok((await writer.commit()).won);
}

async function readHere(driver: ShuffleDriver, handle: ShuffleHandle, size: number): Promise<string> {
  const range = { mapFrom: 0, mapTo: handle.maps, partitionFrom: 0, partitionTo: handle.partitions, ordered: false };
  const all = Array.from({ length: handle.maps * handle.partitions }, (_, i) =>
    content(seed, size, Math.floor(i / handle.partitions), i % handle.partitions),
  );
  let [blocks, bytes] = [0, 0];
  for await (const { map, partition, records, payload } of driver.createReader(handle, range)) {
    const { value } = all[map * handle.partitions + partition]!.next();
    assert.ok(value && Buffer.compare(value, payload) === 0, `map ${map}, partition ${partition}`);
    assert.equal(records, payload.length % 7);
    blocks++;
    bytes += payload.length;
  }
  return `${blocks} ${bytes}`;
}

const viewOf = async ({ manager }: World, shuffle: string): Promise<LayoutView> =>
  viewLayout(await manager.layout({ shuffle, after: -1, waitMs: 0 }));

/** Worker processes by the incarnation that layouts name. */
async function pidsOf({ manager }: World): Promise<Map<string, number>> {
  const { workers } = await manager.status({});
  return new Map(workers.map(({ incarnation, pid }) => [incarnation, pid]));
}
async function portsOf({ manager }: World): Promise<number[]> {
  const { workers } = await manager.status({});
  return workers.map(({ port }) => port);
}

let shared: World;
before(async () => {
  if (!skip) shared = await open(2);
});
after(async () => {
  if (!skip) await close(shared);
});

test('the table of errors is the one of the protocol', { skip }, async () => {
  const rows = (await shared.tool.ask('errors')).split('~').filter((row) => row !== '');
  const codes = new Set<string>();
  for (const row of rows) {
    const [code, remedy, wire, text] = row.split('|') as [ErrorCode, string, string, string];
    assert.deepEqual([remedy.toLowerCase(), Number(wire), text], [errors[code].remedy, errors[code].wire, errors[code].text], code);
    codes.add(code);
  }
  for (const [code, { wire }] of Object.entries(errors)) if (wire > 0) assert.ok(codes.has(code), code);
  // What a manager or a worker raises on a call of a client's, wherever it is written.
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const raised = ['shuffle-manager', 'shuffle-worker'].flatMap((folder) =>
    readdirSync(root + folder)
      .filter((name) => /^(manager|ledger|cells|session|worker|write-stream|read-stream|credits|transport)\.ts$/.test(name))
      .flatMap((name) => [...readFileSync(`${root}${folder}/${name}`, 'utf8').matchAll(/new SluiceError\(\s*'(\w+)'/g)].map((match) => match[1]!)),
  );
  assert.ok(raised.length > 20);
  const notOurs = new Set(['WORKER_REFUSED', 'JOURNAL_CORRUPT', 'WORKER_UNKNOWN', 'JOB_NOT_RESUMABLE', 'CONFIG_INVALID']);
  for (const code of raised) assert.ok(codes.has(code) || notOurs.has(code), code);
});

for (const replicas of [1, 2]) {
  test(`TypeScript writes and Java reads, and back, with ${replicas} replica(s)`, { skip }, async (t) => {
    t.diagnostic(`SEED=${seed}`);
    const { tool, driver } = shared;
    for (const { size, maps, partitions } of [
      { size: 4000, maps: 9, partitions: 23 },
      { size: 40, maps: 80, partitions: 70 },
      { size: 3_000_000, maps: 2, partitions: 2 },
    ]) {
      const [ours, theirs] = [await resolve(tool, { maps, partitions, replicas }), await resolve(tool, { maps, partitions, replicas })];
      const handle = (id: string): ShuffleHandle => ({ driver: 'remote', id, maps, partitions });
      await writeHere(driver, handle(ours), size);
      assert.equal(await tool.ask(`write ${theirs} ${seed} ${size} 0 ${maps} 7`), won(maps));
      const all = expected(size, [0, maps], [0, partitions]);
      for (const id of [ours, theirs]) {
        assert.equal(await tool.ask(`read ${id} ${seed} ${size} 0 ${maps} 0 ${partitions} 50000000 0`), all);
        assert.equal(await readHere(driver, handle(id), size), all);
        // Another attempt is told who has won, and that is no failure.
        assert.equal(await tool.ask(`write ${id} ${seed} ${size} 1 2 8`), `lost:${id === ours ? 1 : 7}`);
      }
    }
  });
}

test('of maps that each lack another replica all is read, on both sides', { skip }, async () => {
  const { manager, tool, driver, job, token } = shared;
  const shuffle = await resolve(tool, { maps: 4, partitions: 3, replicas: 2 });
  const ports = await portsOf(shared);
  const handle: ShuffleHandle = { driver: 'remote', id: shuffle, maps: 4, partitions: 3 };
  for (const [at, away] of ports.entries()) {
    // Never reaches one of the two workers.
    const inner = createTransport();
    const transport = {
      connect: (to: Parameters<typeof inner.connect>[0], ...more: [Parameters<typeof inner.connect>[1], Parameters<typeof inner.connect>[2]]) =>
        to.port === away ? Promise.reject(new SluiceError('CONNECTION_LOST', { what: 'not from here' })) : inner.connect(to, ...more),
    };
    const half = createRemoteShuffle({ manager, transport, clock: systemClock, random: systemRandom, log: silent, job, token });
    for (let map = at; map < handle.maps; map += 2) await writeMapHere(half, handle, map, 700);
    await half.close();
  }
  const { layout } = await viewOf(shared, handle.id);
  assert.equal(layout.winners.lacking?.length, 4);
  const all = expected(700, [0, 4], [0, 3]);
  assert.equal(await readHere(driver, handle, 700), all);
  assert.equal(await tool.ask(`read ${handle.id} ${seed} 700 0 4 0 3 1000000 0`), all);
});

test('any rectangle is read, in little memory too', { skip }, async () => {
  const { tool } = shared;
  const [size, maps, partitions] = [600, 60, 90];
  const shuffle = await resolve(tool, { maps, partitions });
  await tool.ask(`write ${shuffle} ${seed} ${size} 0 ${maps} 1`);
  const dice = (most: number): number => randomInt(most + 1);
  for (let i = 0; i < 10; i++) {
    const ms = [dice(maps), dice(maps)].sort((a, b) => a - b) as [number, number];
    const ps = [dice(partitions), dice(partitions)].sort((a, b) => a - b) as [number, number];
    const bytes = i % 2 === 0 ? 50_000_000 : 1;
    const command = `read ${shuffle} ${seed} ${size} ${ms.join(' ')} ${ps.join(' ')} ${bytes} 0`;
    assert.equal(await tool.ask(command), expected(size, ms, ps), command);
  }
});

test('blocks larger than a frame, up to the largest', { skip }, async () => {
  const { tool } = shared;
  const shuffle = await resolve(tool, { maps: 1, partitions: 2, replicas: 2 });
  await tool.ask(`write ${shuffle} ${seed} ${16 * MiB} 0 1 1`);
  assert.equal(await tool.ask(`read ${shuffle} ${seed} ${16 * MiB} 0 1 0 2 1 0`), expected(16 * MiB, [0, 1], [0, 2]));
});

test('two jobs with the same names have shuffles of their own', { skip }, async () => {
  const other = new Tool();
  try {
    const { cluster, tool } = shared;
    const [job, token] = (await other.ask(`job ${cluster.url} ${cluster.secret}`)).split(' ');
    await other.ask(`open ${cluster.url} ${job} ${token}`);
    const spec = { maps: 4, partitions: 5 };
    const [a, b] = [await resolve(tool, spec, 'the-same'), await resolve(other, spec, 'the-same')];
    assert.notEqual(a, b);
    await tool.ask(`write ${a} 1 500 0 4 1`);
    await other.ask(`write ${b} 2 500 0 4 1`);
    assert.equal(await tool.ask(`read ${a} 1 500 0 4 0 5 1000000 0`), expected(500, [0, 4], [0, 5], 1));
    assert.equal(await other.ask(`read ${b} 2 500 0 4 0 5 1000000 0`), expected(500, [0, 4], [0, 5], 2));
    // Nobody reads another's with his own token.
    const refused = await other.fails(`read ${a} 1 500 0 4 0 5 1000000 0`);
    assert.deepEqual([refused.code, refused.remedy], ['UNAUTHORIZED', 'FAIL']);
    await other.ask('endJob');
    // Its client has the layout and may read on until the workers have heard of the end.
    const gone = await other.failsInTheEnd(`read ${b} 2 500 0 4 0 5 1000000 0`);
    assert.ok(gone.remedy === 'FAIL' && /RELEASED|UNAUTHORIZED|UNKNOWN/.test(gone.code), gone.message);
  } finally {
    await other.close();
  }
});

test('a job token is used, checked and not closed', { skip }, async () => {
  const { cluster, manager, token, job } = shared;
  const other = new Tool();
  try {
    assert.equal(await other.ask(`job ${cluster.url} ${token} names-`), `${job} ${token}`);
    await other.ask('endJob');
    assert.ok((await manager.status({})).jobs.some((one) => one.job === job));
    const wrong = await other.fails(`job ${cluster.url} ${token.slice(0, -4)}AAAA`);
    assert.deepEqual([wrong.code, wrong.remedy], ['UNAUTHORIZED', 'FAIL']);
    assert.match(wrong.message, /--token-file or SLUICE_TOKEN/);
    const secret = await other.fails(`job ${cluster.url} no-secret-of-theirs`);
    assert.equal(secret.code, 'UNAUTHORIZED');
    const nobody = await other.fails(`job http://127.0.0.1:1 ${cluster.secret}`);
    assert.deepEqual([nobody.code, nobody.remedy], ['CLUSTER_UNREACHABLE', 'FAIL']);
    assert.match(nobody.message, /sluice up/);
    // The second of two managers answers.
    assert.match(await other.ask(`job http://127.0.0.1:1,${cluster.url} ${cluster.secret}`), /^\d+ v1\.job/);
  } finally {
    await other.close();
  }
});

/** A world seen through a front and a wire per worker. */
async function through(
  world: World,
  up: () => Passing,
  down: () => Passing,
): Promise<{ tool: Tool; front: Front; wires: Wire[]; close: () => Promise<void> }> {
  const front = await new Front(world.cluster.url).open();
  const wires: Wire[] = [];
  for (const port of await portsOf(world)) {
    const wire = await new Wire(port, up, down).open();
    front.through(port, wire.port);
    wires.push(wire);
  }
  const tool = new Tool();
  await tool.ask(`open ${front.url} ${world.job} ${world.token}`);
  return {
    tool,
    front,
    wires,
    async close() {
      await tool.close();
      for (const wire of wires) wire.close();
      front.close();
    },
  };
}

test('small output is one round trip to write and one to read, and a layout is asked for once', { skip }, async () => {
  // Of each connection: what has gone up when the worker first says something behind its 101, and in the end.
  const counts: { up: number; atFirstWord: number; isOpen: boolean }[] = [];
  const count = { up: 0, atFirstWord: -1, isOpen: false };
  const up = (): Passing => {
    const own = { ...count };
    counts.push(own);
    return (bytes) => {
      if (own.isOpen) own.up += bytes.length;
      return bytes;
    };
  };
  const down = (): Passing => {
    const own = counts.at(-1)!;
    return (bytes) => {
      if (own.isOpen && own.atFirstWord < 0) own.atFirstWord = own.up;
      own.isOpen = true;
      return bytes;
    };
  };
  const [size, maps, partitions] = [100, 20, 90];
  const written = await through(shared, up, down);
  let shuffle = '';
  try {
    shuffle = await resolve(written.tool, { maps: 1, partitions, replicas: 2 });
    assert.equal(await written.tool.ask(`write ${shuffle} ${seed} ${size} 0 1 1`), 'won');
    assert.equal(counts.length, 2);
    for (const { up: all, atFirstWord } of counts) assert.ok(all > 5000 && atFirstWord === all, `${atFirstWord} of ${all} bytes`);
    assert.deepEqual(written.front.calls, ['/v1/shuffles/resolve', '/v1/shuffles/commit']);
  } finally {
    await written.close();
  }
  counts.length = 0;
  const many = await resolve(shared.tool, { maps, partitions });
  await shared.tool.ask(`write ${many} ${seed} ${size} 0 ${maps} 1`);
  const read = await through(shared, up, down);
  try {
    for (let from = 0; from < partitions; from += 30) {
      const all = expected(size, [0, maps], [from, from + 30]);
      assert.equal(await read.tool.ask(`read ${many} ${seed} ${size} 0 ${maps} ${from} ${from + 30} 50000000 0`), all);
      if (from === 0) for (const { up: sent, atFirstWord } of counts) assert.ok(sent > 0 && atFirstWord === sent, `${atFirstWord} of ${sent} bytes`);
    }
    assert.ok(counts.length > 0);
    assert.deepEqual(read.front.calls, ['/v1/shuffles/layout']);
  } finally {
    await read.close();
  }
});

/** Cuts a connection behind every so many bytes. */
const cutting = (least: number, most: number) => (): Passing => {
  let left = randomInt(least, most);
  return (bytes, cut) => {
    left -= bytes.length;
    if (left < 0) cut();
    return left < 0 ? bytes.subarray(0, Math.max(0, bytes.length + left)) : bytes;
  };
};

test('a cut wire: writers go on where the worker is, readers where they were', { skip }, async () => {
  const up = await through(shared, cutting(200_000, 900_000), () => straight);
  const [size, maps, partitions] = [30_000, 6, 80];
  let shuffle = '';
  try {
    shuffle = await resolve(up.tool, { maps, partitions, replicas: 2 });
    assert.equal(await up.tool.ask(`write ${shuffle} ${seed} ${size} 0 ${maps} 1`), won(maps));
    const connections = up.wires.reduce((sum, wire) => sum + wire.connections, 0);
    assert.ok(connections > 8, `${connections} connections`);
  } finally {
    await up.close();
  }
  const all = expected(size, [0, maps], [0, partitions]);
  assert.equal(await shared.tool.ask(`read ${shuffle} ${seed} ${size} 0 ${maps} 0 ${partitions} 50000000 0`), all);
  const down = await through(shared, () => straight, cutting(200_000, 3_000_000));
  try {
    assert.equal(await down.tool.ask(`read ${shuffle} ${seed} ${size} 0 ${maps} 0 ${partitions} 50000000 0`), all);
    assert.ok(down.wires.some((wire) => wire.connections > 2));
  } finally {
    await down.close();
  }
});

/** Turns one bit of each connection, the first `harms` of them, somewhere behind its beginning. */
const harming = (harms: { left: number }) => (): Passing => {
  let at = randomInt(20_000, 400_000);
  return (bytes) => {
    if (at >= 0 && at < bytes.length && harms.left > 0) {
      harms.left--;
      const harmed = Buffer.from(bytes);
      harmed[at]! ^= 1 << randomInt(8);
      at = -1;
      return harmed;
    }
    if (at >= 0) at -= bytes.length;
    return bytes;
  };
};

test('a damaged wire: what was harmed is sent again, and all that is read was written', { skip }, async () => {
  const [size, maps, partitions] = [20_000, 8, 60];
  for (const way of ['up', 'down'] as const) {
    const harms = { left: 2 };
    const wire = harming(harms);
    const world = await through(shared, way === 'up' ? wire : () => straight, way === 'down' ? wire : () => straight);
    try {
      const shuffle = await resolve(world.tool, { maps, partitions, replicas: 2 });
      assert.equal(await world.tool.ask(`write ${shuffle} ${seed} ${size} 0 ${maps} 1`), won(maps));
      const all = expected(size, [0, maps], [0, partitions]);
      assert.equal(await world.tool.ask(`read ${shuffle} ${seed} ${size} 0 ${maps} 0 ${partitions} 50000000 0`), all);
      assert.ok(harms.left < 2, `${way}: nothing was harmed`);
    } finally {
      await world.close();
    }
  }
});

/** Turns a bit of the first block's payload of every BLOCKS frame, so that no look helps. */
function spoiling(): Passing {
  let head = Buffer.alloc(0);
  let isOpen = false;
  let left = 0;
  return (bytes) => {
    const all = Buffer.concat([head, bytes]);
    let at = 0;
    if (!isOpen) {
      const end = all.indexOf('\r\n\r\n');
      assert.ok(end > 0);
      isOpen = true;
      at = end + 4;
    }
    for (;;) {
      const skipped = Math.min(left, all.length - at);
      at += skipped;
      left -= skipped;
      // A header is passed on with as much of its frame as shows the first payload.
      if (left > 0 || all.length - at < 16) break;
      const isBlocks = all[at + 4] === 4;
      if (isBlocks && all.length - at < 16 + 72) break;
      if (isBlocks) all[at + 16 + 64]! ^= 1;
      left = 16 + all.readUInt32LE(at);
    }
    head = all.subarray(at);
    return all.subarray(0, at);
  };
}

test('blocks that stay corrupt: the maps are lost, vacant and named', { skip }, async () => {
  const world = await through(shared, () => straight, spoiling);
  const [size, maps, partitions] = [200, 6, 3];
  try {
    const shuffle = await resolve(shared.tool, { maps, partitions });
    await shared.tool.ask(`write ${shuffle} ${seed} ${size} 0 ${maps} 1`);
    const lost = await world.tool.fails(`read ${shuffle} ${seed} ${size} 0 ${maps} 0 ${partitions} 1000000 0`);
    assert.deepEqual([lost.code, lost.remedy], ['MISSING', 'RECOMPUTE']);
    assert.ok(lost.maps.length > 0 && lost.maps.length < maps, lost.message);
    assert.deepEqual((await viewOf(shared, shuffle)).vacant(), lost.maps);
    // They are written again, the others keep their winner.
    for (const map of lost.maps) assert.equal(await shared.tool.ask(`write ${shuffle} ${seed} ${size} ${map} ${map + 1} 2`), 'won');
    const all = expected(size, [0, maps], [0, partitions]);
    assert.equal(await shared.tool.ask(`read ${shuffle} ${seed} ${size} 0 ${maps} 0 ${partitions} 1000000 0`), all);
  } finally {
    await world.close();
  }
});

test('a worker refuses a token the manager has let pass', { skip }, async () => {
  const world = await through(
    shared,
    () => straight,
    () => straight,
  );
  try {
    const shuffle = await resolve(shared.tool, { maps: 2, partitions: 2 });
    await shared.tool.ask(`write ${shuffle} ${seed} 100 0 2 1`);
    const minted = await shared.manager.mintToken({ name: 'another', expiresMs: 60_000 });
    world.front.token = shared.token;
    await world.tool.ask(`open ${world.front.url} ${shared.job} ${minted.token}`);
    for (const command of [`read ${shuffle} ${seed} 100 0 2 0 2 1000000 0`, `write ${shuffle} ${seed} 100 0 1 2`]) {
      // The second finds the map committed; a fresh shuffle has to be written.
      const fresh = command.startsWith('write') ? await resolve(shared.tool, { maps: 1, partitions: 2 }) : shuffle;
      const refused = await world.tool.fails(command.replace(shuffle, fresh));
      assert.deepEqual([refused.code, refused.remedy], ['UNAUTHORIZED', 'FAIL']);
    }
  } finally {
    await world.close();
  }
});

/** Something that answers every request alike. */
async function answering(status: string, headers: string, body: string): Promise<{ port: number; server: Server }> {
  const server = createServer();
  server.on('upgrade', (_request, socket) => socket.end(`HTTP/1.1 ${status}\r\n${headers}content-length: ${body.length}\r\n\r\n${body}`));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { port: (server.address() as AddressInfo).port, server };
}

test('another protocol version is refused on both planes', { skip }, async () => {
  const welcome = 'sluice-version: 9\r\nsluice-max-block-bytes: 1000\r\nsluice-idle-grant-bytes: 1000\r\n';
  const refusal = JSON.stringify({ code: 'VERSION_UNSUPPORTED', message: '', facts: { theirs: 1, ours: 9 } });
  const newer = await answering('101 Switching Protocols', welcome, '');
  const refusing = await answering('426 Refused', '', refusal);
  const world = await through(
    shared,
    () => straight,
    () => straight,
  );
  try {
    const shuffle = await resolve(shared.tool, { maps: 1, partitions: 1 });
    for (const { port } of [newer, refusing]) {
      world.front.replaced.length = 0;
      for (const real of await portsOf(shared)) world.front.through(real, port);
      await world.tool.ask(`open ${world.front.url} ${shared.job} ${shared.token}`);
      const refused = await world.tool.fails(`write ${shuffle} ${seed} 100 0 1 1`);
      assert.deepEqual([refused.code, refused.remedy], ['VERSION_UNSUPPORTED', 'FAIL']);
      assert.match(refused.message, /9/);
    }
    world.front.replaced.push(['"protocol":1', '"protocol":9']);
    const refused = await world.tool.fails(`job ${world.front.url} ${shared.cluster.secret}`);
    assert.deepEqual([refused.code, refused.remedy], ['VERSION_UNSUPPORTED', 'FAIL']);
  } finally {
    await world.close();
    newer.server.close();
    refusing.server.close();
  }
});

test('a worker is killed: a replica serves; without one exactly its maps are lost', { skip }, async () => {
  const world = await open(2);
  try {
    const { tool } = world;
    const [size, maps, partitions] = [2000, 60, 80];
    const twice = await resolve(tool, { maps, partitions, replicas: 2 });
    const once = await resolve(tool, { maps, partitions, order: 1 });
    for (const shuffle of [twice, once]) assert.equal(await tool.ask(`write ${shuffle} ${seed} ${size} 0 ${maps} 1`), won(maps));
    const view = await viewOf(world, once);
    const victim = view.holders(7)![0]!.location.replicas[0]!.incarnation;
    const held = Array.from({ length: maps }, (_, map) => map).filter((map) =>
      view.holders(map)!.some(({ location }) => location.replicas[0]!.incarnation === victim),
    );
    assert.ok(held.length > 0 && held.length < maps);
    const all = expected(size, [0, maps], [0, partitions]);
    const reading = `read ${twice} ${seed} ${size} 0 ${maps} 0 ${partitions} 300000 1`;
    tool.send(reading);
    assert.equal(await tool.line(), 'begun');
    process.kill((await pidsOf(world)).get(victim)!, 'SIGKILL');
    assert.equal(await tool.answer(reading), all);
    const lost = await tool.fails(`read ${once} ${seed} ${size} 0 ${maps} 0 ${partitions} 50000000 0`);
    assert.deepEqual([lost.code, lost.remedy, lost.maps], ['MISSING', 'RECOMPUTE', held]);
    assert.deepEqual((await viewOf(world, once)).vacant(), held);
    // Their attempts go elsewhere, and committed ones stay.
    for (const map of held) assert.equal(await tool.ask(`write ${once} ${seed} ${size} ${map} ${map + 1} 2`), 'won');
    assert.equal(await tool.ask(`read ${once} ${seed} ${size} 0 ${maps} 0 ${partitions} 50000000 0`), all);
    // A new shuffle goes to who is there; one that was placed before is written after a failed attempt.
    const later = await resolve(tool, { maps: 3, partitions: 4, replicas: 2 });
    assert.equal(await tool.ask(`write ${later} ${seed} 100 0 3 1`), won(3));
  } finally {
    await close(world);
  }
});

test('a worker is killed while an attempt writes: the attempt fails with RETRY, and the next goes elsewhere', { skip }, async () => {
  const world = await open(2);
  try {
    const { tool } = world;
    const shuffle = await resolve(tool, { maps: 2, partitions: 3 });
    // The location is known and connected.
    assert.equal(await tool.ask(`write ${shuffle} ${seed} 100 0 1 1`), 'won');
    const victim = (await viewOf(world, shuffle)).holders(0)![0]!.location.replicas[0]!.incarnation;
    process.kill((await pidsOf(world)).get(victim)!, 'SIGKILL');
    const failed = await tool.fails(`write ${shuffle} ${seed} 100 1 2 1`);
    assert.deepEqual([failed.code, failed.remedy], ['CONNECTION_LOST', 'RETRY']);
    assert.equal(await tool.ask(`write ${shuffle} ${seed} 100 1 2 2`), 'won');
    assert.notEqual((await viewOf(world, shuffle)).holders(1)![0]!.location.replicas[0]!.incarnation, victim);
  } finally {
    await close(world);
  }
});

test('a stopped worker: a waiting task is interrupted at once, a replica is read after the silence, and it may come back', { skip }, async () => {
  const world = await open(2);
  try {
    const { tool } = world;
    const [size, maps, partitions] = [2000, 10, 10];
    const twice = await resolve(tool, { maps, partitions, replicas: 2 });
    await tool.ask(`write ${twice} ${seed} ${size} 0 ${maps} 1`);
    const first = (await viewOf(world, twice)).holders(0)![0]!.location.replicas[0]!.incarnation;
    const pid = (await pidsOf(world)).get(first)!;
    process.kill(pid, 'SIGSTOP');
    try {
      const read = `${twice} ${seed} ${size} 0 ${maps} 0 ${partitions} 1000000 0`;
      assert.equal(await tool.ask(`interrupt ${read}`), 'interrupted');
      assert.equal(await tool.ask(`read ${read}`), expected(size, [0, maps], [0, partitions]));
      process.kill(pid, 'SIGCONT');
      // The connection that an interrupted task had used serves others.
      assert.equal(await tool.ask(`read ${read}`), expected(size, [0, maps], [0, partitions]));
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  } finally {
    await close(world);
  }
});

test('a worker that says goodbye gets no new attempts, and serves what it has', { skip }, async () => {
  const world = await open(2);
  try {
    const { tool } = world;
    const [size, maps, partitions] = [500, 20, 10];
    const shuffle = await resolve(tool, { maps, partitions });
    assert.equal(await tool.ask(`write ${shuffle} ${seed} ${size} 0 10 1`), won(10));
    const leaving = (await viewOf(world, shuffle)).holders(0)![0]!.location.replicas[0]!.incarnation;
    process.kill((await pidsOf(world)).get(leaving)!, 'SIGTERM');
    for (;;) {
      const { workers } = await world.manager.status({});
      if (workers.find(({ incarnation }) => incarnation === leaving)?.state !== 'live') break;
      await new Promise((done) => setTimeout(done, 20));
    }
    assert.equal(await tool.ask(`write ${shuffle} ${seed} ${size} 10 20 1`), won(10));
    const view = await viewOf(world, shuffle);
    for (let map = 10; map < 20; map++) assert.notEqual(view.holders(map)![0]!.location.replicas[0]!.incarnation, leaving);
    assert.equal(await tool.ask(`read ${shuffle} ${seed} ${size} 0 ${maps} 0 ${partitions} 1000000 0`), expected(size, [0, maps], [0, partitions]));
  } finally {
    await close(world);
  }
});

test('a worker that is full, or too small for a block, is NO_SPACE', { skip }, async () => {
  const world = await open(1, { arenaBytes: 3 * MiB, segmentBytes: MiB, diskBytes: MiB });
  try {
    const { tool } = world;
    const large = await resolve(tool, { maps: 1, partitions: 1 });
    const tooLarge = await tool.fails(`write ${large} ${largest()} ${4 * MiB} 0 1 1`);
    assert.deepEqual([tooLarge.code, tooLarge.remedy], ['NO_SPACE', 'RETRY']);
    const full = await resolve(tool, { maps: 20, partitions: 50 });
    const noRoom = await tool.fails(`write ${full} ${seed} 20000 0 20 1`);
    assert.deepEqual([noRoom.code, noRoom.remedy], ['NO_SPACE', 'RETRY']);
  } finally {
    await close(world);
  }
});

/** A seed whose first block of map 0, partition 0 is larger than such a worker takes. */
function largest(): number {
  for (let of = 0; ; of++) if (([...content(of, 4 * MiB, 0, 0)][0]?.length ?? 0) > MiB) return of;
}
