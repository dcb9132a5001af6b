/**
 * The columns a node of the plan compares, hashes or orders rows by. A list or a struct is none: it passes through every node, but
 * nothing goes by it. Asked when a node is added to a plan.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { isNested, type Schema } from '../batch/batch.ts';
import type { NodeId, PlanNode } from './plan.ts';

/** Of each input, the names of the columns that are keys. */
export function keysOf(node: PlanNode): readonly { readonly input: NodeId; readonly names: readonly string[] }[] {
  switch (node.kind) {
    case 'aggregate':
    case 'repartition':
      return [{ input: node.input, names: node.keys }];
    case 'sort':
      return [{ input: node.input, names: node.keys.map(({ name }) => name) }];
    case 'window':
      return [{ input: node.input, names: [...node.partitionBy, ...node.orderBy.map(({ name }) => name)] }];
    case 'join': {
      const { asOf } = node;
      return [
        { input: node.left, names: [...node.leftKeys, ...(asOf === undefined ? [] : [asOf.left])] },
        { input: node.right, names: [...node.rightKeys, ...(asOf === undefined ? [] : [asOf.right])] },
      ];
    }
    default:
      return [];
  }
}

/** @throws PLAN_UNSUPPORTED when one is a list or a struct */
export function refuseNestedKeys(node: PlanNode, schemaOf: (id: NodeId) => Schema): void {
  for (const { input, names } of keysOf(node)) {
    const nested = schemaOf(input).find((field) => names.includes(field.name) && isNested(field.type));
    if (nested === undefined) continue;
    const instead = nested.type.kind === 'list' ? 'unnest it, or name a value of it: t.tags.at(0)' : "name a field of it: t.place.field('city')";
    throw new SluiceError('PLAN_UNSUPPORTED', { what: `${node.uid}: ${nested.name} is a ${nested.type.kind}, which is no key: ${instead}` });
  }
}
