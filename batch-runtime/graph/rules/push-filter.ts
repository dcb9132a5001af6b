/**
 * Filters as early as possible: the parts of a condition that cannot throw move below projects that only rename, into the side of
 * a join they speak of, into every input of a union, below an unnest of another column, below the keys of a group, below a sort; and what stands right above a scan is told to the source, which
 * may leave out what its statistics exclude. Parts that can throw (a division, a cast, a user function) stay where they were
 * written, so that a filter below them still guards them.
 */
import type { Schema } from '../../batch/batch.ts';
import type { Expression } from '../../expression/expression.ts';
import type { NodeId, Plan, PlanNode } from '../plan.ts';
import { allOf, columnsIn, conjuncts, consumersOf, type NodeOf, reference, replaceColumns, rewrite, withInputs } from '../rewrite.ts';

export function pushFilters(plan: Plan): Plan {
  let pushed = plan;
  // Each step moves a condition down by a node, so the depth of the plan bounds them.
  for (let next = step(pushed); next !== null; next = step(pushed)) pushed = next;
  return tellSources(pushed);
}

const harmless = new Set([
  'eq',
  'ne',
  'lt',
  'lte',
  'gt',
  'gte',
  'between',
  'in',
  'isNull',
  'isNotNull',
  'and',
  'or',
  'not',
  'coalesce',
  'nullIf',
  'least',
  'greatest',
]);
for (const fn of [
  'lower',
  'upper',
  'trim',
  'trimStart',
  'trimEnd',
  'length',
  'startsWith',
  'endsWith',
  'includes',
  'like',
  'matches',
  'extract',
  'indexOf',
])
  harmless.add(fn);
for (const fn of [
  'year',
  'quarter',
  'month',
  'week',
  'day',
  'dayOfWeek',
  'dayOfYear',
  'hour',
  'minute',
  'second',
  'date',
  'tryCast',
  'tryParse',
  'hash',
])
  harmless.add(fn);

/** Whether it gives a value for every row, so that it may see rows it was not written for. */
const cannotThrow = (expression: Expression): boolean =>
  expression.op === 'column' ||
  expression.op === 'literal' ||
  (expression.op === 'call' && harmless.has(expression.fn) && expression.args.every(cannotThrow));

type Side = 'left' | 'right';
interface Move {
  readonly side: Side;
  readonly condition: Expression;
}

/** One filter moved by one node; null when none can move. */
function step(plan: Plan): Plan | null {
  const consumers = consumersOf(plan);
  for (const [at, filter] of plan.nodes.entries()) {
    if (filter.kind !== 'filter' || consumers[filter.input]!.length !== 1) continue;
    const below = plan.nodes[filter.input]!;
    const parts = conjuncts(filter.condition);
    const moves = parts.map((part) => (cannotThrow(part) ? moved(plan, below, part) : null));
    if (moves.every((move) => move === null)) continue;
    const stays = parts.filter((_, i) => moves[i] === null);
    const whole = stays.length === 0;
    return rewrite(plan, (node, id, add, nodes) => {
      if (id === at)
        return whole ? (node as NodeOf<'filter'>).input : add({ ...filter, input: (node as NodeOf<'filter'>).input, condition: allOf(stays) });
      if (id !== filter.input) return add(node);
      const conditionsOf = (side: Side) => moves.flatMap((move) => (move?.side === side ? [move.condition] : []));
      const schema = whole ? filter.schema : node.schema;
      if (node.kind === 'filter') return add({ ...node, condition: allOf([...conjuncts(node.condition), ...conditionsOf('left')]), schema });
      const under = (side: Side, input: NodeId, which = ''): NodeId => {
        const conditions = conditionsOf(side);
        if (conditions.length === 0) return input;
        const uid = whole ? filter.uid : `${filter.uid}.below`;
        const schema = narrowed(nodes[input]!.schema, conditions);
        return add({ kind: 'filter', uid: side === 'left' ? `${uid}${which}` : `${uid}.right`, input, condition: allOf(conditions), schema });
      };
      if (node.kind === 'join') return add({ ...node, left: under('left', node.left), right: under('right', node.right), schema });
      if (node.kind === 'union') return add({ ...node, inputs: node.inputs.map((input, k) => under('left', input, `.${k}`)), schema });
      return add({ ...withInputs(node, (input) => under('left', input)), schema });
    });
  }
  return null;
}

/** Where a part of a condition above a node may go below it, in the words of the columns there; null when it must stay. */
function moved(plan: Plan, below: PlanNode, part: Expression): Move | null {
  const names = [...columnsIn(part)];
  switch (below.kind) {
    case 'filter':
      return { side: 'left', condition: part };
    case 'project': {
      const sources = new Map(below.columns.map(({ name, expression }) => [name, expression]));
      const renamed = names.every((name) => sources.get(name)?.op === 'column');
      return renamed ? { side: 'left', condition: replaceColumns(part, (name) => sources.get(name)!) } : null;
    }
    case 'join': {
      const left = plan.nodes[below.left]!.schema;
      // A row that only the right side has would come through a filter of the left one.
      if (below.how === 'right' || below.how === 'full') return null;
      if (names.every((name) => left.some((field) => field.name === name))) return { side: 'left', condition: part };
      const right = plan.nodes[below.right]!.schema;
      const source = (name: string) => right.find((field) => !below.rightKeys.includes(field.name) && below.prefix + field.name === name);
      // Of what is left aside no row can be the last.
      if (below.how !== 'inner' || below.asOf !== undefined || !names.every((name) => source(name) !== undefined)) return null;
      return { side: 'right', condition: replaceColumns(part, (name) => reference(source(name)!)) };
    }
    case 'aggregate':
      return below.keys.length > 0 && names.every((name) => below.keys.includes(name)) ? { side: 'left', condition: part } : null;
    case 'rows': {
      // Columns that pass by the function; those it gives are worked out by it.
      const passes = below.verb === 'filterRows' || (below.verb === 'deriveRows' && !names.some((name) => below.gives.includes(name)));
      return passes ? { side: 'left', condition: part } : null;
    }
    case 'unnest':
      return names.every((name) => name !== below.item && name !== below.ordinality) ? { side: 'left', condition: part } : null;
    case 'union':
    case 'repartition':
      return { side: 'left', condition: part };
    case 'window':
      return names.length > 0 && names.every((name) => below.partitionBy.includes(name)) ? { side: 'left', condition: part } : null;
    case 'sort':
      return below.limit === null ? { side: 'left', condition: part } : null;
    default:
      return null;
  }
}

/** The schema above these conditions: what must not be null is not. */
const narrowed = (schema: Schema, conditions: readonly Expression[]): Schema =>
  schema.map((field) =>
    conditions.some((each) => each.op === 'call' && each.fn === 'isNotNull' && each.args[0]?.op === 'column' && each.args[0].name === field.name)
      ? { ...field, nullable: false }
      : field,
  );

/** Gives each scan the condition right above it, if that is all that reads the scan. */
function tellSources(plan: Plan): Plan {
  const consumers = consumersOf(plan);
  return rewrite(plan, (node, id, add) => {
    const [only, ...others] = consumers[id]!;
    const above = only === undefined || others.length > 0 ? undefined : plan.nodes[only];
    if (node.kind !== 'scan' || above?.kind !== 'filter') return add(node);
    const parts = conjuncts(above.condition).filter(cannotThrow);
    return add({ ...node, predicate: parts.length > 0 ? allOf(parts) : null });
  });
}
