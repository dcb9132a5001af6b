/**
 * Before rows are sent to meet rows of which few are left, those that will find none are left out: a key filter (a semi join with `keysUpTo`) by
 * the keys of the smaller side, where the rows come from: below the exchange of the join, and below an aggregate whose groups it would
 * drop whole. A side that is broadcast is filtered by what the other one has been joined with before. Where both sides come of one reading of a
 * file by columns, it is read a second time, if nearly all rows fall away. The rows of the job stay the same wherever it stands, so it may rest
 * on guesses: it needs no memory to speak of, and one that leaves nothing out gives up (operators/key-filter.ts).
 */
import type { ColumnType } from '../../batch/batch.ts';
import { hasFunction, isDeterministic } from '../../expression/expression.ts';
import { inputsOf, type NodeId, type Plan, type PlanNode, type SourceSpec } from '../plan.ts';
import { consumersOf, type NodeOf, rewrite, withInputs } from '../rewrite.ts';
import { type Estimate, isBroadcast, likelyKept } from '../sizes.ts';

/** Keys that a filter knows at most: some 10 MB in each executor. */
const keysUpTo = 1 << 18;
/** Fewer rows are sent as they are. */
const leastRows = 100_000;
/** A filter that likely keeps more of the rows leaves too few out. */
const mostKept = 0.5;
/** As much, for which a file is read a second time. */
const mostKeptAgain = 0.1;

/** Types whose keys take a few bytes. */
const keyKinds: ReadonlySet<ColumnType['kind']> = new Set(['int32', 'int64', 'integer', 'date', 'timestamp']);

type Side = 'left' | 'right';
/** Whether the rows of both sides of a join go through exchanges. */
type Test = (join: NodeOf<'join'>) => boolean;
const otherSide = { left: 'right', right: 'left' } as const;
/** The sides of which rows without a match do not matter. */
const sidesOf: Readonly<Record<NodeOf<'join'>['how'], readonly Side[]>> = {
  inner: ['left', 'right'],
  semi: ['left', 'right'],
  left: ['right'],
  anti: ['right'],
  right: ['left'],
  full: [],
};

/** What has keys, and the columns of the filtered side that they are. */
interface KeySource {
  readonly node: NodeId;
  readonly keys: readonly string[];
  readonly own: readonly string[];
}

/** Where a filter stands: above `at`, below the nodes of the path, the last of which reads it. */
interface Spot {
  readonly path: readonly NodeId[];
  readonly at: NodeId;
  readonly keys: readonly string[];
  /** What is below it, from the scan up, as copies of their own; empty: it stays as it is. */
  readonly again: readonly NodeId[];
}

export interface KeyFilterOptions {
  /** By node of a plan; null: not known. */
  sizesOf(plan: Plan): readonly (Estimate | null)[];
  /** Whether a source reads the wanted columns alone, so that to read some of them again is cheap. */
  readsColumns(source: SourceSpec): boolean;
  /** As toStages has it. */
  readonly broadcastBytes?: number;
}

export function filterByKeys(plan: Plan, options: KeyFilterOptions): Plan {
  const asked = new Set<string>();
  let filtered = plan;
  for (let next = step(filtered, options, asked); next !== null; next = step(filtered, options, asked)) filtered = next;
  return filtered;
}

/** A filter for one join; null when none is left that wants one. */
function step(plan: Plan, options: KeyFilterOptions, asked: Set<string>): Plan | null {
  const sizes = options.sizesOf(plan);
  const likely = likelyOf(plan, sizes);
  const isSent: Test = (join) => !isBroadcast(join, sizes, options.broadcastBytes);
  for (const [id, join] of plan.nodes.entries()) {
    if (join.kind !== 'join' || join.keysUpTo !== undefined || asked.has(join.uid)) continue;
    asked.add(join.uid);
    const found = bestOf(plan, join, isSent, likely, options);
    if (found !== null) return withFilter(plan, id, found);
  }
  return null;
}

interface Found {
  readonly side: Side;
  readonly source: KeySource;
  readonly spot: Spot;
  /** Rows that likely fall away. */
  readonly spared: number;
}

/** The filter by which the most rows of a side likely fall away. */
function bestOf(
  plan: Plan,
  join: NodeOf<'join'>,
  isSent: Test,
  likely: readonly (Likely | null)[],
  { readsColumns }: KeyFilterOptions,
): Found | null {
  const { leftKeys, nullsEqual, asOf } = join;
  if (leftKeys.length === 0 || nullsEqual === true || asOf !== undefined) return null;
  let best: Found | null = null;
  const filters = sidesOf[join.how].flatMap((side) => sourcesOf(plan, join, side, isSent).map((source) => ({ side, source })));
  for (const { side, source } of filters) {
    const spot = spotOf(plan, join[side], source.own, side === 'right' || isSent(join), isSent);
    const [rows, other] = [spot && likely[spot.at]!, likely[source.node]!];
    if (spot === null || rows === null || other === null || partIn(rows, other) > mostKept) continue;
    const spared = rows.rows * (1 - partIn(rows, other));
    const below = chainBelow(plan, spot.at, isSent);
    const isApart = !below.some((each) => dependsOn(plan, source.node, each));
    const again = isApart ? [] : [...below].reverse();
    if (!isApart && (partIn(rows, other) > mostKeptAgain || !isCheapAgain(plan, below, readsColumns))) continue;
    if (spared < leastRows || (best !== null && spared <= best.spared)) continue;
    const of = (input: NodeId, names: readonly string[]) => names.map((name) => plan.nodes[input]!.schema.find((field) => field.name === name)!.type);
    const types = [...of(join[side], source.own), ...of(source.node, source.keys)];
    if (types.every(({ kind }) => keyKinds.has(kind))) best = { side, source, spot: { ...spot, again }, spared };
  }
  return best;
}

/** What may have the keys for a side: the other one. What is broadcast is there before the rows of the other side, but not before what those were joined with. */
function sourcesOf(plan: Plan, join: NodeOf<'join'>, side: Side, isSent: Test): KeySource[] {
  const other = otherSide[side];
  if (side === 'left' || isSent(join)) return [{ node: join[other], keys: join[`${other}Keys`], own: join[`${side}Keys`] }];
  const sources: KeySource[] = [];
  /** A column of what is streamed -> the key of the filtered side that it equals. */
  let equals = new Map(join.leftKeys.map((name, k) => [name, join.rightKeys[k]!]));
  const add = (node: NodeId, names: readonly string[], keys: readonly string[]): void => {
    const own = names.flatMap((name) => equals.get(name) ?? []);
    if (own.length > 0 && own.length === names.length) sources.push({ node, keys, own });
  };
  for (let at = join.left; equals.size > 0; ) {
    const node = plan.nodes[at]!;
    if (node.kind === 'project') {
      const from = node.columns.flatMap(({ name, expression }) =>
        expression.op === 'column' && equals.has(name) ? [[expression.name, equals.get(name)!] as const] : [],
      );
      equals = new Map(from);
    } else if (node.kind === 'join' && node.how !== 'right' && node.how !== 'full' && node.keysUpTo === undefined) {
      const isOwn = (name: string): boolean => plan.nodes[node.left]!.schema.some((field) => field.name === name);
      if ((node.how === 'inner' || node.how === 'semi') && node.nullsEqual !== true) {
        add(node.right, node.leftKeys, node.rightKeys);
        const given = [...equals.keys()].filter((name) => !isOwn(name));
        add(
          node.right,
          given,
          given.map((name) => name.slice(node.prefix.length)),
        );
      }
      equals = new Map([...equals].filter(([name]) => isOwn(name)));
    } else if (node.kind !== 'filter') break;
    at = node.kind === 'join' ? node.left : node.input;
  }
  return sources;
}

/** @param topIsSent  the rows of `top` go through an exchange, so it is worth it right there */
function spotOf(plan: Plan, top: NodeId, keys: readonly string[], topIsSent: boolean, isSent: Test): Omit<Spot, 'again'> | null {
  const consumers = consumersOf(plan);
  const path: NodeId[] = [];
  let [at, names, sent] = [top, keys, topIsSent];
  let spot: Omit<Spot, 'again'> | null = topIsSent ? { path: [], at, keys } : null;
  while (consumers[at]!.length === 1) {
    const node = plan.nodes[at]!;
    const below = namesBelow(plan, node, names);
    if (below === null) break;
    path.push(at);
    names = below;
    at = inputsOf(node)[0]!;
    if (node.kind !== 'aggregate' && node.kind !== 'join') continue;
    sent ||= node.kind === 'aggregate' || isSent(node);
    if (sent) spot = { path: [...path], at, keys: names };
  }
  return spot;
}

/** A node and those below it that run in its tasks, along what is streamed. */
function chainBelow(plan: Plan, from: NodeId, isSent: Test): NodeId[] {
  const chain = [from];
  for (let node = plan.nodes[from]!; ; node = plan.nodes[chain.at(-1)!]!) {
    if (node.kind === 'filter' || node.kind === 'project') chain.push(node.input);
    else if (node.kind === 'join' && !isSent(node)) chain.push(node.left);
    else return chain;
  }
}

/** Only reads columns and computes, and calls no function of the user's. */
const isCheapAgain = (plan: Plan, chain: readonly NodeId[], readsColumns: (source: SourceSpec) => boolean): boolean =>
  chain.every((id) => {
    const node = plan.nodes[id]!;
    if (node.kind === 'scan') return readsColumns(node.source);
    if (node.kind === 'filter') return !hasFunction(node.condition);
    return node.kind === 'project' && !node.columns.some(({ expression }) => hasFunction(expression));
  });

function dependsOn(plan: Plan, id: NodeId, on: NodeId): boolean {
  const wanted = new Set([id]);
  // Inputs come before what reads them.
  for (let each = id; each > on; each--) if (wanted.has(each)) for (const input of inputsOf(plan.nodes[each]!)) wanted.add(input);
  return wanted.has(on);
}

/** What the columns are called in the first input of a node; null when to leave rows out there would be something else. */
function namesBelow(plan: Plan, node: PlanNode, names: readonly string[]): string[] | null {
  switch (node.kind) {
    case 'filter':
      return [...names];
    case 'project': {
      const below = names.map((name) => node.columns.find((column) => column.name === name)!.expression);
      return below.every((each) => each.op === 'column') ? below.map(({ name }) => name) : null;
    }
    case 'aggregate':
      return names.every((name) => node.keys.includes(name)) ? [...names] : null;
    case 'join': {
      if (node.how === 'right' || node.how === 'full') return null;
      const left = plan.nodes[node.left]!.schema;
      return names.every((name) => left.some((field) => field.name === name)) ? [...names] : null;
    }
    default:
      return null;
  }
}

/** The plan with the filter and copies of the nodes above it; the nodes before the join stay what they were. */
function withFilter(plan: Plan, id: NodeId, { side, source, spot: { path, at, keys, again } }: Found): Plan {
  return rewrite(plan, (node, old, add, nodes) => {
    if (old !== id || node.kind !== 'join') return add(node);
    const [scan, ...others] = again;
    let below = scan === undefined ? at : add(nodes[scan]!);
    for (const each of others) {
      const input = below;
      below = add(withInputs(nodes[each]!, () => input));
    }
    const filter: NodeOf<'join'> = {
      kind: 'join',
      uid: `${node.uid}.key-filter`,
      left: below,
      right: source.node,
      how: 'semi',
      leftKeys: keys,
      rightKeys: source.keys,
      prefix: '',
      where: null,
      keysUpTo,
      schema: nodes[at]!.schema,
    };
    let current = add(filter);
    for (const each of [...path].reverse()) {
      const [above, input] = [nodes[each]!, current];
      current = add(above.kind === 'join' ? { ...above, left: input } : withInputs(above, () => input));
    }
    return add({ ...node, [side]: current });
  });
}

/** How many rows a node likely gives, and how many there would be without filters. */
interface Likely {
  readonly rows: number;
  readonly base: number;
}

/** The part of the rows whose keys are likely among the other side's. The larger side is taken to refer to the smaller one. */
const partIn = ({ base }: Likely, other: Likely): number => (other.base <= base ? other.rows / other.base : Math.min(1, other.rows / base));
/** Rows of a group. */
const groupRows = 4;

/** By node; null: not known, or not the same when it is asked again. */
function likelyOf(plan: Plan, sizes: readonly (Estimate | null)[]): (Likely | null)[] {
  const likely: (Likely | null)[] = [];
  const part = (of: Likely | null, kept: number): Likely | null => of && { ...of, rows: of.rows * kept };
  for (const [id, node] of plan.nodes.entries()) {
    const input = 'input' in node ? likely[node.input]! : null;
    switch (node.kind) {
      case 'scan': {
        const rows = sizes[id]?.rows ?? 0;
        likely.push(rows > 0 ? { rows, base: rows } : null);
        break;
      }
      case 'filter':
        likely.push(isDeterministic(node.condition) ? part(input, likelyKept(node.condition)) : null);
        break;
      case 'project':
        likely.push(node.columns.every(({ expression }) => isDeterministic(expression)) ? input : null);
        break;
      case 'aggregate':
        if (node.keys.length === 0) likely.push({ rows: 1, base: 1 });
        else likely.push(input && { rows: input.rows / groupRows, base: input.base / groupRows });
        break;
      case 'join': {
        const [left, right] = [likely[node.left]!, likely[node.right]!];
        if (left === null || right === null) likely.push(null);
        else if (node.leftKeys.length === 0) likely.push({ rows: left.rows * right.rows, base: left.base * right.base });
        else if (node.how === 'semi') likely.push(part(left, partIn(left, right)));
        else if (node.how === 'inner') likely.push(left.base < right.base ? part(right, partIn(right, left)) : part(left, partIn(left, right)));
        else likely.push(node.how === 'left' || node.how === 'anti' ? left : null);
        break;
      }
      case 'sort':
        likely.push(input);
        break;
      default:
        likely.push(null);
    }
  }
  return likely;
}
