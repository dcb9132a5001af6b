/** A limit right above a sort that nothing else reads becomes a sort that keeps only so many rows. */
import type { Plan } from '../plan.ts';
import { consumersOf, rewrite } from '../rewrite.ts';

export function topN(plan: Plan): Plan {
  const consumers = consumersOf(plan);
  const absorbs = (id: number): boolean =>
    plan.nodes[id]!.kind === 'sort' && consumers[id]!.length === 1 && plan.nodes[consumers[id]![0]!]?.kind === 'limit';
  return rewrite(plan, (node, id, add, nodes) => {
    // The limit above adds it; until then the id of its input stands for it.
    if (node.kind === 'sort' && absorbs(id)) return node.input;
    const original = plan.nodes[id]!;
    if (node.kind !== 'limit' || original.kind !== 'limit' || !absorbs(original.input)) return add(node);
    const sort = plan.nodes[original.input]!;
    if (sort.kind !== 'sort') return add(node);
    const limit = Math.min(sort.limit ?? node.count, node.count);
    return add({ ...sort, input: node.input, limit, schema: nodes[node.input]!.schema });
  });
}
