/**
 * How large the output of each node may be, from what the sources estimate. Upper bounds where there is one (a filter may keep
 * everything), so that a table is broadcast only when it surely is small; null where nothing is known.
 */
import type { Expression } from '../expression/expression.ts';
import type { NodeId, Plan } from './plan.ts';
import { conjuncts, type NodeOf, rowBytes } from './rewrite.ts';

/** 0 rows: only the bytes are known. */
export interface Estimate {
  readonly rows: number;
  readonly bytes: number;
}

/** What a filter likely keeps: by an equality, by anything else. */
const [keptByEqual, keptByOther] = [0.05, 0.35];
/** The part of its rows that a filter likely keeps. */
export const likelyKept = (condition: Expression): number =>
  conjuncts(condition).reduce((all, part) => all * (part.op === 'call' && part.fn === 'eq' ? keptByEqual : keptByOther), 1);

/** A right side up to the first goes to every executor whole; up to the second when the left side, which then stays where it is, is so many times as large. */
const [smallBytes, mostBytes, worthTimes] = [10_000_000, 48_000_000, 4];
/** The most that executors with so much memory each may get whole: a table takes some five times what it is made of. */
export const broadcastWithin = (budgetBytes: number): number => Math.min(mostBytes, Math.floor(budgetBytes / 10));

/** Whether the right side of a join is small enough to go to every executor whole. @param most  absent: as it is here */
export function isBroadcast(node: NodeOf<'join'>, sizes: readonly (Estimate | null)[], most: number = mostBytes): boolean {
  // Rows that only the build side has leave once: it cannot stand in every task.
  if (node.how === 'right' || node.how === 'full') return false;
  if (node.keysUpTo !== undefined || (node.leftKeys.length === 0 && node.asOf === undefined)) return true;
  const bytes = sizes[node.right]?.bytes ?? Number.POSITIVE_INFINITY;
  return bytes <= most && (bytes <= smallBytes || (sizes[node.left]?.bytes ?? 0) >= worthTimes * bytes);
}

/** @param scans  estimates of the sources by node; a missing one, or zeros, is not known */
export function sizesOf(plan: Plan, scans: ReadonlyMap<NodeId, Estimate>): (Estimate | null)[] {
  const sizes: (Estimate | null)[] = [];
  plan.nodes.forEach((node, id) => {
    const width = rowBytes(node.schema);
    const ofRows = (rows: number): Estimate => ({ rows, bytes: rows * width });
    /** The input's rows in this node's columns. */
    const asWide = (of: Estimate | null): Estimate | null => (of === null || of.rows === 0 ? of : ofRows(of.rows));
    switch (node.kind) {
      case 'scan': {
        const known = scans.get(id);
        sizes.push(known === undefined || known.bytes + known.rows === 0 ? null : asWide(known));
        break;
      }
      case 'values':
        sizes.push(ofRows(node.rows.length));
        break;
      case 'aggregate':
        sizes.push(node.keys.length === 0 ? ofRows(1) : asWide(sizes[node.input]!));
        break;
      case 'limit':
        sizes.push(ofRows(Math.min(node.count, sizes[node.input]?.rows || node.count)));
        break;
      case 'sort':
        sizes.push(node.limit === null ? sizes[node.input]! : ofRows(Math.min(node.limit, sizes[node.input]?.rows || node.limit)));
        break;
      case 'expand': {
        const one = sizes[node.input]!;
        sizes.push(one === null || one.rows === 0 ? null : ofRows(one.rows * node.projections.length));
        break;
      }
      case 'unnest':
        sizes.push(null);
        break;
      case 'union': {
        const all = node.inputs.map((input) => sizes[input]!);
        const rows = all.every((each) => each !== null && each.rows > 0) ? all.reduce((sum, each) => sum + each!.rows, 0) : 0;
        const bytes = all.reduce((sum, each) => sum + (each?.bytes ?? Number.NaN), 0);
        sizes.push(rows > 0 ? ofRows(rows) : Number.isNaN(bytes) ? null : { rows: 0, bytes });
        break;
      }
      case 'rows':
        sizes.push(node.verb === 'flatMap' ? null : asWide(sizes[node.input]!));
        break;
      case 'join': {
        const [left, right] = [sizes[node.left]!, sizes[node.right]!];
        if (node.how === 'semi' || node.how === 'anti') {
          sizes.push(asWide(left));
          break;
        }
        if (node.leftKeys.length === 0 && node.asOf === undefined) {
          sizes.push(left !== null && right !== null && left.rows * right.rows > 0 ? ofRows(left.rows * right.rows) : null);
          break;
        }
        // Most joins find one row at most on the right; those that do not are not bounded by anything known.
        sizes.push(left === null || right === null ? null : { rows: 0, bytes: left.bytes + right.bytes });
        break;
      }
      default:
        sizes.push(asWide(sizes[node.input]!));
    }
  });
  return sizes;
}
