/**
 * What every shuffle driver must do, as a function over a factory: the sentences of batch-runtime/shuffle/spi.ts, one
 * by one. A driver is tested by one line in shuffle.test.ts's table; what only one driver promises is in that driver's own
 * test. `World` is all the suite needs to know of a driver beyond the interface.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { type ErrorCode, SluiceError } from '#manager/protocol/errors.ts';
import { MiB } from '#manager/protocol/ids.ts';
import type { Committed, ReadRange, ShuffleDriver, ShuffleHandle, ShuffleRequest } from '#runtime/shuffle/spi.ts';

export interface World {
  readonly driver: ShuffleDriver;
  /** The same shuffles as another process sees them; the driver itself where there is one process only. */
  another(): Promise<ShuffleDriver>;
  close(): Promise<void>;
}

/** A driver whose data can be harmed behind its back. */
export interface StoredWorld extends World {
  /** Changes stored bytes of a committed map so that no read of it can be right. */
  damage(handle: ShuffleHandle, map: number): Promise<void>;
  /** Makes the stored bytes of a committed map disappear. */
  lose(handle: ShuffleHandle, map: number): Promise<void>;
}

/** One payload handed to a writer. */
export interface Written {
  readonly partition: number;
  readonly records: number;
  readonly payload: Uint8Array;
}

/** One block a reader gave, with its payload as a digest. */
export interface Seen {
  readonly partition: number;
  readonly map: number;
  readonly records: number;
  readonly digest: string;
}

export const request = (name: string, maps: number, partitions: number): ShuffleRequest => ({
  name,
  maps,
  partitions,
  deterministic: true,
  schema: new Uint8Array([1, 2, 3]),
  bytesHint: 0,
});

/** Bytes that depend on all arguments, so that no block can stand for another. */
export function payload(length: number, ...seeds: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 0x9e3779b9;
  for (const seed of seeds) state = Math.imul(state ^ seed, 0x85ebca6b) + 0x27d4eb2f;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

const digest = (bytes: Uint8Array): string => `${bytes.length}:${createHash('sha1').update(bytes).digest('base64')}`;
export const seenOf = (map: number, w: Written): Seen => ({ partition: w.partition, map, records: w.records, digest: digest(w.payload) });
const key = (s: Seen): string => `${s.map}/${s.partition}/${s.records}/${s.digest}`;
/** As a multiset: sorted, so that two of them compare. */
export const multiset = (blocks: readonly Seen[]): string[] => blocks.map(key).sort();

/** Writes through one reused buffer that is overwritten as soon as the write settled: a driver that kept it would lose. */
export async function attempt(
  driver: ShuffleDriver,
  handle: ShuffleHandle,
  map: number,
  number: number,
  blocks: readonly Written[],
): Promise<Committed> {
  const writer = await driver.createWriter(handle, map, number);
  const buffer = new Uint8Array(blocks.reduce((most, b) => Math.max(most, b.payload.length), 0));
  for (const block of blocks) {
    buffer.set(block.payload);
    await writer.write(block.partition, buffer.subarray(0, block.payload.length), block.records);
    buffer.fill(0xee);
  }
  return await writer.commit();
}

export const all = (handle: ShuffleHandle, ordered = false): ReadRange => ({
  partitionFrom: 0,
  partitionTo: handle.partitions,
  mapFrom: 0,
  mapTo: handle.maps,
  ordered,
});

export async function readAll(driver: ShuffleDriver, handle: ShuffleHandle, range: ReadRange = all(handle)): Promise<Seen[]> {
  const seen: Seen[] = [];
  for await (const block of driver.createReader(handle, range)) {
    seen.push({ partition: block.partition, map: block.map, records: block.records, digest: digest(block.payload) });
  }
  return seen;
}

/** Three blocks for each partition: two small ones and an empty one. */
const plain = (map: number, partitions: number, version = 0): Written[] => {
  const blocks: Written[] = [];
  for (const round of [0, 1, 2]) {
    for (let partition = 0; partition < partitions; partition++) {
      blocks.push({ partition, records: round + map, payload: payload(round === 2 ? 0 : 40 + map + round, map, partition, round, version) });
    }
  }
  return blocks;
};

export const failsWith =
  (...codes: readonly ErrorCode[]) =>
  (error: unknown): true => {
    assert.ok(error instanceof SluiceError, `not a SluiceError: ${String(error)}`);
    assert.ok(codes.includes(error.code), `${error.code}: ${error.message}`);
    return true;
  };

/** The error is MISSING of this shuffle and names exactly these maps. */
const missing =
  (handle: ShuffleHandle, maps: readonly number[]) =>
  (error: unknown): true => {
    failsWith('MISSING')(error);
    const { facts } = error as SluiceError;
    assert.equal(facts['shuffle'], handle.id);
    assert.deepEqual(facts['maps'], maps);
    return true;
  };

/** What was released may be read for some seconds more, by those who knew it; then not at all. */
async function soonReleased(read: () => Promise<readonly Seen[]>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    try {
      assert.equal((await read()).length, 18, 'all of it');
    } catch (error) {
      failsWith('SHUFFLE_RELEASED')(error);
      return;
    }
    await sleep(100);
  }
  assert.fail('still not released');
}

/** What one driver and one reader give in order within each (map, partition). */
function assertOrderWithinCells(seen: readonly Seen[], wrote: ReadonlyMap<number, readonly Written[]>): void {
  const cells = new Map<string, string[]>();
  for (const s of seen) {
    const cell = `${s.map}/${s.partition}`;
    const list = cells.get(cell) ?? [];
    list.push(key(s));
    cells.set(cell, list);
  }
  for (const [cell, list] of cells) {
    const [map, partition] = cell.split('/').map(Number) as [number, number];
    const expected = (wrote.get(map) ?? []).filter((w) => w.partition === partition).map((w) => key(seenOf(map, w)));
    assert.deepEqual(list, expected, `order within map ${map}, partition ${partition}`);
  }
}

const testIn = <W extends World>(createWorld: () => Promise<W>, sentence: string, run: (world: W) => Promise<void>) =>
  test(sentence, async () => {
    const world = await createWorld();
    try {
      await run(world);
    } finally {
      await world.close();
    }
  });

export function testShuffle(name: string, createWorld: () => Promise<World>): void {
  const it = (sentence: string, run: (world: World) => Promise<void>) => testIn(createWorld, `${name}: ${sentence}`, run);

  it('opening the same name again gives the same handle, here and elsewhere', async ({ driver, another }) => {
    const first = await driver.open(request('a', 3, 4));
    assert.deepEqual(await driver.open(request('a', 3, 4)), first);
    assert.deepEqual(await (await another()).open(request('a', 3, 4)), first);
    assert.notEqual((await driver.open(request('b', 3, 4))).id, first.id);
    assert.equal(first.driver, driver.name);
    assert.deepEqual([first.maps, first.partitions], [3, 4]);
  });

  it('the same name with another shape is refused', async ({ driver }) => {
    await driver.open(request('a', 3, 4));
    await assert.rejects(driver.open(request('a', 3, 5)), failsWith('REQUEST_INVALID'));
  });

  it('a handle is plain JSON and works elsewhere', async ({ driver, another }) => {
    const handle = await driver.open(request('a', 1, 2));
    const copy = JSON.parse(JSON.stringify(handle)) as ShuffleHandle;
    assert.deepEqual(copy, handle);
    const elsewhere = await another();
    await attempt(elsewhere, copy, 0, 0, plain(0, 2));
    assert.deepEqual(multiset(await readAll(driver, handle)), multiset(plain(0, 2).map((w) => seenOf(0, w))));
  });

  it('nothing is visible before the commit, all of it after', async ({ driver }) => {
    const handle = await driver.open(request('a', 2, 3));
    assert.deepEqual(await driver.vacant(handle), [0, 1]);
    await attempt(driver, handle, 0, 0, plain(0, 3));
    assert.deepEqual(await driver.vacant(handle), [1]);
    const writer = await driver.createWriter(handle, 1, 0);
    for (const b of plain(1, 3)) await writer.write(b.partition, b.payload, b.records);
    assert.deepEqual(await driver.vacant(handle), [1]);
    await assert.rejects(readAll(driver, handle), missing(handle, [1]));
    // The other map is not held up by it.
    assert.equal((await readAll(driver, handle, { ...all(handle), mapTo: 1 })).length, 9);
    assert.equal((await writer.commit()).won, true);
    assert.deepEqual(await driver.vacant(handle), []);
    assert.equal((await readAll(driver, handle)).length, 18);
  });

  it('a commit states what the attempt wrote, and again the same', async ({ driver }) => {
    const handle = await driver.open(request('a', 1, 3));
    const writer = await driver.createWriter(handle, 0, 0);
    const blocks = plain(0, 3);
    for (const b of blocks) await writer.write(b.partition, b.payload, b.records);
    const committed = await writer.commit();
    assert.deepEqual(committed, {
      won: true,
      blocks: 9,
      records: blocks.reduce((sum, b) => sum + b.records, 0),
      bytes: blocks.reduce((sum, b) => sum + b.payload.length, 0),
    });
    assert.deepEqual(await writer.commit(), committed);
    await writer.abort();
    assert.equal((await readAll(driver, handle)).length, 9);
  });

  it('the first commit of a map wins, the loser is told and leaves no trace', async ({ driver, another }) => {
    const handle = await driver.open(request('a', 1, 3));
    const elsewhere = await another();
    const slow = await driver.createWriter(handle, 0, 0);
    for (const b of plain(0, 3, 7)) await slow.write(b.partition, b.payload, b.records);
    assert.equal((await attempt(elsewhere, handle, 0, 1, plain(0, 3))).won, true);
    const lost = await slow.commit();
    assert.equal(lost.won, false);
    assert.equal(lost.blocks, 9);
    assert.equal((await slow.commit()).won, false);
    assert.equal((await attempt(driver, handle, 0, 2, [])).won, false);
    assert.deepEqual(multiset(await readAll(driver, handle)), multiset(plain(0, 3).map((w) => seenOf(0, w))));
  });

  it('an aborted attempt is dropped, another attempt of the map goes on', async ({ driver }) => {
    const handle = await driver.open(request('a', 1, 3));
    const writer = await driver.createWriter(handle, 0, 0);
    for (const b of plain(0, 3, 7)) await writer.write(b.partition, b.payload, b.records);
    await writer.abort();
    await writer.abort();
    assert.deepEqual(await driver.vacant(handle), [0]);
    await attempt(driver, handle, 0, 1, plain(0, 3));
    assert.deepEqual(multiset(await readAll(driver, handle)), multiset(plain(0, 3).map((w) => seenOf(0, w))));
  });

  it('an attempt that is never ended is never seen', async ({ driver, another }) => {
    const handle = await driver.open(request('a', 1, 3));
    const dies = await (await another()).createWriter(handle, 0, 0);
    for (const b of plain(0, 3, 7)) await dies.write(b.partition, b.payload, b.records);
    await attempt(driver, handle, 0, 1, plain(0, 3));
    assert.deepEqual(multiset(await readAll(driver, handle)), multiset(plain(0, 3).map((w) => seenOf(0, w))));
    await dies.abort();
  });

  it('empty maps, empty partitions and empty ranges are empty, not missing', async ({ driver }) => {
    const handle = await driver.open(request('a', 3, 10));
    assert.deepEqual(await attempt(driver, handle, 0, 0, []), { won: true, blocks: 0, records: 0, bytes: 0 });
    await attempt(driver, handle, 1, 0, [{ partition: 4, records: 1, payload: payload(10, 1) }]);
    await attempt(driver, handle, 2, 0, []);
    assert.equal((await readAll(driver, handle)).length, 1);
    assert.equal((await readAll(driver, handle, { ...all(handle), partitionFrom: 5 })).length, 0);
    assert.equal((await readAll(driver, handle, { ...all(handle), partitionTo: 4 })).length, 0);
    assert.equal((await readAll(driver, handle, { ...all(handle), partitionFrom: 4, partitionTo: 4 })).length, 0);
    assert.equal((await readAll(driver, handle, { ...all(handle), mapFrom: 3 })).length, 0);
  });

  it('a shuffle without maps is complete from the start', async ({ driver }) => {
    const handle = await driver.open(request('a', 0, 4));
    assert.deepEqual(await driver.vacant(handle), []);
    assert.deepEqual(await readAll(driver, handle), []);
  });

  it('ordered: map by map, ascending, as written within a cell', async ({ driver }) => {
    const handle = await driver.open(request('a', 12, 5));
    const wrote = new Map<number, Written[]>();
    for (let map = 11; map >= 0; map--) {
      wrote.set(map, plain(map, 5));
      await attempt(driver, handle, map, map, wrote.get(map)!);
    }
    for (const range of [all(handle, true), { ...all(handle, true), partitionFrom: 3, partitionTo: 4 }]) {
      const seen = await readAll(driver, handle, range);
      assert.equal(seen.length, 12 * 3 * (range.partitionTo - range.partitionFrom));
      for (let i = 1; i < seen.length; i++) assert.ok(seen[i]!.map >= seen[i - 1]!.map, 'maps ascend');
      assertOrderWithinCells(seen, wrote);
    }
  });

  it('unordered: as written within a cell', async ({ driver }) => {
    const handle = await driver.open(request('a', 12, 5));
    const wrote = new Map<number, Written[]>();
    for (let map = 0; map < 12; map++) {
      wrote.set(map, plain(map, 5));
      await attempt(driver, handle, map, 0, wrote.get(map)!);
    }
    assertOrderWithinCells(await readAll(driver, handle), wrote);
  });

  it('ranges of partitions and maps give their cells and no others', async ({ driver }) => {
    const handle = await driver.open(request('a', 6, 9));
    const everything: Seen[] = [];
    for (let map = 0; map < 6; map++) {
      const blocks = plain(map, 9);
      await attempt(driver, handle, map, 0, blocks);
      for (const b of blocks) everything.push(seenOf(map, b));
    }
    for (const [partitionFrom, partitionTo, mapFrom, mapTo] of [
      [0, 1, 0, 6],
      [8, 9, 0, 6],
      [3, 7, 2, 5],
      [0, 9, 5, 6],
    ] as const) {
      const range = { partitionFrom, partitionTo, mapFrom, mapTo };
      const expected = everything.filter((s) => s.partition >= partitionFrom && s.partition < partitionTo && s.map >= mapFrom && s.map < mapTo);
      for (const ordered of [true, false]) {
        assert.deepEqual(multiset(await readAll(driver, handle, { ...range, ordered })), multiset(expected));
      }
    }
  });

  it('5,000 partitions', async ({ driver, another }) => {
    const handle = await driver.open(request('a', 3, 5000));
    const elsewhere = await another();
    const everything: Seen[] = [];
    for (let map = 0; map < 3; map++) {
      const blocks: Written[] = [];
      for (let i = 0; i < 5000; i++) {
        const partition = (i * 3571 + map) % 5000;
        if (partition % 11 !== map) blocks.push({ partition, records: i % 7, payload: payload(i % 90, i, map) });
      }
      await attempt(map === 1 ? elsewhere : driver, handle, map, 0, blocks);
      for (const b of blocks) everything.push(seenOf(map, b));
    }
    for (const [partitionFrom, partitionTo] of [
      [0, 5000],
      [4999, 5000],
      [1234, 2345],
    ] as const) {
      const expected = everything.filter((s) => s.partition >= partitionFrom && s.partition < partitionTo);
      assert.deepEqual(multiset(await readAll(driver, handle, { ...all(handle), partitionFrom, partitionTo })), multiset(expected));
    }
  });

  it('payloads up to 16 MiB, next to small ones', async ({ driver }) => {
    const handle = await driver.open(request('a', 2, 3));
    const blocks: Written[] = [
      { partition: 2, records: 1, payload: payload(16 * MiB, 1) },
      { partition: 0, records: 2, payload: payload(3, 2) },
      { partition: 2, records: 3, payload: payload(MiB + 1, 3) },
      { partition: 0, records: 4, payload: payload(5 * MiB + 7, 4) },
      { partition: 2, records: 5, payload: payload(1, 5) },
    ];
    await attempt(driver, handle, 0, 0, blocks);
    await attempt(driver, handle, 1, 0, []);
    for (const ordered of [false, true]) {
      const seen = await readAll(driver, handle, all(handle, ordered));
      assert.deepEqual(multiset(seen), multiset(blocks.map((b) => seenOf(0, b))));
      assertOrderWithinCells(seen, new Map([[0, blocks]]));
    }
  });

  it('a payload over 16 MiB, a partition out of range and a write after the commit are mistakes of the caller', async ({ driver }) => {
    const handle = await driver.open(request('a', 1, 3));
    const writer = await driver.createWriter(handle, 0, 0);
    await assert.rejects(writer.write(0, new Uint8Array(16 * MiB + 1), 1), { name: 'AssertionError' });
    await assert.rejects(writer.write(3, new Uint8Array(1), 1), { name: 'AssertionError' });
    await writer.commit();
    await assert.rejects(writer.write(0, new Uint8Array(1), 1), { name: 'AssertionError' });
    await assert.rejects(driver.createWriter(handle, 1, 0), { name: 'AssertionError' });
  });

  it('a reader before the commits names the maps, and works after them', async ({ driver, another }) => {
    const handle = await driver.open(request('a', 5, 2));
    await attempt(driver, handle, 3, 0, plain(3, 2));
    await assert.rejects(readAll(driver, handle), missing(handle, [0, 1, 2, 4]));
    await assert.rejects(readAll(driver, handle, { ...all(handle), mapFrom: 2, mapTo: 5 }), missing(handle, [2, 4]));
    const elsewhere = await another();
    for (const map of [0, 1, 2, 4]) await attempt(elsewhere, handle, map, 0, plain(map, 2));
    assert.equal((await readAll(driver, handle)).length, 5 * 6);
  });

  it('attempts that race for the same maps: one wins each', async ({ driver, another }) => {
    const handle = await driver.open(request('a', 6, 4));
    const drivers = [driver, await another()];
    const runs: Promise<{ map: number; number: number; won: boolean }>[] = [];
    for (let map = 0; map < 6; map++) {
      for (let number = 0; number < 4; number++) {
        runs.push(attempt(drivers[number % 2]!, handle, map, number, plain(map, 4, number)).then(({ won }) => ({ map, number, won })));
      }
    }
    const winners = (await Promise.all(runs)).filter((r) => r.won).sort((a, b) => a.map - b.map);
    assert.deepEqual(
      winners.map((w) => w.map),
      [0, 1, 2, 3, 4, 5],
    );
    const expected = winners.flatMap(({ map, number }) => plain(map, 4, number).map((w) => seenOf(map, w)));
    for (const d of drivers) assert.deepEqual(multiset(await readAll(d, handle)), multiset(expected));
  });

  it('many readers at once, one left early', async ({ driver, another }) => {
    const handle = await driver.open(request('a', 8, 6));
    for (let map = 0; map < 8; map++) await attempt(driver, handle, map, 0, plain(map, 6));
    const drivers = [driver, await another()];
    const reads = Array.from({ length: 6 }, (_, partition) =>
      readAll(drivers[partition % 2]!, handle, { ...all(handle), partitionFrom: partition, partitionTo: partition + 1 }),
    );
    for await (const block of driver.createReader(handle, all(handle))) {
      assert.ok(block.payload.length >= 0);
      break;
    }
    const expected = Array.from({ length: 8 }, (_, map) => plain(map, 6).map((w) => seenOf(map, w))).flat();
    assert.deepEqual(multiset((await Promise.all(reads)).flat()), multiset(expected));
  });

  it('closing a reader, before, within and after, twice', async ({ driver }) => {
    const handle = await driver.open(request('a', 2, 2));
    for (let map = 0; map < 2; map++) await attempt(driver, handle, map, 0, plain(map, 2));
    const unused = driver.createReader(handle, all(handle));
    await unused.close();
    await unused.close();
    const used = driver.createReader(handle, all(handle));
    for await (const _ of used) break;
    await used.close();
    await used.close();
    assert.equal((await readAll(driver, handle)).length, 12);
  });

  it('released: readers, writers and questions are told so, again does nothing', async ({ driver, another }) => {
    const handle = await driver.open(request('a', 2, 3));
    const other = await driver.open(request('b', 1, 3));
    const elsewhere = await another();
    await attempt(elsewhere, handle, 0, 0, plain(0, 3));
    await attempt(driver, handle, 1, 0, plain(1, 3));
    await attempt(driver, other, 0, 0, plain(0, 3));
    const late = await elsewhere.createWriter(handle, 1, 1);
    await driver.release(handle);
    await driver.release(handle);
    await elsewhere.release(handle);
    for (const d of [driver, elsewhere]) {
      await soonReleased(() => readAll(d, handle));
      await assert.rejects(d.vacant(handle), failsWith('SHUFFLE_RELEASED'));
      await assert.rejects(attempt(d, handle, 1, 2, plain(1, 3)), failsWith('SHUFFLE_RELEASED'));
    }
    await assert.rejects(
      (async () => {
        await late.write(0, payload(10, 1), 1);
        await late.commit();
      })(),
      failsWith('SHUFFLE_RELEASED'),
    );
    await late.abort();
    assert.equal((await readAll(driver, other)).length, 9);
  });

  it('released while it is read: all of it, or the error, never a part', async ({ driver }) => {
    const handle = await driver.open(request('a', 4, 3));
    for (let map = 0; map < 4; map++) await attempt(driver, handle, map, 0, plain(map, 3));
    let seen = 0;
    let failure: unknown;
    try {
      for await (const _ of driver.createReader(handle, all(handle))) {
        if (seen++ === 0) await driver.release(handle);
      }
    } catch (error) {
      failure = error;
    }
    if (failure === undefined) assert.equal(seen, 36);
    else failsWith('SHUFFLE_RELEASED')(failure);
  });

  it('an unknown shuffle is an error, not an empty one', async ({ driver }) => {
    const known = await driver.open(request('a', 2, 3));
    const unknown: ShuffleHandle = { ...known, id: unknownId(known.id) };
    await assert.rejects(readAll(driver, unknown), failsWith('SHUFFLE_UNKNOWN'));
    await assert.rejects(readAll(driver, unknown, { ...all(unknown), mapTo: 0 }), failsWith('SHUFFLE_UNKNOWN'));
    await assert.rejects(driver.vacant(unknown), failsWith('SHUFFLE_UNKNOWN'));
    await assert.rejects(attempt(driver, unknown, 0, 0, plain(0, 3)), failsWith('SHUFFLE_UNKNOWN'));
  });

  it('closing a driver, twice, leaves the shuffles to the others', async ({ driver, another }) => {
    const handle = await driver.open(request('a', 1, 3));
    const elsewhere = await another();
    await attempt(elsewhere, handle, 0, 0, plain(0, 3));
    if (elsewhere !== driver) {
      await elsewhere.close();
      await elsewhere.close();
    }
    assert.equal((await readAll(driver, handle)).length, 9);
  });

  it('any blocks, any attempts, any split of the reading: the winners, each block once', async ({ driver, another }) => {
    const drivers = [driver, await another()];
    let run = 0;
    const block = fc.record({
      partition: fc.nat(),
      records: fc.nat({ max: 0xffffffff }),
      length: fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 70_000 })),
    });
    const shape = fc.record({
      partitions: fc.integer({ min: 1, max: 300 }),
      // Per map the blocks of its attempts; all of them run at once.
      maps: fc.array(fc.array(fc.array(block, { maxLength: 30 }), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 5 }),
      cuts: fc.array(fc.nat(), { maxLength: 3 }),
      ordered: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ partitions, maps, cuts, ordered }) => {
        const handle = await driver.open(request(`property ${run++}`, maps.length, partitions));
        const blocks = maps.map((attempts, map) =>
          attempts.map((list, number) =>
            list.map((b, i) => ({ partition: b.partition % partitions, records: b.records, payload: payload(b.length, run, map, number, i) })),
          ),
        );
        const wrote = new Map<number, Written[]>();
        await Promise.all(
          blocks.flatMap((attempts, map) =>
            attempts.map(async (list, number) => {
              const { won } = await attempt(drivers[number % 2]!, handle, map, number, list);
              if (won) wrote.set(map, list);
            }),
          ),
        );
        assert.equal(wrote.size, maps.length);
        const bounds = [0, ...cuts.map((c) => c % partitions).sort((a, b) => a - b), partitions];
        const seen: Seen[] = [];
        for (let i = 1; i < bounds.length; i++) {
          const range = { ...all(handle, ordered), partitionFrom: bounds[i - 1]!, partitionTo: bounds[i]! };
          const part = await readAll(drivers[i % 2]!, handle, range);
          assertOrderWithinCells(part, wrote);
          seen.push(...part);
        }
        const expected = [...wrote].flatMap(([map, list]) => list.map((w) => seenOf(map, w)));
        assert.deepEqual(multiset(seen), multiset(expected));
        await driver.release(handle);
      }),
      { numRuns: 25 },
    );
  });
}

/** What a driver must do when what it stored is not there any more; for all drivers that store something. */
export function testLoss(name: string, createWorld: () => Promise<StoredWorld>): void {
  const whole = (maps: number): string[] => multiset(Array.from({ length: maps }, (_, map) => plain(map, 3).map((w) => seenOf(map, w))).flat());

  for (const how of ['damage', 'lose'] as const) {
    testIn(createWorld, `${name}: ${how}: MISSING by name, vacant at once, repaired by a new attempt`, async (world) => {
      const { driver } = world;
      const handle = await driver.open(request('a', 4, 3));
      for (let map = 0; map < 4; map++) await attempt(driver, handle, map, 0, plain(map, 3));
      await world[how](handle, 2);
      const elsewhere = await world.another();
      await assert.rejects(readAll(elsewhere, handle), missing(handle, [2]));
      assert.deepEqual(await driver.vacant(handle), [2]);
      assert.deepEqual(await elsewhere.vacant(handle), [2]);
      await assert.rejects(readAll(driver, handle), missing(handle, [2]));
      // The others are intact.
      assert.equal((await readAll(driver, handle, { ...all(handle), mapTo: 2 })).length, 18);
      assert.equal((await attempt(driver, handle, 2, 1, plain(2, 3))).won, true);
      assert.deepEqual(await driver.vacant(handle), []);
      for (const d of [driver, elsewhere]) assert.deepEqual(multiset(await readAll(d, handle)), whole(4));
      // And once more, for the repair can be lost as well.
      await world[how](handle, 2);
      await assert.rejects(readAll(driver, handle), missing(handle, [2]));
      assert.equal((await attempt(elsewhere, handle, 2, 2, plain(2, 3))).won, true);
      for (const d of [driver, elsewhere]) assert.deepEqual(multiset(await readAll(d, handle)), whole(4));
    });

    testIn(createWorld, `${name}: ${how}: attempts that race for a repair: one wins`, async (world) => {
      const { driver } = world;
      const handle = await driver.open(request('a', 2, 3));
      for (let map = 0; map < 2; map++) await attempt(driver, handle, map, 0, plain(map, 3));
      await world[how](handle, 0);
      await assert.rejects(readAll(driver, handle), missing(handle, [0]));
      const elsewhere = await world.another();
      const runs = [1, 2, 3, 4].map((number) => attempt(number % 2 ? driver : elsewhere, handle, 0, number, plain(0, 3)));
      assert.equal((await Promise.all(runs)).filter((r) => r.won).length, 1);
      assert.deepEqual(multiset(await readAll(driver, handle)), whole(2));
    });

    testIn(createWorld, `${name}: ${how}: what is not deterministic is never repaired in part`, async (world) => {
      const { driver } = world;
      const handle = await driver.open({ ...request('a', 3, 3), deterministic: false });
      for (let map = 0; map < 3; map++) await attempt(driver, handle, map, 0, plain(map, 3));
      await world[how](handle, 1);
      const elsewhere = await world.another();
      for (const d of [elsewhere, driver]) {
        await assert.rejects(readAll(d, handle), missing(handle, [0, 1, 2]));
        // Not even what is whole may be read any more: it would be mixed with another run's.
        await assert.rejects(readAll(d, handle, { ...all(handle), mapFrom: 2 }), missing(handle, [0, 1, 2]));
        assert.deepEqual(await d.vacant(handle), [0, 1, 2]);
      }
      await assert.rejects(attempt(driver, handle, 1, 1, plain(1, 3)), failsWith('ATTEMPT_SUPERSEDED'));
      const next = await driver.open({ ...request('a again', 3, 3), deterministic: false });
      for (let map = 0; map < 3; map++) await attempt(driver, next, map, 0, plain(map, 3));
      assert.deepEqual(multiset(await readAll(elsewhere, next)), whole(3));
    });
  }
}

/** An id of the same form that nobody minted. */
const unknownId = (id: string): string => (/^\d+$/.test(id) ? String(BigInt(id) + 77n) : `${id.slice(0, -4)}dead`);
