import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createKernel, type Kernel, kernelReservedBytes } from '#worker/kernel/kernel.ts';
import { createTwin } from '#worker/kernel/twin.ts';
import { manifestPartition } from '#worker/protocol/block.ts';
import { u32 } from '../../golden/values.ts';
import { Arena, at, attempt, memoryBytes } from './arena.ts';

/** Runs the same on both and compares the answers and every byte of the memory that is not the kernel's own. */
function same<T>(run: (arena: Arena) => T): T {
  const kernel = new Arena(createKernel);
  const twin = new Arena(createTwin);
  const answer = run(kernel);
  assert.deepEqual(answer, run(twin));
  assert.ok(Buffer.compare(kernel.bytes.subarray(kernelReservedBytes), twin.bytes.subarray(kernelReservedBytes)) === 0, 'the memories differ');
  return answer;
}

test('hash: any length at any address', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(9), (bytes, lead) => {
      same(({ bytes: memory, kernel }) => {
        memory.set(bytes, at.data + lead);
        return kernel.hash(at.data + lead, bytes.length);
      });
    }),
  );
});

// Mostly right blocks, so that walks get past the first one: sequences are filled in, then one thing may be broken.
const anyBlocks = fc.array(
  fc.record({
    partition: fc.integer({ min: 99, max: 104 }),
    map: fc.integer({ min: 4, max: 8 }),
    attempt: fc.constantFrom(attempt, attempt, attempt, attempt + 1),
    kind: fc.constantFrom(0, 0, 0, 0, 1, 2),
    late: fc.constantFrom(0, 0, 0, 0, 0, -1, 1),
    payload: fc.uint8Array({ maxLength: 120 }),
  }),
  { maxLength: 30 },
);

function fill(arena: Arena, blocks: typeof anyBlocks extends fc.Arbitrary<infer T> ? T : never): void {
  const next = new Map<string, number>();
  for (const { partition, map, attempt, kind, late, payload } of blocks) {
    const key = `${partition} ${map}`;
    const sequence = next.get(key) ?? 0;
    const taken = kind === 2 ? { partition: 100, sequence: 0 } : { partition, sequence: Math.max(0, sequence + late) };
    if (kind !== 2) next.set(key, sequence + 1);
    arena.put({ ...taken, map, attempt, kind, records: payload.length }, payload);
  }
  arena.stamp();
}

test('walk: any blocks, any flags, any damage, any room', () => {
  fc.assert(
    fc.property(
      anyBlocks,
      fc.nat(15),
      fc.option(fc.tuple(fc.nat(), fc.nat(7))),
      fc.integer({ min: 0, max: 40 }),
      fc.nat(3),
      (blocks, flags, damage, capacity, cut) => {
        same((arena) => {
          arena.account({ flags });
          fill(arena, blocks);
          if (damage && arena.length > 0) arena.bytes[at.data + (damage[0] % arena.length)]! ^= 1 << damage[1];
          const first = arena.walk(Math.max(0, arena.length - 8 * cut), capacity);
          const rest = arena.length - first.position;
          return [first, arena.kernel.walk(at.data + first.position, rest, at.account, at.entries, first.entries, 40)];
        });
      },
    ),
    { numRuns: 300 },
  );
});

const anyEntries = fc.array(
  fc.record({
    partition: fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 98, max: 105 }) }, fc.constant(manifestPartition), u32),
    map: fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 4, max: 9 }) }, u32),
    attempt: fc.oneof({ weight: 5, arbitrary: fc.constantFrom(attempt, attempt + 1) }, u32),
    section: fc.constantFrom(1, 1, 1, 0),
    sequence: fc.integer({ min: 0, max: 3 }),
    words: fc.integer({ min: 8, max: 60 }),
  }),
  { maxLength: 100 },
);

/** Writes entries whose blocks lie anywhere in the data, and a list of them in another order. */
function fillEntries(arena: Arena, entries: typeof anyEntries extends fc.Arbitrary<infer T> ? T : never, step: number): number {
  let address: number = at.data;
  for (const [i, { partition, map, attempt, section, sequence, words }] of entries.entries()) {
    const kind = partition === manifestPartition ? 2 : i & 1;
    const values = [partition, map, attempt, section, sequence, address, 8 * words, kind + 256 * i];
    for (const [k, value] of values.entries()) arena.view.setUint32(at.entries + 32 * i + 4 * k, value, true);
    address += 8 * words;
  }
  arena.fillList(entries.map((_, i) => (i * step) % entries.length));
  for (let i = at.data; i < address; i++) arena.bytes[i] = (i * 31) >>> 3;
  return entries.length;
}
// Steps prime and above any length, so that i * step modulo the length names each entry once.
const anyStep = fc.constantFrom(101, 103, 107, 211);

test('sort: any entries in any order, all three orders', () => {
  fc.assert(
    fc.property(anyEntries, anyStep, fc.nat(2), (entries, step, order) => {
      same((arena) => {
        const count = fillEntries(arena, entries, step);
        arena.kernel.sort(at.entries, at.list, at.scratch, count, order);
        arena.bytes.fill(0, at.scratch, at.into);
      });
    }),
    { numRuns: 300 },
  );
});

test('select: any entries against any account', () => {
  fc.assert(
    fc.property(anyEntries, anyStep, fc.nat(15), fc.nat(8000), (entries, step, flags, limitBytes) => {
      same((arena) => {
        arena.account({ flags });
        const count = fillEntries(arena, entries, step);
        const first = arena.kernel.select(at.entries, at.list, 0, count, at.account, at.into, limitBytes);
        const second = arena.kernel.select(at.entries, at.list, first.position, count, at.account, at.into + 1024, 100000);
        return [first, second];
      });
    }),
    { numRuns: 300 },
  );
});

test('gather and granules: any list, gathered in any slices', () => {
  fc.assert(
    fc.property(anyEntries, anyStep, fc.integer({ min: 1, max: 500 }), fc.nat(40), (entries, step, limitWords, capacity) => {
      const gathered = same((arena) => {
        const count = fillEntries(arena, entries, step);
        const slices: ReturnType<Kernel['gather']>[] = [];
        let to: number = at.copy;
        for (let [place, skip] = [0, 0]; place < count; ) {
          const slice = arena.kernel.gather(at.entries, at.list, place, count, skip, to, 8 * limitWords);
          slices.push(slice);
          ({ place, skip } = slice);
          to += slice.bytes;
        }
        assert.ok(to <= memoryBytes);
        arena.kernel.sort(at.entries, at.list, at.scratch, count, 0);
        arena.bytes.fill(0, at.scratch, at.into);
        // On too little room nothing but the answer counts.
        const granules = arena.kernel.granules(at.entries, at.list, count, 8, at.into, capacity);
        if (granules < 0) arena.bytes.fill(0, at.into, at.data);
        return { slices, granules };
      });
      const bytes = entries.reduce((sum, { words }) => sum + 8 * words, 0);
      assert.equal(
        gathered.slices.reduce((sum, slice) => sum + slice.bytes, 0),
        bytes,
      );
    }),
    { numRuns: 200 },
  );
});
