/**
 * Layouts as a worker needs them: pulled from the manager when a reader names a newer version than is known, and kept.
 * A worker that cannot get one says LEDGER_UNAVAILABLE; it never guesses. Used by the read streams and the store.
 */
import type { ManagerCalls } from '#manager/protocol/control.ts';
import { asSluiceError, SluiceError } from '#manager/protocol/errors.ts';
import { type ShuffleId, shuffleText } from '#manager/protocol/ids.ts';
import { type LayoutView, viewLayout } from '#manager/protocol/layout.ts';
import { noAttempt } from './protocol/block.ts';

interface Known {
  view: LayoutView | null;
  /** By location: the winners of its maps. */
  winners: Map<number, Uint32Array>;
  pull: Promise<LayoutView> | null;
}

export class Layouts {
  readonly #manager: ManagerCalls;
  readonly #known = new Map<ShuffleId, Known>();

  constructor(manager: ManagerCalls) {
    this.#manager = manager;
  }

  /** The layout at `version` or newer. @throws SHUFFLE_UNKNOWN, SHUFFLE_RELEASED · LEDGER_UNAVAILABLE when the manager does not answer, or is behind */
  async at(shuffle: ShuffleId, version: number): Promise<LayoutView> {
    for (let tries = 0; tries < 2; tries++) {
      const view = this.#known.get(shuffle)?.view;
      if (view && view.layout.version >= version) return view;
      await this.#pull(shuffle);
    }
    const view = this.#known.get(shuffle)?.view;
    if (view && view.layout.version >= version) return view;
    throw new SluiceError('LEDGER_UNAVAILABLE', { what: `the manager has no version ${version} of shuffle ${shuffleText(shuffle)}` });
  }

  /** The attempts committed for the maps of a location, from its mapFrom on; noAttempt where none is. `view` is what `at` answered. */
  winnersOf(view: LayoutView, location: number): Uint32Array | null {
    const where = view.layout.locations[location];
    if (!where) return null;
    const known = this.#known.get(BigInt(view.layout.shuffle) as ShuffleId);
    const cached = known?.view === view ? known.winners.get(location) : undefined;
    if (cached) return cached;
    const winners = new Uint32Array(where.mapTo - where.mapFrom);
    for (let i = 0; i < winners.length; i++) {
      const attempt = view.winner(where.mapFrom + i, location);
      winners[i] = attempt < 0 ? noAttempt : attempt;
    }
    if (known?.view === view) known.winners.set(location, winners);
    return winners;
  }

  forget(wanted: (shuffle: ShuffleId) => boolean): void {
    for (const shuffle of this.#known.keys()) if (wanted(shuffle)) this.#known.delete(shuffle);
  }

  /** One call at a time per shuffle; who asks meanwhile shares its answer. */
  #pull(shuffle: ShuffleId): Promise<LayoutView> {
    let known = this.#known.get(shuffle);
    if (!known) {
      known = { view: null, winners: new Map(), pull: null };
      this.#known.set(shuffle, known);
    }
    const entry = known;
    entry.pull ??= this.#ask(shuffle, entry).finally(() => {
      entry.pull = null;
      if (!entry.view) this.#known.delete(shuffle);
    });
    return entry.pull;
  }

  async #ask(shuffle: ShuffleId, known: Known): Promise<LayoutView> {
    try {
      const layout = await this.#manager.layout({ shuffle: shuffleText(shuffle), after: -1, waitMs: 0 });
      if (!known.view || layout.version > known.view.layout.version) {
        known.view = viewLayout(layout);
        known.winners.clear();
      }
      return known.view;
    } catch (thrown) {
      const error = asSluiceError(thrown);
      if (error.code === 'SHUFFLE_UNKNOWN' || error.code === 'SHUFFLE_RELEASED') throw error;
      throw new SluiceError('LEDGER_UNAVAILABLE', { what: error.message }, { cause: error });
    }
  }
}
