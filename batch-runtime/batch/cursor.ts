/**
 * The row as a user's function sees it: an object with a property per column, each read from the batch when it is touched
 * and not before, so that a wide row costs what the function looks at. A row stays right after its batch has gone on. It is
 * read by names: `{ ...row }` and `Object.keys` find nothing, and what checks a function's results says so.
 */
import { inspect } from 'node:util';
import type { Batch, Schema } from './batch.ts';
import { type Row, type RowValue, rowValue } from './rows.ts';

/** A row of one batch, lazily. */
export type Cursor = (row: number) => object;

/** Makes the rows of batches of this schema; one class for all of them, so that functions stay fast. */
export function cursorOf(schema: Schema): (batch: Batch) => Cursor {
  class LazyRow {
    readonly #batch: Batch;
    readonly #row: number;

    constructor(batch: Batch, row: number) {
      this.#batch = batch;
      this.#row = row;
    }

    static value(row: LazyRow, column: number): RowValue {
      return rowValue(row.#batch.columns[column]!, row.#row);
    }

    static plain(row: LazyRow): Row {
      return Object.fromEntries(schema.map(({ name }, column) => [name, LazyRow.value(row, column)]));
    }
  }
  const { prototype } = LazyRow;
  const silently = (name: PropertyKey, value: (this: LazyRow) => unknown): void => {
    Object.defineProperty(prototype, name, { value, configurable: true });
  };
  // For console.log and JSON.stringify; a column of that name goes first.
  silently(inspect.custom, function () {
    return LazyRow.plain(this);
  });
  silently('toJSON', function () {
    return LazyRow.plain(this);
  });
  schema.forEach(({ name }, column) => {
    Object.defineProperty(prototype, name, {
      enumerable: true,
      configurable: true,
      get(this: LazyRow) {
        return LazyRow.value(this, column);
      },
    });
  });
  return (batch) => (row) => new LazyRow(batch, row);
}
