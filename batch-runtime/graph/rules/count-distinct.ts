/**
 * Counting the different values of one column becomes two levels of groups: by the keys and the value, then by the keys alone. Each task
 * leaves out what it has seen before rows are sent, tasks share a group's values, and no group's values have to fit in one memory. Only
 * where nothing else is asked of the groups: other aggregates would have to be carried through the first level.
 */
import type { Aggregate } from '../../expression/expression.ts';
import type { Plan } from '../plan.ts';
import { rewrite } from '../rewrite.ts';

export const countDistinct = (plan: Plan): Plan =>
  rewrite(plan, (node, _id, add, nodes) => {
    if (node.kind !== 'aggregate') return add(node);
    const value = onlyColumn(node.aggregates);
    if (value === null || node.keys.includes(value)) return add(node);
    const names = [...node.keys, value];
    const schema = names.map((name) => nodes[node.input]!.schema.find((field) => field.name === name)!);
    const input = add({ kind: 'aggregate', uid: `${node.uid}.values`, input: node.input, keys: names, aggregates: [], schema });
    return add({ ...node, input, aggregates: node.aggregates.map((each) => ({ ...each, fn: 'count' })) });
  });

/** The one column of which all count the different values, in every row. */
function onlyColumn(aggregates: readonly Aggregate[]): string | null {
  const [first] = aggregates;
  if (first?.argument?.op !== 'column') return null;
  const { name } = first.argument;
  const isIt = ({ fn, argument, filter }: Aggregate): boolean =>
    fn === 'countDistinct' && filter === null && argument?.op === 'column' && argument.name === name;
  return aggregates.every(isIt) ? name : null;
}
