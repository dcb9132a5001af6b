/** Small memories over a folder of their own, and enough rows that they do not suffice: what the tests of spilling share. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Batch, Schema } from '#runtime/batch/batch.ts';
import type { Value } from '#runtime/expression/values.ts';
import { createTaskMemory, type TaskMemory } from '#runtime/spill/memory.ts';
import { createScratch, type Scratch } from '#runtime/spill/scratch.ts';
import { batchOf, type Form } from '../batch/columns.ts';
import { field } from '../operators/run.ts';

export interface Tight {
  readonly memory: TaskMemory;
  readonly scratch: Scratch;
  readonly folder: string;
  /** Names in the folder. */
  names(): string[];
  remove(): void;
}

export function tight(budgetBytes: number): Tight {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-spill-'));
  const scratch = createScratch(folder);
  return {
    memory: createTaskMemory(budgetBytes, scratch),
    scratch,
    folder,
    names: () => readdirSync(folder),
    remove() {
      scratch.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Numbers in [0, 1), the same for the same seed. */
export function randomOf(seed: number): () => number {
  let state = (seed | 0) ^ 0x6d2b79f5;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** How keys are drawn from [0, distinct): evenly, as Zipf's law with exponent 1.5 has it, or all the same. */
export type Skew = 'even' | 'zipf' | 'one';

export function keysOf(skew: Skew, distinct: number, random: () => number): () => number {
  if (skew === 'one') return () => 0;
  if (skew === 'even') return () => Math.floor(random() * distinct);
  const sums: number[] = [];
  let total = 0;
  for (let k = 1; k <= distinct; k++) {
    total += k ** -1.5;
    sums.push(total);
  }
  return () => {
    const wanted = random() * total;
    let [low, high] = [0, distinct - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/** key, name: the key as a number and as a text, null now and then · id: which row it is · size, note: values. */
export const rowSchema: Schema = [field('key', 'int32'), field('name', 'utf8'), field('id', 'int32'), field('size', 'int64'), field('note', 'utf8')];

export function rowBatches(seed: number, rows: number, distinct: number, skew: Skew, schema = rowSchema): Batch[] {
  const random = randomOf(seed);
  const next = keysOf(skew, distinct, random);
  const batches: Batch[] = [];
  for (let from = 0; from < rows; ) {
    const count = Math.min(rows - from, 1 + Math.floor(random() * 700));
    const values = Array.from({ length: count }, (_, i): Value[] => {
      const key = next();
      const isNull = random() < 0.02;
      return [
        isNull ? null : key,
        isNull ? null : `k${key}`,
        from + i,
        BigInt(Math.floor(random() * 1e6)),
        random() < 0.1 ? null : 'x'.repeat(random() * 30),
      ];
    });
    const forms = schema.map((): Form => ({ dictionary: random() < 0.3, validity: random() < 0.3, cut: 0 }));
    batches.push(batchOf(schema, values, forms));
    from += count;
  }
  return batches;
}
