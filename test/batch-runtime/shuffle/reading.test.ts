import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRange, missing, readerOf } from '#runtime/shuffle/reading.ts';
import type { ReceivedBlock } from '#runtime/shuffle/spi.ts';
import { failsWith } from '../../contract/shuffle.ts';

const block = (map: number): ReceivedBlock => ({ partition: 0, map, records: 1, payload: new Uint8Array(1) });

test('a reader that is closed while it is read fails, it does not end', async () => {
  let freed = 0;
  const reader = readerOf(
    (async function* () {
      try {
        for (let map = 0; map < 3; map++) yield block(map);
      } finally {
        freed++;
      }
    })(),
  );
  await assert.rejects(async () => {
    for await (const _ of reader) await reader.close();
  }, failsWith('INTERRUPTED'));
  assert.equal(freed, 1);
});

test('a reader is read once', async () => {
  const reader = readerOf(
    (async function* () {
      yield block(0);
    })(),
  );
  const maps: number[] = [];
  for await (const { map } of reader) maps.push(map);
  assert.deepEqual(maps, [0]);
  await assert.rejects(
    async () => {
      for await (const _ of reader);
    },
    { name: 'AssertionError' },
  );
});

test('ranges are checked, and MISSING names its maps', () => {
  const handle = { driver: 'memory', id: '7', maps: 2, partitions: 3 } as const;
  const range = { partitionFrom: 0, partitionTo: 3, mapFrom: 0, mapTo: 2, ordered: false };
  assertRange(handle, range);
  assert.throws(() => assertRange(handle, { ...range, partitionTo: 4 }), { name: 'AssertionError' });
  assert.throws(() => assertRange(handle, { ...range, mapFrom: 3 }), { name: 'AssertionError' });
  const error = missing('7', [1, 2], 'lost');
  assert.deepEqual([error.code, error.remedy, error.facts['maps']], ['MISSING', 'recompute', [1, 2]]);
});
