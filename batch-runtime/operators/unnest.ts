/**
 * A row for each value of a list, in the order of the lists and of their values; the other columns repeat. Gives batches of the usual
 * size, however long the lists are. Watermarks and barriers pass. Made by execute/task.ts.
 */
import { type Batch, batchRows, type Column, type Schema } from '../batch/batch.ts';
import { bitmapBytes, setBit } from '../batch/bitmap.ts';
import { isNull, makeBatch, makeColumn } from '../batch/column.ts';
import { highLane, lowLane } from '../batch/lanes.ts';
import { takeColumn, takeOrNull } from '../batch/take.ts';
import type { Element } from '../element.ts';
import type { StageOperator } from '../graph/stage.ts';
import type { Operator } from './operator.ts';

type Spec = Extract<StageOperator, { kind: 'unnest' }>;

export function createUnnest(spec: Spec, input: Schema): Operator {
  const at = input.findIndex(({ name }) => name === spec.column);
  const places = spec.schema.map(({ name }) => input.findIndex((field) => field.name === name));
  return {
    *process(element: Element): Iterable<Element> {
      if (element.kind !== 'batch') yield element;
      else for (const batch of unnest(spec, element.batch, at, places)) yield { kind: 'batch', batch };
    },
  };
}

/** Which rows of the input, and which of their values, make up a batch; value -1: none, which outer gives. */
interface Pick {
  readonly rows: Int32Array;
  readonly items: Int32Array;
  readonly ordinals: Int32Array;
  count: number;
}

function* unnest(spec: Spec, batch: Batch, at: number, places: readonly number[]): Generator<Batch> {
  const list = batch.columns[at]!;
  const offsets = list.offsets!;
  const total = offsets[batch.length]! - offsets[0]! + (spec.outer ? batch.length : 0);
  const size = Math.min(batchRows, total);
  const pick: Pick = { rows: new Int32Array(size), items: new Int32Array(size), ordinals: new Int32Array(size), count: 0 };
  for (let row = 0; row < batch.length; row++) {
    const from = offsets[row]!;
    const to = isNull(list, row) ? from : offsets[row + 1]!;
    const none = from === to && spec.outer ? 1 : 0;
    for (let item = from; item < to + none; item++) {
      const k = pick.count++;
      pick.rows[k] = row;
      pick.items[k] = none === 1 ? -1 : item;
      pick.ordinals[k] = item - from + 1;
      if (pick.count === size) yield picked(spec, batch, list, places, pick);
    }
  }
  if (pick.count > 0) yield picked(spec, batch, list, places, pick);
}

/** The batch of what is picked; the picks start anew. */
function picked(spec: Spec, batch: Batch, list: Column, places: readonly number[], pick: Pick): Batch {
  const { rows, items, ordinals, count } = pick;
  pick.count = 0;
  const columns = spec.schema.map(({ name }, c) => {
    if (name === spec.item) return spec.outer ? takeOrNull(list.children[0]!, items, count) : takeColumn(list.children[0]!, items, count);
    return name === spec.ordinality ? ordinalColumn(ordinals, items, count) : takeColumn(batch.columns[places[c]!]!, rows, count);
  });
  return makeBatch(spec.schema, count, columns);
}

function ordinalColumn(ordinals: Int32Array, items: Int32Array, count: number): Column {
  const data = new Int32Array(2 * count);
  const validity = new Uint8Array(bitmapBytes(count));
  let there = 0;
  for (let k = 0; k < count; k++) {
    if (items[k]! < 0) continue;
    setBit(validity, k);
    there++;
    data[2 * k] = lowLane(ordinals[k]!);
    data[2 * k + 1] = highLane(ordinals[k]!);
  }
  return makeColumn({ kind: 'integer' }, count, data, there === count ? null : validity);
}
