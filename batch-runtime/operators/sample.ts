/**
 * A bounded, even sample of sort keys beside a stream that passes unchanged, and the range bounds made of the samples of all
 * tasks. Samples and bounds are plain JSON: they travel in task ends and assignments. The same input gives the same
 * sample.
 */
import type { Batch, ColumnType, Schema } from '../batch/batch.ts';
import { rowComparator } from '../batch/compare.ts';
import { fromPlain, type PlainValue, plainValue } from '../batch/rows.ts';
import type { SortKey } from '../graph/plan.ts';
import type { StageOperator } from '../graph/stage.ts';
import type { Operator } from './operator.ts';
import { columnOrder } from './sort.ts';

/** Keys of rows drawn evenly from `rows` rows. */
export interface Samples {
  readonly rows: number;
  readonly types: readonly ColumnType[];
  readonly keys: readonly (readonly PlainValue[])[];
}

/** Keys in order; partition p has the rows from bound p - 1 on, up to and without bound p. At most partitions - 1. */
export type RangeBounds = readonly (readonly PlainValue[])[];

export interface Sampler extends Operator {
  /** Of all that has passed. */
  samples(): Samples;
}

/** Keys kept per task: with 20 per partition and more in all, partitions come out within a few tens of a percent. */
const capacity = 2_000;
/** Longer texts are cut: any text can be a bound. */
const longestText = 128;

export function createSample(spec: Extract<StageOperator, { kind: 'sample' }>, input: Schema): Sampler {
  const order = columnOrder(input, spec.keys);
  const keys: PlainValue[][] = [];
  let rows = 0;
  let state = 0x2545f491;
  /** In (0, 1). */
  const random = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 0.5) / 4_294_967_296;
  };
  // Reservoir sampling by skips (Li's algorithm L): work per kept row, not per row.
  let weight = 1;
  let next = 0;
  const skip = (): void => {
    weight *= Math.exp(Math.log(random()) / capacity);
    next += Math.floor(Math.log(random()) / Math.log(1 - weight)) + 1;
  };
  const keyOf = (batch: Batch, i: number): PlainValue[] => order.map((o) => shortened(plainValue(batch.columns[o.column]!, i)));
  return {
    *process(element) {
      if (element.kind === 'batch') {
        const { batch } = element;
        while (next < rows + batch.length) {
          const key = keyOf(batch, next - rows);
          if (keys.length < capacity) {
            keys.push(key);
            if (keys.length < capacity) next++;
            else skip();
          } else {
            keys[Math.floor(random() * capacity)] = key;
            skip();
          }
        }
        rows += batch.length;
      }
      yield element;
    },
    samples: () => ({ rows, types: order.map((o) => input[o.column]!.type), keys }),
  };
}

function shortened(value: PlainValue): PlainValue {
  if (typeof value !== 'string' || value.length <= longestText) return value;
  const cut = value.slice(0, longestText);
  // Not through the middle of a surrogate pair.
  return /[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut;
}

/** Fields of the keys by position, for samples and bounds. */
const keySchema = (types: readonly ColumnType[]): Schema => types.map((type, k) => ({ name: String(k), type, nullable: true }));

/** Quantiles of the samples, each sample weighing the rows it stands for; equal bounds are one, so fewer may come. */
export function makeBounds(samples: readonly Samples[], partitions: number, keys: readonly SortKey[]): RangeBounds {
  const types = samples.find((s) => s.keys.length > 0)?.types;
  if (types === undefined || partitions < 2) return [];
  const rows = samples.flatMap((s) => s.keys.map((key) => ({ key, weight: s.rows / s.keys.length })));
  const batch = fromPlain(
    keySchema(types),
    rows.map((r) => r.key),
  );
  const order = keys.map((key, column) => ({ column, descending: key.descending }));
  const compare = rowComparator(batch.columns, batch.columns, order);
  const sorted = rows.map((_, i) => i).sort(compare);
  const total = rows.reduce((sum, r) => sum + r.weight, 0);
  const bounds: (readonly PlainValue[])[] = [];
  let last = sorted[0]!;
  let quantile = 0;
  let below = 0;
  for (const i of sorted) {
    // A bound stands before its row. A key that fills several partitions takes several quantiles with it.
    const reached = Math.min(partitions - 1, Math.floor((below * partitions) / total));
    if (reached > quantile && compare(last, i) !== 0) {
      bounds.push(rows[i]!.key);
      quantile = reached;
    }
    last = i;
    below += rows[i]!.weight;
  }
  return bounds;
}

/** The bounds as a batch of key columns, for comparing. */
export const boundsBatch = (schema: Schema, keys: readonly SortKey[], bounds: RangeBounds): Batch =>
  fromPlain(keySchema(columnOrder(schema, keys).map((o) => schema[o.column]!.type)), bounds);
