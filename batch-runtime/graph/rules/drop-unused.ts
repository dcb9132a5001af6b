/** Leaves out nodes that lead to no sink and not to the result: tables that were made and never used. */
import { inputsOf, type Plan } from '../plan.ts';
import { rewrite } from '../rewrite.ts';

export function dropUnused(plan: Plan): Plan {
  const used = plan.nodes.map((node, id) => node.kind === 'sink' || id === plan.result);
  for (let id = plan.nodes.length - 1; id >= 0; id--) {
    if (used[id]) for (const input of inputsOf(plan.nodes[id]!)) used[input] = true;
  }
  return rewrite(plan, (node, id, add) => (used[id] ? add(node) : null));
}
