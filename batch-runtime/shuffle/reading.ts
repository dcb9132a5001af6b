/**
 * A shuffle reader made from a generator of blocks: one use, and an end only when the generator has ended. What the
 * drivers have in common about readers is here, so that no driver can end one early in silence; what a block is and
 * where it comes from is the driver's. Called by the drivers only.
 */
import assert from 'node:assert/strict';
import { SluiceError } from '#manager/protocol/errors.ts';
import type { ReadRange, ReceivedBlock, ShuffleHandle, ShuffleReader } from './spi.ts';

/** `blocks` starts when the first block is asked for and frees what it holds in its own `finally`. */
export function readerOf(blocks: AsyncGenerator<ReceivedBlock, void, undefined>): ShuffleReader {
  let used = false;
  let closed = false;
  const close = async (): Promise<void> => {
    closed = true;
    await blocks.return();
  };
  const iterator: AsyncIterator<ReceivedBlock> = {
    async next() {
      // A closed reader that said `done` could be taken for one that has seen everything.
      if (closed) throw new SluiceError('INTERRUPTED');
      const next = await blocks.next();
      if (closed) throw new SluiceError('INTERRUPTED');
      return next;
    },
    async return() {
      await close();
      return { done: true, value: undefined };
    },
  };
  return {
    close,
    [Symbol.asyncIterator]() {
      assert.ok(!used, 'a shuffle reader is read once');
      used = true;
      return iterator;
    },
  };
}

/** A range outside the shuffle is a mistake of the caller. */
export function assertRange(handle: ShuffleHandle, range: ReadRange): void {
  assert.ok(range.partitionFrom >= 0 && range.partitionFrom <= range.partitionTo && range.partitionTo <= handle.partitions, 'partition range');
  assert.ok(range.mapFrom >= 0 && range.mapFrom <= range.mapTo && range.mapTo <= handle.maps, 'map range');
}

/** The error of maps whose blocks cannot be had; they are vacant when it is thrown. */
export const missing = (shuffle: string, maps: readonly number[], what: string): SluiceError => new SluiceError('MISSING', { shuffle, maps, what });
