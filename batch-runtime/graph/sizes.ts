/**
 * How large the output of each node may be, from what the sources estimate. Upper bounds where there is one (a filter may keep
 * everything), so that a table is broadcast only when it surely is small; null where nothing is known.
 */
import type { NodeId, Plan } from './plan.ts';
import { rowBytes } from './rewrite.ts';

/** 0 rows: only the bytes are known. */
export interface Estimate {
  readonly rows: number;
  readonly bytes: number;
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
