/**
 * Variance and standard deviation: of a sample or of everything. The state is the count, the mean and the sum of squared distances from
 * it, moved value by value (Welford) and put together (Chan), so that large numbers near each other keep their digits.
 */
import type { Column } from '../batch/batch.ts';
import { bitmapBytes, setBit } from '../batch/bitmap.ts';
import { makeColumn } from '../batch/column.ts';
import { grownDoubles } from './grown.ts';
import type { Accumulator, AggregateRow, AggregateRows } from './row.ts';

const float64 = { kind: 'float64' } as const;

const row = (doc: string, isSample: boolean, isRoot: boolean): AggregateRow => ({
  doc,
  empty: 'null',
  lone: isSample ? 'null' : 'value',
  nulls: 'skip',
  takes: float64,
  order: () => 'bits',
  resolve: () => float64,
  fields: ({ name }) => ['count', 'mean', 'squares'].map((part) => ({ name: `${name}.${part}`, type: float64, nullable: false })),
  create: () => new Variance(isSample, isRoot),
});

export const variances: AggregateRows = {
  variance: row('The variance of a sample, n - 1 in the divisor; null for a single value.', true, false),
  variancePop: row('The variance of all values, n in the divisor.', false, false),
  stddev: row('The standard deviation of a sample; null for a single value.', true, true),
  stddevPop: row('The standard deviation of all values.', false, true),
};

class Variance implements Accumulator {
  readonly #isSample: boolean;
  readonly #isRoot: boolean;
  /** By group: count, mean, sum of squared distances. */
  #state = new Float64Array(0);

  constructor(isSample: boolean, isRoot: boolean) {
    this.#isSample = isSample;
    this.#isRoot = isRoot;
  }

  get bytes(): number {
    return this.#state.byteLength;
  }

  grow(groups: number): void {
    if (3 * groups > this.#state.length) this.#state = grownDoubles(this.#state, 3 * groups);
  }

  update(group: Int32Array, length: number, argument: Column | null): void {
    const data = argument!.data as Float64Array;
    const state = this.#state;
    for (let i = 0; i < length; i++) {
      const g = group[i]!;
      if (g < 0) continue;
      const value = data[i]!;
      const count = state[3 * g]! + 1;
      const distance = value - state[3 * g + 1]!;
      const mean = state[3 * g + 1]! + distance / count;
      state[3 * g] = count;
      state[3 * g + 1] = mean;
      state[3 * g + 2]! += distance * (value - mean);
    }
  }

  merge(group: Int32Array, length: number, columns: readonly Column[]): void {
    const [counts, means, squares] = columns.map(({ data }) => data as Float64Array);
    const state = this.#state;
    for (let i = 0; i < length; i++) {
      const g = group[i]!;
      const more = counts![i]!;
      if (more === 0) continue;
      const before = state[3 * g]!;
      const count = before + more;
      const distance = means![i]! - state[3 * g + 1]!;
      state[3 * g] = count;
      state[3 * g + 1]! += (distance * more) / count;
      state[3 * g + 2]! += squares![i]! + distance * distance * ((before * more) / count);
    }
  }

  partial(groups: number): Column[] {
    return [0, 1, 2].map((part) =>
      makeColumn(
        float64,
        groups,
        Float64Array.from({ length: groups }, (_, g) => this.#state[3 * g + part]!),
      ),
    );
  }

  final(groups: number): Column {
    const data = new Float64Array(groups);
    const validity = new Uint8Array(bitmapBytes(groups));
    for (let g = 0; g < groups; g++) {
      const count = this.#state[3 * g]!;
      const divisor = this.#isSample ? count - 1 : count;
      if (divisor <= 0) continue;
      const variance = this.#state[3 * g + 2]! / divisor;
      data[g] = this.#isRoot ? Math.sqrt(variance) : variance;
      setBit(validity, g);
    }
    return makeColumn(float64, groups, data, validity);
  }
}
