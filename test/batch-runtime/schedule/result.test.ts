import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '#manager/protocol/errors.ts';
import { rowsOf } from '#runtime/batch/rows.ts';
import { readResult } from '#runtime/schedule/result.ts';
import { createMemoryShuffle } from '#runtime/shuffle/memory.ts';
import type { ShuffleDriver } from '#runtime/shuffle/spi.ts';
import { fixture, jobWorld, lease } from './job-world.ts';

/** A driver of which the first reads of the result break off, after a block or before. */
function breaking(error: () => SluiceError, times: number): ShuffleDriver & { broken: number } {
  const driver = createMemoryShuffle({ budgetBytes: 16 * 1024 * 1024 });
  const made = {
    broken: 0,
    name: driver.name,
    open: (request) => driver.open(request),
    createWriter: (handle, map, attempt) => driver.createWriter(handle, map, attempt),
    createReader: (handle, range) => {
      if (!range.ordered || made.broken >= times) return driver.createReader(handle, range);
      made.broken++;
      const reader = driver.createReader(handle, range);
      return {
        close: () => reader.close(),
        async *[Symbol.asyncIterator]() {
          for await (const block of reader) {
            yield block;
            throw error();
          }
        },
      };
    },
    vacant: (handle) => driver.vacant(handle),
    release: (handle) => driver.release(handle),
    close: () => driver.close(),
  } satisfies ShuffleDriver & { broken: number };
  return made;
}

async function read(driver: ShuffleDriver): Promise<unknown[]> {
  const world = await jobWorld({ url: fixture('words'), driver });
  const served = world.serve(lease(1));
  await world.coordinator.finished;
  const rows: unknown[] = [];
  try {
    for await (const batch of readResult(world.coordinator, driver)) rows.push(...rowsOf(batch));
    return rows;
  } finally {
    world.coordinator.close();
    await served;
  }
}

test('a partition that breaks off is read again, and no row of it is given twice', async () => {
  const whole = await read(createMemoryShuffle({ budgetBytes: 16 * 1024 * 1024 }));
  assert.equal(whole.length, 3);
  const driver = breaking(() => new SluiceError('MISSING', { shuffle: '0', maps: [0], what: 'a test' }), 2);
  assert.deepEqual(await read(driver), whole);
  assert.equal(driver.broken, 2);
});

test('what cannot be mended is thrown', async () => {
  await assert.rejects(read(breaking(() => new SluiceError('SHUFFLE_RELEASED', { shuffle: '0' }), 9)), { code: 'SHUFFLE_RELEASED' });
});
