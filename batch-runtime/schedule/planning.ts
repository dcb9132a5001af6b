/**
 * From a job's graph to stages: finds the files of its sources, compares their schemas, applies the rules, cuts the stages.
 * Reads files, changes nothing anywhere. Called by the coordinator and by `sluice run --explain`.
 */
import { resolve } from 'node:path';
import type { Split } from '../connectors/connector.ts';
import { sinkOf, sourceOf } from '../connectors/table.ts';
import { placedAt } from '../graph/places.ts';
import type { Graph, NodeId, Plan, SourceSpec } from '../graph/plan.ts';
import { dropUnused } from '../graph/rules/drop-unused.ts';
import { optimize, optimizeBySize } from '../graph/rules/optimize.ts';
import { type Estimate, sizesOf } from '../graph/sizes.ts';
import type { StageGraph } from '../graph/stage.ts';
import { toStages } from '../graph/stages.ts';
import { sampled, withoutSinks } from './sampled.ts';

export interface PlannedJob {
  readonly plan: Plan;
  readonly stages: StageGraph;
  /** Splits of each scan, by its uid. */
  readonly splits: ReadonlyMap<string, readonly Split[]>;
  /** Bytes of all sources, as estimated. */
  readonly bytes: number;
}

/** A value written down in the job: bytes it may take in a column. */
const valueBytes = 16;

export interface PlanWishes {
  /** A right side of a join up to this size goes to every task whole; null: as stages.ts has it. */
  readonly broadcastBytes?: number | null;
  /** False: the plan as it was written, but for what is not used. The rows are the same. */
  readonly optimized?: boolean;
  /** Only so many rows of each source, and no sink; null: all of it. */
  readonly sample?: number | null;
}

/**
 * @param folder  that relative paths are meant from
 * @throws FILE_MISSING, FILE_CORRUPT, CSV_INVALID, SCHEMA_DIFFERS, PLAN_UNSUPPORTED
 */
export async function planJob(
  graph: Graph,
  folder: string,
  { broadcastBytes = null, optimized = true, sample = null }: PlanWishes = {},
): Promise<PlannedJob> {
  const rules = optimized ? optimize : dropUnused;
  const written = absolutePaths(graph.plan, folder);
  const plan = sample === null ? rules(written) : await sampled(rules(withoutSinks(written)), sample, graph.places);
  const splits = new Map<string, readonly Split[]>();
  /** Of sources and of rows written down, by the node's uid. */
  const found = new Map<string, Estimate>();
  await Promise.all(
    plan.nodes.map(async (node) => {
      if (node.kind === 'values') found.set(node.uid, { rows: node.rows.length, bytes: node.rows.length * node.schema.length * valueBytes });
      if (node.kind === 'sink') {
        try {
          sinkOf(node.sink).check?.(node.sink, node.schema);
        } catch (thrown) {
          throw placedAt(thrown, graph.places, node.uid);
        }
      }
      if (node.kind !== 'scan') return;
      const shares = await sourceOf(node.source)
        .plan({ source: node.source, schema: node.schema, predicate: node.predicate })
        .catch((thrown: unknown) => {
          throw placedAt(thrown, graph.places, node.uid);
        });
      splits.set(node.uid, shares);
      found.set(node.uid, { rows: total(shares, 'rows'), bytes: total(shares, 'bytes') });
    }),
  );
  const estimatesOf = (of: Plan): ReadonlyMap<NodeId, Estimate> =>
    new Map(of.nodes.flatMap((node, id) => (found.has(node.uid) ? [[id, found.get(node.uid)!] as const] : [])));
  const options = {
    readsColumns: (source: SourceSpec) => sourceOf(source).readsColumns,
    ...(broadcastBytes === null ? {} : { broadcastBytes }),
  };
  const ordered = optimized ? optimizeBySize(plan, { ...options, sizesOf: (of) => sizesOf(of, estimatesOf(of)) }) : plan;
  const estimates = estimatesOf(ordered);
  const stages = toStages(ordered, { ...options, estimates, single: (sink) => sinkOf(sink).single(sink) });
  return { plan: ordered, stages, splits, bytes: [...estimates.values()].reduce((sum, one) => sum + one.bytes, 0) };
}

/** Relative paths of sources and sinks are meant from the folder the job was started in, wherever its tasks run. */
function absolutePaths(plan: Plan, folder: string): Plan {
  const absolute = <S extends Readonly<Record<string, unknown>>>(spec: S): S => {
    const paths = ['path', 'rejects'].filter((name) => typeof spec[name] === 'string');
    return { ...spec, ...Object.fromEntries(paths.map((name) => [name, resolve(folder, spec[name] as string)])) };
  };
  const nodes = plan.nodes.map((node) => {
    if (node.kind === 'scan') return { ...node, source: absolute(node.source) };
    return node.kind === 'sink' ? { ...node, sink: absolute(node.sink) } : node;
  });
  return { ...plan, nodes };
}

const total = (splits: readonly Split[], name: 'rows' | 'bytes'): number => splits.reduce((sum, split) => sum + split[name], 0);
