/**
 * A bug on purpose: from here on, every operator of one kind spoils what it gives. Stands between the engine and its table of
 * operators by a hook of the module loader, so the engine knows nothing of it. What is loaded already stays right: plant first.
 */
import { registerHooks } from 'node:module';
import type { Batch } from '#runtime/batch/batch.ts';
import { Dice } from './dice.ts';

export const kinds = ['filter', 'project', 'aggregate', 'join', 'sort', 'limit', 'sample'] as const;
export const faults = ['loses the last row', 'gives its rows twice', 'gives the first row in the place of the last'] as const;
export type Fault = (typeof faults)[number];

/** Breaks one kind of operator, chosen by the seed or given; answers which and how. */
export function plant(seed: number, kind = new Dice(seed, 7).pick(kinds), fault = new Dice(seed, 8).pick(faults)): string {
  const table = new URL('../../batch-runtime/operators/table.ts', import.meta.url).href;
  const wrapper = new URL('./spoil.ts', import.meta.url);
  wrapper.search = `?kind=${kind}&fault=${encodeURIComponent(fault)}`;
  registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context);
      return found.url === table && !context.parentURL?.startsWith(wrapper.href) ? { ...found, url: wrapper.href } : found;
    },
  });
  return `${kind} ${fault}`;
}

/** The rows of a batch with the fault in them, as indexes. */
export function spoiled({ length }: Batch, fault: Fault): number[] {
  const rows = Array.from({ length }, (_, i) => i);
  if (fault === 'loses the last row') return rows.slice(0, -1);
  return fault === 'gives its rows twice' ? [...rows, ...rows] : [...rows.slice(0, -1), 0];
}
