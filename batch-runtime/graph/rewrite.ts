/**
 * What the rules share: who consumes a node, what columns an expression names, and rebuilding a plan node by node. Pure
 * functions over plans; they know no rule.
 */
import type { ColumnType, Field, Schema } from '../batch/batch.ts';
import type { Expression } from '../expression/expression.ts';
import { inputsOf, type NodeId, type Plan, type PlanNode } from './plan.ts';

/** Kind -> node, since `Extract` on an intersection with a union reads badly at every use. */
export type NodeOf<K extends PlanNode['kind']> = Extract<PlanNode, { readonly kind: K }>;

/** By node, the nodes that read it; the result of the job counts as -1. */
export function consumersOf(plan: Plan): NodeId[][] {
  const consumers: NodeId[][] = plan.nodes.map(() => []);
  plan.nodes.forEach((node, id) => {
    for (const input of inputsOf(node)) consumers[input]!.push(id);
  });
  if (plan.result !== null) consumers[plan.result]!.push(-1);
  return consumers;
}

export function withInputs(node: PlanNode, to: (input: NodeId) => NodeId): PlanNode {
  if (node.kind === 'scan' || node.kind === 'values') return node;
  if (node.kind === 'union') return { ...node, inputs: node.inputs.map(to) };
  return node.kind === 'join' ? { ...node, left: to(node.left), right: to(node.right) } : { ...node, input: to(node.input) };
}

/**
 * A plan rebuilt from its inputs up. `visit` gets each node with inputs that are ids of the new plan, adds what stands for it,
 * and returns the id of that; null leaves it out, which only a node without consumers may be.
 */
export function rewrite(
  plan: Plan,
  visit: (node: PlanNode, id: NodeId, add: (node: PlanNode) => NodeId, nodes: readonly PlanNode[]) => NodeId | null,
): Plan {
  const nodes: PlanNode[] = [];
  const moved = new Map<NodeId, NodeId>();
  const add = (node: PlanNode): NodeId => nodes.push(node) - 1;
  plan.nodes.forEach((node, id) => {
    const to = visit(
      withInputs(node, (input) => moved.get(input)!),
      id,
      add,
      nodes,
    );
    if (to !== null) moved.set(id, to);
  });
  return { ...plan, nodes, result: plan.result === null ? null : moved.get(plan.result)! };
}

/** The names of the columns an expression reads. */
export function columnsIn(expression: Expression, into: Set<string> = new Set()): Set<string> {
  if (expression.op === 'column') into.add(expression.name);
  else if (expression.op !== 'literal') for (const each of expression.args) columnsIn(each, into);
  return into;
}

/** The expression with its columns replaced. */
export const replaceColumns = (expression: Expression, by: (name: string) => Expression): Expression =>
  expression.op === 'column'
    ? by(expression.name)
    : expression.op === 'literal'
      ? expression
      : { ...expression, args: expression.args.map((each) => replaceColumns(each, by)) };

/** The node with each of its expressions replaced. */
export function mapExpressions(node: PlanNode, map: (expression: Expression) => Expression): PlanNode {
  const maybe = (expression: Expression | null): Expression | null => expression && map(expression);
  switch (node.kind) {
    case 'scan':
      return node.predicate === null ? node : { ...node, predicate: map(node.predicate) };
    case 'filter':
      return { ...node, condition: map(node.condition) };
    case 'project':
      return { ...node, columns: node.columns.map((column) => ({ ...column, expression: map(column.expression) })) };
    case 'aggregate': {
      const mapped = node.aggregates.map((each) => ({
        ...each,
        argument: maybe(each.argument),
        filter: maybe(each.filter),
        ...(each.more === undefined ? {} : { more: each.more.map(map) }),
      }));
      return { ...node, aggregates: mapped };
    }
    case 'expand':
      return {
        ...node,
        projections: node.projections.map((columns) => columns.map((column) => ({ ...column, expression: map(column.expression) }))),
      };
    case 'window': {
      const mapped = node.functions.map((each) => ({
        ...each,
        argument: maybe(each.argument),
        filter: maybe(each.filter),
        ...(each.more === undefined ? {} : { more: each.more.map(map) }),
      }));
      return { ...node, functions: mapped };
    }
    default:
      return node;
  }
}

/** The parts of a condition that must all be true. */
export const conjuncts = (condition: Expression): Expression[] =>
  condition.op === 'call' && condition.fn === 'and' ? condition.args.flatMap(conjuncts) : [condition];

/** All of them, at least one. */
export const allOf = (conditions: readonly Expression[]): Expression =>
  conditions.reduce((all, each) => ({ op: 'call', fn: 'and', args: [all, each], type: { kind: 'bool' }, nullable: all.nullable || each.nullable }));

/** What a join gives. */
export function joinSchema(left: Schema, right: Schema, join: Pick<NodeOf<'join'>, 'how' | 'leftKeys' | 'rightKeys' | 'prefix'>): Schema {
  const { how, leftKeys, rightKeys, prefix } = join;
  if (how === 'semi' || how === 'anti') return left;
  const leftMayMiss = how === 'right' || how === 'full';
  const own = left.map((field): Field => {
    if (!leftMayMiss) return field;
    const key = leftKeys.indexOf(field.name);
    // A key that the left side has not is the right side's.
    if (key < 0) return { ...field, nullable: true };
    const isNullable = right.find(({ name }) => name === rightKeys[key])!.nullable;
    return { ...field, nullable: isNullable || (how === 'full' && field.nullable) };
  });
  const others = right
    .filter((field) => !rightKeys.includes(field.name))
    .map((field): Field => ({ ...field, name: prefix + field.name, nullable: field.nullable || how === 'left' || how === 'full' }));
  return [...own, ...others];
}

/** A column as an expression. */
export const reference = (field: Field): Expression => ({ op: 'column', name: field.name, type: field.type, nullable: field.nullable });

/** Bytes a value takes, roughly; text counts 20. */
const widths: Readonly<Record<ColumnType['kind'], number>> = {
  bool: 1,
  int32: 4,
  date: 4,
  decimal: 16,
  float64: 8,
  integer: 8,
  int64: 8,
  timestamp: 8,
  utf8: 20,
  list: 4,
  struct: 0,
};
/** Items of a list, roughly. */
const listItems = 4;
const widthOf = (type: ColumnType): number =>
  widths[type.kind] + (type.kind === 'list' ? listItems * widthOf(type.item.type) : type.kind === 'struct' ? rowBytes(type.fields) : 0);
export const rowBytes = (schema: Schema): number => schema.reduce((sum, field) => sum + widthOf(field.type), 0);
