/**
 * Equal sub-plans are worked out once: where two joins, aggregates, sorts or windows do the same over equal inputs, one of them stays. What only reads,
 * filters and computes is not worth it: to read a file twice is cheaper than to hand its rows to two places. A node is not equal to
 * another when what it gives is not settled by its inputs, as with a function of the user's that may not be pure.
 */
import { isDeterministic } from '../../expression/expression.ts';
import { inputsOf, type NodeId, type Plan, type PlanNode } from '../plan.ts';
import { mapExpressions, rewrite, withInputs } from '../rewrite.ts';
import { dropUnused } from './drop-unused.ts';

const worthIt: ReadonlySet<PlanNode['kind']> = new Set(['aggregate', 'join', 'window', 'sort', 'expand']);

export function shareEqual(plan: Plan): Plan {
  /** By what a node does, a number; equal nodes have the same. */
  const meanings = new Map<string, number>();
  /** By node; null: it is equal to none. */
  const meaningOf: (number | null)[] = [];
  const first = new Map<number, NodeId>();
  return dropUnused(
    rewrite(plan, (node, _, add, nodes) => {
      const inputs = inputsOf(node).map((input) => meaningOf[input]!);
      let meaning: number | null = null;
      if (inputs.every((input) => input !== null) && isSettled(node)) {
        let at = 0;
        const text = textOf(withInputs(node, () => inputs[at++]!));
        meaning = meanings.get(text) ?? meanings.size;
        meanings.set(text, meaning);
        const same = worthIt.has(node.kind) ? first.get(meaning) : undefined;
        if (same !== undefined) return same;
        if (!first.has(meaning)) first.set(meaning, nodes.length);
      }
      const id = add(node);
      meaningOf[id] = meaning;
      return id;
    }),
  );
}

/** What it does, to what: all of it but its name. */
const textOf = (node: PlanNode): string =>
  JSON.stringify({ ...node, uid: '', ...('name' in node ? { name: '' } : {}) }, (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  );

function isSettled(node: PlanNode): boolean {
  if (node.kind === 'sink' || node.kind === 'rows') return false;
  let settled = true;
  mapExpressions(node, (expression) => {
    settled &&= isDeterministic(expression);
    return expression;
  });
  return settled;
}
