/**
 * A job tried on the first rows of each source, for `--sample`: the rows are read when the plan is made and stand in it in place
 * of the source. Nothing is written: what a sink would get is the job's result where it returns no table. Called by planning.ts.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PlainValue, plainValue } from '../batch/rows.ts';
import { sourceOf } from '../connectors/table.ts';
import { type Places, placedAt } from '../graph/places.ts';
import type { Plan } from '../graph/plan.ts';
import { type NodeOf, rewrite } from '../graph/rewrite.ts';

/** The job without its sinks; the rows of the first one are its result, if it has no other. */
export function withoutSinks(plan: Plan): Plan {
  const sink = plan.nodes.find((node) => node.kind === 'sink');
  const result = plan.result ?? (sink?.kind === 'sink' ? sink.input : null);
  return rewrite({ ...plan, result }, (node, _, add) => (node.kind === 'sink' ? null : add(node)));
}

/** Every source in place of which its first rows stand. @throws what planning and reading the source do */
export async function sampled(plan: Plan, rows: number, places: Places): Promise<Plan> {
  const scratch = await mkdtemp(join(tmpdir(), 'sluice-sample-'));
  try {
    const nodes = await Promise.all(
      plan.nodes.map(async (node) => {
        if (node.kind !== 'scan') return node;
        const read = firstRows(node, rows, scratch).catch((thrown: unknown) => {
          throw placedAt(thrown, places, node.uid);
        });
        return { kind: 'values' as const, uid: node.uid, schema: node.schema, rows: await read };
      }),
    );
    return { ...plan, nodes };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function firstRows({ source: spec, schema, uid }: NodeOf<'scan'>, most: number, scratch: string): Promise<PlainValue[][]> {
  // What cannot be read is left aside here too, but not where the job would put it.
  const source = typeof spec['rejects'] === 'string' ? { ...spec, rejects: join(scratch, `${uid}.csv`) } : spec;
  // Statistics would leave out rows that are among the first.
  const request = { source, schema, predicate: null };
  const rows: PlainValue[][] = [];
  for (const split of await sourceOf(source).plan(request)) {
    for await (const batch of sourceOf(source).read(request, split, { job: 'sample', task: 0, attempt: 0 })) {
      for (let i = 0; i < batch.length; i++) {
        if (rows.length === most) return rows;
        rows.push(batch.columns.map((column) => plainValue(column, i)));
      }
    }
  }
  return rows;
}
