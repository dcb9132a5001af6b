/** What verbs of a case are made with: a table in the making, and what adds a step to it. */
import type { Key, Step } from './case.ts';
import type { Dice } from './dice.ts';
import type { Column } from './known.ts';

/** A table in the making: a step and what is known of it. */
export interface Table {
  readonly step: number;
  readonly rows: number;
  readonly columns: readonly Column[];
  readonly order: readonly Key[];
  /** No two rows that differ are equal in the order. */
  readonly total: boolean;
}

export interface Making {
  readonly dice: Dice;
  /** A name that no column has. */
  newName(): string;
  add(step: Step, from: Table, changes: Partial<Table>): Table;
  /** By all columns that are exact, the others being dropped; null when there are none. */
  sorted(from: Table): Table | null;
}

/** The most rows that a table is meant to have. */
export const mostRows = 50_000;
export const unordered = { order: [], total: false } as const;
/** What can be compared, sorted and grouped by with one outcome. */
export const exactOf = (from: Table): Column[] => from.columns.filter(({ grain }) => grain !== 'inexact');
export const namesOf = (columns: readonly { readonly name: string }[]): string[] => columns.map(({ name }) => name);
export const log2 = (value: number): number => Math.ceil(Math.log2(Math.max(1, value))) + 1;
