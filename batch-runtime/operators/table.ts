/**
 * One line per kind of operator: how a task makes it. Scans, values, fetches, stores and sinks are not here: they are
 * asynchronous and run by execute/task.ts around the operators.
 */
import assert from 'node:assert/strict';
import type { Schema } from '../batch/batch.ts';
import type { UserFunction } from '../graph/plan.ts';
import type { StageOperator } from '../graph/stage.ts';
import { type TaskMemory, unbounded } from '../spill/memory.ts';
import { createAggregate } from './aggregate.ts';
import { createExpand } from './expand.ts';
import { createFilter } from './filter.ts';
import type { TablePlace } from './kept-tables.ts';
import { createKeyFilter } from './key-filter.ts';
import { createKeys } from './keys.ts';
import { createLimit } from './limit.ts';
import type { Operator } from './operator.ts';
import { createProject } from './project.ts';
import { createSample } from './sample.ts';
import { createSort } from './sort.ts';
import { createSpillingJoin } from './spilling-join.ts';
import { createTopGroups } from './top-groups.ts';
import { createUnion } from './union.ts';
import { createUnnest } from './unnest.ts';
import { createWindow } from './window.ts';

export type { Sampler, Samples } from './sample.ts';

/**
 * @param inputs  schemas of its inputs, by port
 * @param memory  of the task; those that keep rows take a share of it
 * @param place   of a join whose table the next task may use again
 */
export function createOperator(
  spec: StageOperator,
  inputs: readonly Schema[],
  functions: readonly UserFunction[],
  memory: TaskMemory = unbounded(),
  place: TablePlace | null = null,
): Operator {
  const input = inputs[0] ?? [];
  switch (spec.kind) {
    case 'filter':
      return createFilter(spec, input, functions);
    case 'project':
      return createProject(spec, input, functions);
    case 'aggregate':
      return createAggregate(spec, input, functions, memory.open());
    case 'join':
      if (spec.keysUpTo !== undefined) return createKeyFilter(spec, spec.keysUpTo, inputs, memory.open(), place);
      return createSpillingJoin(spec, inputs, functions, memory.open(), place);
    case 'sort':
      return createSort(spec, input, memory.open());
    case 'union':
      return createUnion(spec, inputs.length);
    case 'expand':
      return createExpand(spec, input, functions);
    case 'unnest':
      return createUnnest(spec, input);
    case 'window':
      return createWindow(spec, input, functions, memory.open());
    case 'top-groups':
      return createTopGroups(spec, input, memory.open());
    case 'limit':
      return createLimit(spec);
    case 'keys':
      return createKeys(spec, input, memory.open());
    case 'sample':
      return createSample(spec, input);
    default:
      assert.fail(`a ${spec.kind} is not an operator`);
  }
}
