/**
 * A filter that keeps the rows up to a number in their partition lets the window below it leave out the others before they are sent: `rowNumber
 * <= 3` needs three rows of each partition. Only where every function of the window looks at the rows before a row alone, and
 * nothing else reads it. The filter stays.
 */
import type { Expression } from '../../expression/expression.ts';
import { literalValue } from '../../expression/values.ts';
import type { Plan } from '../plan.ts';
import { conjuncts, consumersOf, type NodeOf, rewrite } from '../rewrite.ts';

/** They do not ask what comes behind a row; a row that is left out is behind those that stay. */
const backward = new Set(['rowNumber', 'rank', 'denseRank', 'lag']);
/** At most so many rows of each partition: with more, nothing would be saved. */
const most = 10_000;

export function topGroups(plan: Plan): Plan {
  const consumers = consumersOf(plan);
  return rewrite(plan, (node, id, add) => {
    const [only, ...others] = consumers[id]!;
    const above = only === undefined || others.length > 0 ? undefined : plan.nodes[only];
    if (node.kind !== 'window' || above?.kind !== 'filter' || !node.functions.every(({ fn }) => backward.has(fn))) return add(node);
    const limits = conjuncts(above.condition).flatMap((part) => limitOf(part, node) ?? []);
    const limit = Math.min(...limits);
    return add(limits.length > 0 && limit <= most ? { ...node, limit: Math.max(0, limit) } : node);
  });
}

/** The largest row number for which it may be true. */
function limitOf(part: Expression, window: NodeOf<'window'>): number | null {
  if (part.op !== 'call') return null;
  const [left, right] = part.args;
  if (left?.op !== 'column' || right?.op !== 'literal') return null;
  if (!window.functions.some(({ name, fn }) => name === left.name && fn === 'rowNumber')) return null;
  const value = Number(literalValue(right));
  if (Number.isNaN(value)) return null;
  if (part.fn === 'lte' || part.fn === 'eq') return Math.floor(value);
  return part.fn === 'lt' ? Math.ceil(value) - 1 : null;
}
