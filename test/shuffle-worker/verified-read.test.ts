import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Layout } from '#manager/protocol/control.ts';
import { type ErrorCode, SluiceError } from '#manager/protocol/errors.ts';
import { type Location, type Replica, shuffleId, shuffleText } from '#manager/protocol/ids.ts';
import { viewLayout } from '#manager/protocol/layout.ts';
import { maxReadPairs } from '#worker/limits.ts';
import { type BlockBatch, piecesOf, type VerifiedRange, verifiedRead } from '#worker/verified-read.ts';
import { specOf } from '../shuffle-manager/world.ts';
import { clientOf, type Fate, type Holding, ManualClock, replicaOf, ScriptedWorker, serve, settle } from './scripted.ts';
import { payloadOf, sealStream } from './world.ts';

const shuffle = shuffleId(1, 1);

interface Place {
  readonly maps?: readonly [number, number];
  readonly partitions?: readonly [number, number];
  readonly replicas?: readonly Replica[];
}

/** A layout of version 1; `winners[map]` holds everywhere but where `exceptions` say otherwise. */
function viewOf(places: readonly Place[], winners: readonly number[], exceptions: Layout['winners']['exceptions'] = [], partitions = 4) {
  const locations = places.map(
    ({ maps = [0, winners.length], partitions: range = [0, partitions], replicas }, id): Location => ({
      id,
      mapFrom: maps[0],
      mapTo: maps[1],
      partitionFrom: range[0],
      partitionTo: range[1],
      replicas: [...(replicas ?? [replicaOf(id)])],
    }),
  );
  const spec = specOf({ maps: winners.length, partitions });
  const facts = { shuffle: shuffleText(shuffle), spec, stageAttempt: 0, version: 1, sealed: true, invalidated: false };
  return viewLayout({ ...facts, locations, winners: { mapFrom: 0, attempts: [...winners], exceptions } });
}

/** `each` blocks for every partition of the range, of every map. */
function blocksOf(maps: readonly number[], range: readonly [number, number] = [0, 4], each = 2, attempt = 1): Uint8Array[] {
  const [partitionFrom, partitionTo] = range;
  return maps.flatMap((map) => {
    const payloads: [number, Uint8Array][] = [];
    for (let i = 0; i < each; i++) {
      for (let partition = partitionFrom; partition < partitionTo; partition++)
        payloads.push([partition, payloadOf(20 + i + map, map * 100 + partition)]);
    }
    return sealStream({ shuffle, map, attempt, partitionFrom, partitionTo }, payloads).blocks;
  });
}

const whole: VerifiedRange = { partitionFrom: 0, partitionTo: 4, mapFrom: 0, mapTo: 3, ordered: false };
const two = [0, 1, 2].flatMap((map) => [0, 1, 2, 3].flatMap((partition) => [`${map}.${partition}`, `${map}.${partition}`])).sort();

interface World {
  readonly worker: ScriptedWorker;
  readonly clock: ManualClock;
  /** "map.partition" of each block that came, in order. */
  read(view: ReturnType<typeof viewOf>, range?: VerifiedRange): Promise<string[]>;
  readonly slotsUsed: number;
}

function worldOf(
  holdings: ReadonlyMap<number, Holding>,
  fate?: (frame: number, bytes: Uint8Array) => Fate,
  counts?: (all: Uint32Array) => Uint32Array,
): World {
  const worker = new ScriptedWorker();
  const clock = new ManualClock();
  const client = clientOf(worker, clock);
  serve(worker, holdings, fate, counts);
  return {
    worker,
    clock,
    async read(view, range = whole) {
      let over = false;
      const run = (async () => {
        const seen: string[] = [];
        for await (const batch of verifiedRead(client, view, range)) {
          batch.each((partition, map, records, payload) => {
            assert.equal(records, 1);
            assert.equal(payload[0], payloadOf(1, map * 100 + partition)[0]);
            seen.push(`${map}.${partition}`);
          });
        }
        return seen;
      })().finally(() => {
        over = true;
      });
      run.catch(() => {});
      // Pauses between tries pass as soon as nothing else is left to do.
      for (let i = 0; i < 200 && !over; i++) await clock.advance(100);
      assert.ok(over, 'the read neither ends nor fails');
      return await run;
    },
    get slotsUsed() {
      return client.receive.slots.usedBytes;
    },
  };
}

const fails =
  (code: ErrorCode, maps: readonly number[] | null, location = 0) =>
  (thrown: unknown): true => {
    assert.ok(thrown instanceof SluiceError, String(thrown));
    assert.equal(thrown.code, code, thrown.message);
    if (maps) assert.deepEqual(thrown.facts['maps'], maps);
    assert.deepEqual([thrown.facts['shuffle'], thrown.facts['location']], [shuffleText(shuffle), location]);
    assert.equal(thrown.facts['incarnation'], replicaOf(location).incarnation);
    return true;
  };

const one = viewOf([{}], [1, 1, 1]);
const held = new Map([[0, { blocks: blocksOf([0, 1, 2]) }]]);

test('each block once, with what it says of itself; nothing is held when the read is over', async () => {
  const world = worldOf(held);
  assert.deepEqual((await world.read(one)).sort(), two);
  assert.equal(world.slotsUsed, 0);
  const part = { ...whole, partitionFrom: 1, partitionTo: 3, mapFrom: 1, mapTo: 2 };
  assert.deepEqual((await world.read(one, part)).sort(), ['1.1', '1.1', '1.2', '1.2']);
  const { mapFrom, mapTo, partitionFrom, partitionTo, ledgerVersion, skip } = world.worker.line.last('openRead');
  assert.deepEqual([mapFrom, mapTo, partitionFrom, partitionTo, ledgerVersion, skip.length], [1, 2, 1, 3, 1, 0]);
});

test('a batch gives its blocks in turn or by their place', async () => {
  const worker = new ScriptedWorker();
  serve(worker, held);
  const client = clientOf(worker);
  let blocks = 0;
  for await (const batch of verifiedRead(client, one, whole)) {
    let place = 0;
    batch.each((partition, map, records, payload) => {
      const same = batch.at(place++);
      assert.deepEqual([same.partition, same.map, same.records, same.codec, same.tag], [partition, map, records, 0, 0]);
      assert.deepEqual(same.payload, payload);
    });
    assert.equal(place, batch.blocks);
    assert.throws(() => batch.at(batch.blocks), assert.AssertionError);
    blocks += place;
  }
  assert.equal(blocks, 24);
  client.close();
});

test('leaving a read early closes its stream and frees what it held', async () => {
  const worker = new ScriptedWorker();
  serve(worker, held);
  const client = clientOf(worker);
  for await (const batch of verifiedRead(client, one, whole)) {
    assert.ok((batch as BlockBatch).blocks > 0);
    break;
  }
  await settle();
  assert.deepEqual([client.receive.slots.usedBytes, client.receive.arena.storedBytes], [0, 0]);
  client.close();
});

test('cut anywhere, it goes on where it was: each block once', async () => {
  for (let cut = 0; cut < 8; cut++) {
    const world = worldOf(held, (frame, bytes) => (frame === cut ? 'cut' : bytes));
    assert.deepEqual((await world.read(one)).sort(), two, `cut at frame ${cut}`);
    assert.equal(world.worker.lines.length, 2);
    const { skip } = world.worker.line.last('openRead');
    assert.equal(skip.length > 0, cut > 0, 'what was had is not asked for again');
  }
});

test('cuts, damage and lost frames at random: each block once, or an error that names maps', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom('pass', 'cut', 'drop', 'flip', 'twice'), { maxLength: 12 }), fc.nat(), async (fates, where) => {
      const world = worldOf(held, (frame, bytes) => {
        const fate = fates[frame] ?? 'pass';
        if (fate === 'cut' || fate === 'drop') return fate;
        if (fate === 'twice') return new Uint8Array([...bytes, ...bytes]);
        if (fate === 'pass') return bytes;
        const harmed = bytes.slice();
        harmed[where % bytes.length]! ^= 1 << (where & 7);
        return harmed;
      });
      try {
        assert.deepEqual((await world.read(one)).sort(), two);
      } catch (thrown) {
        if (thrown instanceof assert.AssertionError) throw thrown;
        assert.ok((thrown as SluiceError).remedy !== 'fail' && ((thrown as SluiceError).facts['maps'] as number[]).length > 0, String(thrown));
      }
      assert.equal(world.slotsUsed, 0);
    }),
    { numRuns: 20 },
  );
});

test('damaged on its way, a block is asked for again; damaged for good, it is CORRUPT_BLOCK with its map', async () => {
  const harmed = (bytes: Uint8Array): Uint8Array => {
    const other = bytes.slice();
    other[64]! ^= 4;
    return other;
  };
  const once = worldOf(held, (frame, bytes) => (frame === 2 ? harmed(bytes) : bytes));
  assert.deepEqual((await once.read(one)).sort(), two);
  const always = worldOf(new Map([[0, { blocks: held.get(0)!.blocks.map((block, i) => (i === 10 ? harmed(block) : block)) }]]));
  await assert.rejects(always.read(one), fails('CORRUPT_BLOCK', [1]));
  assert.equal(always.slotsUsed, 0);
});

test('whose header is damaged may be anybody’s block: all maps that were asked for are named', async () => {
  const blocks = blocksOf([0, 1, 2]);
  blocks[10]![45]! ^= 1;
  await assert.rejects(worldOf(new Map([[0, { blocks }]])).read(one, { ...whole, mapFrom: 1 }), fails('CORRUPT_BLOCK', [1, 2]));
});

test('a gap names its map', async () => {
  const blocks = blocksOf([0, 1, 2]).filter((_, i) => i !== 9);
  await assert.rejects(worldOf(new Map([[0, { blocks }]])).read(one), fails('MISSING', [1]));
});

test('END states more or less than came: INCOMPLETE with the maps', async () => {
  for (const by of [1, -1]) {
    const world = worldOf(held, undefined, (counts) => counts.map((count, i) => (i % 3 === 2 && i < 6 ? count + by : count)));
    await assert.rejects(world.read(one), fails('INCOMPLETE', [2]));
  }
  const empty = worldOf(new Map([[0, { blocks: [] }]]), undefined, (counts) => counts.fill(1, 0, 1));
  await assert.rejects(empty.read(one), fails('INCOMPLETE', [0]));
});

test('a block of an attempt that did not win is not taken', async () => {
  const blocks = [...blocksOf([0]), ...blocksOf([1], [0, 4], 2, 9), ...blocksOf([2])];
  await assert.rejects(worldOf(new Map([[0, { blocks }]])).read(one), fails('MISSING', [1]));
  // The worker knows more than the reader: nobody's data are at fault.
  await assert.rejects(worldOf(new Map([[0, { blocks, version: 2 }]])).read(one), fails('LAYOUT_MOVED', [1]));
});

test('a read that was cut does not go on under another layout: its counts may be of other attempts', async () => {
  const holding = { blocks: blocksOf([0, 1, 2]), version: 1 };
  const world = worldOf(new Map([[0, holding]]), (frame, bytes) => {
    if (frame !== 3) return bytes;
    holding.version = 2;
    return 'cut';
  });
  await assert.rejects(world.read(one), fails('LAYOUT_MOVED', [0, 1, 2]));
});

test('what the worker says is passed on with its maps; what is committed nowhere is MISSING before anyone is asked', async () => {
  await assert.rejects(worldOf(new Map()).read(one), fails('MISSING', [0]));
  const world = worldOf(held);
  await assert.rejects(world.read(viewOf([{}], [1, -1, -1])), (thrown: SluiceError) => {
    assert.deepEqual([thrown.code, thrown.facts['maps']], ['MISSING', [1, 2]]);
    return true;
  });
  assert.equal(world.worker.lines.length, 0);
});

test('a worker that cannot be reached is tried a few times; one that restarted, or refuses, is not', async () => {
  const gone = worldOf(held);
  gone.worker.refused.add(0);
  await assert.rejects(gone.read(one), fails('CONNECTION_LOST', [0, 1, 2]));
  for (const code of ['WRONG_INCARNATION', 'UNAUTHORIZED', 'SHUFFLE_RELEASED'] as const) {
    const world = worldOf(held);
    world.worker.refusal = new SluiceError(code, { what: 'no' });
    await assert.rejects(world.read(one), fails(code, [0, 1, 2]));
    assert.equal(world.clock.now() <= 100, true, 'at once');
  }
});

test('a client that is closed ends its reads', async () => {
  const worker = new ScriptedWorker();
  const client = clientOf(worker);
  const next = verifiedRead(client, one, whole).next();
  await settle();
  client.close();
  await assert.rejects(next, fails('CONNECTION_LOST', [0, 1, 2]));
});

test('another replica serves when the first is away, or has lost or spoilt the data', async () => {
  const view = viewOf([{ replicas: [replicaOf(0), replicaOf(1)] }], [1, 1, 1]);
  const away = worldOf(held);
  away.worker.refused.add(0);
  assert.deepEqual((await away.read(view)).sort(), two);
  const spoilt = worldOf(held);
  const serving = spoilt.worker.answer;
  spoilt.worker.answer = (line, message) => {
    if (message.type === 'openRead' && line.hello.incarnation === replicaOf(0).incarnation) {
      line.tell({ type: 'error', stream: message.stream, code: 4, retryAfterMs: 0, maps: [1], text: 'spoilt' });
    } else serving(line, message);
  };
  assert.deepEqual((await spoilt.read(view)).sort(), two);
  spoilt.worker.refused.add(1);
});

test('ordered: map by map over all locations and partition ranges', async () => {
  const view = viewOf(
    [
      { maps: [0, 2], partitions: [0, 2] },
      { maps: [2, 3], partitions: [0, 2] },
      { partitions: [2, 4], replicas: [replicaOf(2)] },
    ],
    [1, 1, 1],
  );
  const holdings = new Map([
    [0, { blocks: blocksOf([0, 1], [0, 2]) }],
    [1, { blocks: blocksOf([2], [0, 2]) }],
    [2, { blocks: blocksOf([0, 1, 2], [2, 4]) }],
  ]);
  const seen = await worldOf(holdings).read(view, { ...whole, ordered: true });
  assert.deepEqual(
    seen.map((name) => name[0]),
    [...'0'.repeat(8), ...'1'.repeat(8), ...'2'.repeat(8)],
  );
  assert.deepEqual(seen.toSorted(), two);
  assert.deepEqual((await worldOf(holdings).read(view)).sort(), two);
});

test('of many partition ranges it asks map by map', async () => {
  const view = viewOf(
    Array.from({ length: 12 }, (_, i) => ({ partitions: [i, i + 1] as const })),
    [1, 1],
    [],
    12,
  );
  const holdings = new Map(Array.from({ length: 12 }, (_, i) => [i, { blocks: blocksOf([0, 1], [i, i + 1], 1) }]));
  const seen = await worldOf(holdings).read(view, { partitionFrom: 0, partitionTo: 12, mapFrom: 0, mapTo: 2, ordered: true });
  assert.deepEqual(
    seen.map((name) => name[0]),
    [...'0'.repeat(12), ...'1'.repeat(12)],
  );
});

test('pieces: no more cells than a stream may have, no map that another location holds', () => {
  // Map 1 was repaired elsewhere.
  const repaired = viewOf(
    [{}, {}],
    [1, 2, 1],
    [
      { map: 0, location: 1, attempt: -1 },
      { map: 1, location: 0, attempt: -1 },
      { map: 2, location: 1, attempt: -1 },
    ],
  );
  assert.deepEqual(
    piecesOf(repaired, whole)[0]!.map((piece) => [piece.location.id, piece.mapFrom, piece.mapTo]),
    [
      [0, 0, 1],
      [1, 1, 2],
      [0, 2, 3],
    ],
  );
  // Maps 0 and 2 are on the second replica only, map 3 on the first.
  const lacking = [0, 2].map((map) => ({ map, location: 0, replica: 0 })).concat({ map: 3, location: 0, replica: 1 });
  const { layout } = viewOf([{ replicas: [replicaOf(0), replicaOf(1)] }], [1, 1, 1, 1]);
  assert.deepEqual(
    piecesOf(viewLayout({ ...layout, winners: { ...layout.winners, lacking } }), { ...whole, mapTo: 4 })[0]!.map(({ mapFrom, mapTo, replicas }) => [
      mapFrom,
      mapTo,
      ...replicas.map(({ port }) => port),
    ]),
    [
      [0, 1, replicaOf(1).port],
      [1, 2, replicaOf(0).port, replicaOf(1).port],
      [2, 3, replicaOf(1).port],
      [3, 4, replicaOf(0).port],
    ],
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 600_000 }), fc.boolean(), (maps, partitions, ordered) => {
      const view = viewOf(
        [{}],
        Array.from({ length: maps }, () => 1),
        [],
        partitions,
      );
      const pieces = piecesOf(view, { partitionFrom: 0, partitionTo: partitions, mapFrom: 0, mapTo: maps, ordered })[0]!;
      let cells = 0;
      let last = 0;
      for (const piece of pieces) {
        const size = (piece.mapTo - piece.mapFrom) * (piece.partitionTo - piece.partitionFrom);
        assert.ok(size > 0 && size <= maxReadPairs);
        cells += size;
        if (ordered) assert.ok(piece.mapFrom >= last, 'maps ascend');
        last = piece.mapFrom;
      }
      assert.equal(cells, maps * partitions);
    }),
    { numRuns: 40 },
  );
});
