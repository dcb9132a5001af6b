/**
 * Chains of inner joins in an order by size: the largest input is streamed past tables of the others, and of those that are connected with what is
 * joined so far the one that is likely the smallest comes next, so that rows fall away early and no input that could be a table is
 * streamed. Whole tables come behind those of which a filter leaves a part: they hardly take a row away, and make every row wider. A pair of
 * tables is a chain too: its smaller side becomes the table. Every equality that was there is asked, no pairing that was not there is made, and
 * a projection gives the columns as they were. Sizes are guesses (graph/sizes.ts); the rows never are.
 */
import type { Schema } from '../../batch/batch.ts';
import { inputsOf, type NodeId, type Plan, type PlanNode } from '../plan.ts';
import { consumersOf, joinSchema, type NodeOf, reference, rewrite } from '../rewrite.ts';
import { type Estimate, likelyKept } from '../sizes.ts';

/** A column of an input of the chain. */
interface Source {
  readonly leaf: number;
  readonly column: string;
}
interface Chain {
  /** Inputs, from left to right, as ids. */
  readonly leaves: NodeId[];
  readonly equalities: { readonly left: Source; readonly right: Source }[];
  readonly uids: string[];
}

/** @param sizes  by node of the plan; null: not known */
export function orderJoins(plan: Plan, sizes: readonly (Estimate | null)[]): Plan {
  const consumers = consumersOf(plan);
  /** A join that is nothing but an input of another one of its chain. */
  const isInner = (id: NodeId): boolean => {
    const [consumer, ...others] = consumers[id]!;
    return isPlain(plan.nodes[id]!) && others.length === 0 && consumer !== undefined && consumer >= 0 && isPlain(plan.nodes[consumer]!);
  };
  /** By node: something below it, or itself, leaves rows out. */
  const filtered: boolean[] = [];
  for (const node of plan.nodes) filtered.push(node.kind === 'filter' || inputsOf(node).some((input) => filtered[input]!));
  const oldOf = new Map<NodeId, NodeId>();
  return rewrite(plan, (node, id, add, nodes) => {
    const keep = (): NodeId => {
      const to = add(node);
      oldOf.set(to, id);
      return to;
    };
    if (node.kind !== 'join' || !isPlain(node) || isInner(id)) return keep();
    const chain: Chain = { leaves: [], equalities: [], uids: [] };
    const isLink = (input: NodeId): boolean => oldOf.has(input) && isInner(oldOf.get(input)!);
    const outputs = flatten(node, nodes, chain, isLink);
    const bytes = chain.leaves.map((leaf) => {
      const size = oldOf.has(leaf) ? sizes[oldOf.get(leaf)!] : null;
      return size === null || size === undefined || size.bytes === 0 ? null : size.bytes * keptBy(leaf, nodes);
    });
    const isPart = chain.leaves.map((leaf) => oldOf.has(leaf) && filtered[oldOf.get(leaf)!]!);
    const order = bytes.every((each) => each !== null) ? orderOf(chain, bytes as number[], isPart) : null;
    if (order === null || order.every((leaf, i) => leaf === i)) return keep();
    const built = build(node, chain, outputs, order, nodes, add);
    if (built === null) return keep();
    oldOf.set(built, id);
    return built;
  });
}

/** An inner join by keys alone. Of -0 and 0, which are one key, a join gives that of its left side. */
const isPlain = (node: PlanNode): node is NodeOf<'join'> =>
  node.kind === 'join' &&
  node.how === 'inner' &&
  node.leftKeys.length > 0 &&
  node.where === null &&
  node.asOf === undefined &&
  node.nullsEqual !== true;

/** Adds the inputs below a join to the chain. @returns where each column of its output comes from */
function flatten(node: NodeOf<'join'>, nodes: readonly PlanNode[], chain: Chain, isLink: (input: NodeId) => boolean): ReadonlyMap<string, Source> {
  const side = (input: NodeId): ReadonlyMap<string, Source> => {
    if (isLink(input)) return flatten(nodes[input] as NodeOf<'join'>, nodes, chain, isLink);
    const leaf = chain.leaves.push(input) - 1;
    return new Map(nodes[input]!.schema.map(({ name }) => [name, { leaf, column: name }]));
  };
  const left = side(node.left);
  const right = side(node.right);
  node.leftKeys.forEach((key, k) => {
    chain.equalities.push({ left: left.get(key)!, right: right.get(node.rightKeys[k]!)! });
  });
  chain.uids.push(node.uid);
  const added = [...right].filter(([name]) => !node.rightKeys.includes(name)).map(([name, source]) => [node.prefix + name, source] as const);
  return new Map([...left, ...added]);
}

function keptBy(id: NodeId, nodes: readonly PlanNode[]): number {
  const node = nodes[id]!;
  if (node.kind === 'project') return keptBy(node.input, nodes);
  return node.kind === 'filter' ? likelyKept(node.condition) * keptBy(node.input, nodes) : 1;
}

/** The largest first, then of those that are connected the smallest, parts of a table before whole ones; null when one is not connected. */
function orderOf({ leaves, equalities }: Chain, bytes: readonly number[], isPart: readonly boolean[]): number[] | null {
  const isBefore = (a: number, b: number): boolean => (isPart[a] === isPart[b] ? bytes[a]! < bytes[b]! : isPart[a]!);
  const order = [bytes.indexOf(Math.max(...bytes))];
  while (order.length < leaves.length) {
    const connected = leaves.flatMap((_, leaf) =>
      !order.includes(leaf) &&
      equalities.some(({ left, right }) => (left.leaf === leaf && order.includes(right.leaf)) || (right.leaf === leaf && order.includes(left.leaf)))
        ? [leaf]
        : [],
    );
    if (connected.length === 0) return null;
    order.push(connected.reduce((best, leaf) => (isBefore(leaf, best) ? leaf : best)));
  }
  return order;
}

/** The joins in that order; null when a column would be asked for by two equalities at once, or is a float. */
function build(
  root: NodeOf<'join'>,
  { leaves, equalities, uids }: Chain,
  outputs: ReadonlyMap<string, Source>,
  order: readonly number[],
  nodes: readonly PlanNode[],
  add: (node: PlanNode) => NodeId,
): NodeId | null {
  const keyOf = ({ leaf, column }: Source): string => `${leaf}.${column}`;
  const typeOf = ({ leaf, column }: Source) => nodes[leaves[leaf]!]!.schema.find(({ name }) => name === column)!.type;
  if (equalities.some(({ left }) => typeOf(left).kind === 'float64')) return null;
  const steps = order.slice(1).map((leaf, step) => {
    const before = order.slice(0, step + 1);
    return equalities.flatMap(({ left, right }) =>
      left.leaf === leaf && before.includes(right.leaf)
        ? [{ of: right, to: left }]
        : right.leaf === leaf && before.includes(left.leaf)
          ? [{ of: left, to: right }]
          : [],
    );
  });
  for (const pairs of steps) {
    if (new Set(pairs.map(({ of }) => keyOf(of))).size < pairs.length || new Set(pairs.map(({ to }) => keyOf(to))).size < pairs.length) return null;
  }
  const names = new Map([...outputs].map(([name, source]) => [keyOf(source), name]));
  /** What a column is called where it is now: a key that a join drops is the one it equals. */
  const called = new Map<string, string>();
  const renamed = (leaf: number): NodeId => {
    const input = leaves[leaf]!;
    const { schema } = nodes[input]!;
    const to = schema.map((field) => names.get(keyOf({ leaf, column: field.name })) ?? `\u0000${leaf}.${field.name}`);
    schema.forEach((field, c) => {
      called.set(keyOf({ leaf, column: field.name }), to[c]!);
    });
    if (schema.every((field, c) => field.name === to[c])) return input;
    const columns = schema.map((field, c) => ({ name: to[c]!, expression: reference(field) }));
    const own: Schema = schema.map((field, c) => ({ ...field, name: to[c]! }));
    return add({ kind: 'project', uid: `${root.uid}.input${leaf}`, input, columns, schema: own });
  };
  let current = renamed(order[0]!);
  steps.forEach((pairs, step) => {
    const right = renamed(order[step + 1]!);
    const leftKeys = pairs.map(({ of }) => called.get(keyOf(of))!);
    const rightKeys = pairs.map(({ to }) => called.get(keyOf(to))!);
    const join = { how: 'inner', leftKeys, rightKeys, prefix: '' } as const;
    const schema = joinSchema(nodes[current]!.schema, nodes[right]!.schema, join);
    current = add({ kind: 'join', uid: uids[step]!, left: current, right, ...join, where: null, schema });
    pairs.forEach(({ to }, k) => {
      called.set(keyOf(to), leftKeys[k]!);
    });
  });
  const columns = root.schema.map((field) => ({
    name: field.name,
    expression: reference({ ...field, name: called.get(keyOf(outputs.get(field.name)!))! }),
  }));
  return add({ kind: 'project', uid: `${root.uid}.columns`, input: current, columns, schema: root.schema });
}
