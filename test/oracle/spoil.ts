/** Stands in the place of the engine's table of operators while a bug is planted: the same operators, one kind of them spoiled. */
import { take } from '#runtime/batch/take.ts';
import type { Operator } from '#runtime/operators/operator.ts';
import { createOperator as create, type Sampler } from '#runtime/operators/table.ts';
import { type Fault, spoiled } from './plant.ts';

export type { Sampler, Samples } from '#runtime/operators/table.ts';

const search = new URL(import.meta.url).searchParams;

export const createOperator: typeof create = (spec, inputs, functions, memory) => {
  const right = create(spec, inputs, functions, memory);
  return spec.kind === search.get('kind') ? wrapped(right, search.get('fault') as Fault) : right;
};

const wrapped = (right: Operator, fault: Fault): Operator & Pick<Sampler, 'samples'> => ({
  *process(element, port) {
    for (const out of right.process(element, port)) {
      yield out.kind === 'batch' ? { kind: 'batch', batch: take(out.batch, Int32Array.from(spoiled(out.batch, fault))) } : out;
    }
  },
  samples: () => (right as Sampler).samples(),
});
