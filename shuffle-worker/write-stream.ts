/**
 * The worker's side of one write stream on one connection: blocks go to the store as they come, each frame is
 * acknowledged, and the manifest when it has reached the level that was asked for. What was taken outlives the connection in
 * the store, where a resumed stream finds it. Made by session.ts.
 */

import type { Clock } from '#manager/process/ports.ts';
import { levels } from '#manager/protocol/control.ts';
import { asSluiceError, SluiceError } from '#manager/protocol/errors.ts';
import { shuffleText } from '#manager/protocol/ids.ts';
import { maxWritePartitions } from './limits.ts';
import { manifestPartition, verifyBlock } from './protocol/block.ts';
import { errorMessage, type Message, type MessageOf } from './protocol/frames.ts';
import type { Incoming, Store, StoredStream } from './store/store.ts';

export interface WriteServing {
  readonly store: Store;
  readonly clock: Clock;
  /** Which stream of which connection feeds a stored one: the last that opened it. */
  readonly feeding: WeakMap<StoredStream, WriteStream>;
}

export interface WriteLink {
  tell(message: Message): void;
  /** What the connection may be granted with an acknowledgement. */
  refill(): number;
  /** The stream has ended: frames for it are passed by. */
  ended(id: number): void;
}

export class WriteStream {
  readonly id: number;
  readonly #serving: WriteServing;
  readonly #link: WriteLink;
  readonly #stored: StoredStream;
  readonly #level: number;
  /** The manifest has come and waits for its level. */
  #finishing = false;
  #over = false;

  /** Opens or resumes, and says how far the stream has come. @throws IDENTITY_MISMATCH for a request that cannot be one · NO_SPACE */
  constructor(serving: WriteServing, link: WriteLink, request: MessageOf<'openWrite'>) {
    this.id = request.stream;
    this.#serving = serving;
    this.#link = link;
    this.#level = request.level;
    checkRange(request);
    const { shuffle, map, attempt, section, location, partitionFrom, partitionTo } = request;
    if (serving.store.isFull) throw new SluiceError('NO_SPACE', { what: 'memory and disk of this worker are used up' });
    const target = { shuffle, map, attempt, section, location, partitionFrom, partitionTo } as Incoming;
    const stored = serving.store.open(target);
    if (stored.target.partitionFrom !== partitionFrom || stored.target.partitionTo !== partitionTo) {
      throw new SluiceError('IDENTITY_MISMATCH', { what: `map ${map}, attempt ${attempt} was opened with another range of partitions` });
    }
    this.#stored = stored;
    // What is still on its way over an older connection must not be taken between what comes now.
    serving.feeding.get(stored)?.leave();
    serving.feeding.set(stored, this);
    link.tell({ type: 'opened', stream: this.id, accepted: stored.accepted, grantBytes: 0, ledgerVersion: 0, backlogBytes: 0n });
  }

  /** Takes the blocks at [address, address + length) of the arena, which are the store's from now on. */
  take(address: number, length: number): void {
    const { store } = this.#serving;
    const { memory } = store.options;
    const { cell } = this.#stored;
    if (this.#over || cell) {
      if (cell && !this.#over) this.#takeAgain(memory.bytes.subarray(address, address + length), cell.manifestHash);
      memory.arena.free(address, length);
      return;
    }
    try {
      store.write(this.#stored, address, length);
    } catch (thrown) {
      this.fail(asSluiceError(thrown));
      return;
    }
    if (this.#stored.gone) this.fail(this.#goneError());
    else if (this.#stored.cell) this.#finish();
  }

  /** Says how far the stream has come; after the frames that were received together. */
  acknowledge(): void {
    if (this.#over) return;
    this.#link.tell({ type: 'ack', stream: this.id, accepted: this.#stored.accepted, level: 0, grantBytes: this.#link.refill(), final: 0 });
  }

  /** The client does not want it any more: what was taken is dropped. */
  abort(): void {
    if (this.#over) return;
    this.leave();
    this.#serving.store.abort(this.#stored);
  }

  fail(error: SluiceError): void {
    if (this.#over) return;
    // What was taken before a damaged block is right, and the stream goes on there. Everything else ends the attempt.
    if (error.code === 'CORRUPT_BLOCK') this.leave();
    else this.abort();
    this.#link.tell(errorMessage(this.id, error));
  }

  /** The shuffle was released: said now, instead of at the next block. */
  released(): void {
    if (!this.#over && this.#stored.data.released) this.fail(this.#goneError());
  }

  /** Ends the attempt when its folder has failed, or (`starved`) when there has been no memory for it for long; one that is complete goes on. */
  refuseWhenStuck(starved: boolean): void {
    if (this.#over || this.#stored.cell) return;
    const { failed } = this.#stored.shelf.directory;
    if (failed || starved)
      this.fail(
        new SluiceError('NO_SPACE', { what: failed ? 'a data folder of this worker has failed' : 'memory is short and the disk takes nothing' }),
      );
  }

  /** Stops feeding: the connection is gone, or another one has taken over. What was taken waits for a while. */
  leave(): void {
    if (this.#over) return;
    this.#over = true;
    const { feeding, clock } = this.#serving;
    if (feeding.get(this.#stored) === this) {
      feeding.delete(this.#stored);
      this.#stored.orphanedAt = clock.now();
    }
    this.#link.ended(this.id);
  }

  #finish(): void {
    if (this.#finishing) return;
    this.#finishing = true;
    const { store } = this.#serving;
    store.whenAt(this.#stored, levels[this.#level]!, (error) => {
      if (this.#over) return;
      if (error) return this.fail(error);
      const accepted = this.#stored.accepted;
      this.leave();
      this.#link.tell({ type: 'ack', stream: this.id, accepted, level: this.#level, grantBytes: this.#link.refill(), final: 1 });
    });
  }

  /** What comes behind the manifest: it again, because its acknowledgement got lost, perhaps damaged; or what has no place here. */
  #takeAgain(bytes: Uint8Array, manifestHash: bigint): void {
    const block = verifyBlock(bytes, 0);
    const { map, attempt } = this.#stored.target;
    if (block.kind === 'block' && block.headerHash === manifestHash && block.bytes === bytes.length) this.#finish();
    else {
      // Nothing of what is complete, and perhaps committed, is touched.
      this.leave();
      const what = `behind the manifest of map ${map}, attempt ${attempt}`;
      this.#link.tell(errorMessage(this.id, new SluiceError(block.kind === 'corrupt' ? 'CORRUPT_BLOCK' : 'IDENTITY_MISMATCH', { what })));
    }
  }

  #goneError(): SluiceError {
    const { shuffle, map, attempt } = this.#stored.target;
    if (this.#stored.data.released) return new SluiceError('SHUFFLE_RELEASED', { shuffle: shuffleText(shuffle) });
    return new SluiceError('NO_SPACE', { what: `what was taken of map ${map}, attempt ${attempt} was dropped` });
  }
}

function checkRange({ partitionFrom, partitionTo, level }: MessageOf<'openWrite'>): void {
  const what =
    partitionFrom >= partitionTo || partitionTo > manifestPartition
      ? 'no range of partitions'
      : partitionTo - partitionFrom > maxWritePartitions
        ? `more than ${maxWritePartitions} partitions`
        : level >= levels.length
          ? 'no such level'
          : '';
  if (what) throw new SluiceError('IDENTITY_MISMATCH', { what: `OPEN_WRITE with ${what}` });
}
