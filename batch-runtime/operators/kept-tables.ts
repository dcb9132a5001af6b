/**
 * Tables of joins that the next task of a stage uses again: a side that is broadcast is the same for every task, so an executor fetches it
 * and builds its table once. One of these belongs to a lease; it keeps the tables of one stage, and forgets them when a task of
 * another one begins. Whoever uses a table says that it holds its bytes, as if it had built it.
 */
import type { BuiltTable } from './join.ts';
import type { KnownKeys } from './key-filter.ts';

export interface KeptTable {
  readonly table: BuiltTable | KnownKeys;
  /** Of the build side. */
  readonly bytes: number;
  readonly rows: number;
}

/** The place of one join of a task. */
export interface TablePlace {
  get(): KeptTable | null;
  put(kept: KeptTable): void;
  /** True once the join has taken what is kept: it wants no build side. */
  taken: boolean;
}

export interface KeptTables {
  /** @param side  what is broadcast, by name: another attempt of it is another one */
  placeOf(stage: number, operator: number, side: string): TablePlace;
}

export function createKeptTables(): KeptTables {
  let current = -1;
  const kept = new Map<string, KeptTable>();
  return {
    placeOf(stage, operator, side) {
      if (stage !== current) kept.clear();
      current = stage;
      const name = `${operator} ${side}`;
      return {
        taken: false,
        get: () => kept.get(name) ?? null,
        put(table) {
          if (stage === current) kept.set(name, table);
        },
      };
    },
  };
}
