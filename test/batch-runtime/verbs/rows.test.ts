import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { explain } from '#runtime/graph/explain.ts';
import { float64, int32, integer, job, run, schema, type Table, utf8 } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';
import { planJob } from '#runtime/schedule/planning.ts';
import type { Flow } from '#runtime/table.ts';

const lines = schema({ line: utf8(), size: int32().nullable() });
const read = (flow: Flow) =>
  flow.rows(lines, [
    { line: 'a b', size: 1 },
    { line: 'c', size: null },
    { line: 'd e f', size: 3 },
  ]);

/** The lease builds these again, each by its name. */
const steps = {
  map: (flow: Flow) => read(flow).map({ words: int32() }, ({ line }) => ({ words: line.split(' ').length })),
  flatMap: (flow: Flow) =>
    read(flow).flatMap({ word: utf8() }, function* ({ line }) {
      for (const word of line.split(' ')) yield { word };
    }),
  filterRows: (flow: Flow) => read(flow).filterRows(({ size }) => sleep(1, size !== null)),
  deriveRows: (flow: Flow) =>
    read(flow).deriveRows(
      { score: float64().nullable() },
      async ({ size }, { signal }) => ({ score: size === null || signal.aborted ? null : size / 2 }),
      {
        concurrency: 2,
        ordered: false,
        timeout: '5 s',
      },
    ),
  all: (flow: Flow) =>
    read(flow)
      .deriveRows({ words: integer() }, ({ line }) => ({ words: line.split(' ').length }))
      .filter((t) => t.size.isNotNull().and(t.words.gt(2)))
      .select('words'),
};
const jobOf = (name: keyof typeof steps) => job({ name, build: (flow) => steps[name](flow) as unknown as Table<Record<string, unknown>> });
export default job({ name: 'all', build: (flow) => steps.all(flow) });

const planOf = (name: keyof typeof steps) => buildGraph(jobOf(name)).plan;

test('each verb gives the columns that are declared', () => {
  const fields = (name: keyof typeof steps) =>
    planOf(name)
      .nodes.at(-1)!
      .schema.map((field) => field.name);
  assert.deepEqual(fields('map'), ['words']);
  assert.deepEqual(fields('flatMap'), ['word']);
  assert.deepEqual(fields('filterRows'), ['line', 'size']);
  assert.deepEqual(fields('deriveRows'), ['line', 'size', 'score']);
});

test('a job with row functions runs from end to end', async () => {
  const { default: all } = (await import(import.meta.url)) as { default: Parameters<typeof run>[0] };
  await using r = await run(all, { shuffle: 'memory' });
  const rows: unknown[] = [];
  for await (const row of r.rows()) rows.push(row);
  assert.deepEqual(rows, [{ words: 3 }]);
});

test('explain marks each place where rows appear; filters on what passes by go below', async () => {
  const graph = buildGraph(jobOf('all'));
  const { plan, stages } = await planJob(graph, process.cwd());
  const text = explain(plan, stages);
  assert.match(text, /deriveRows words = function of rows#0.*\[slow rows: a user function\]/);
  const at = (kind: string) => plan.nodes.findIndex((node) => node.kind === kind);
  assert.ok(at('filter') < at('rows'), text);
  const above = plan.nodes[plan.nodes.findLastIndex((node) => node.kind === 'filter')]!;
  assert.ok(above.kind === 'filter' && plan.nodes[above.input]!.kind === 'rows');
});

test('the digest covers the functions, and what may vary is not repeatable', async () => {
  const digest = (factor: number) =>
    buildGraph(
      job({
        name: 'd',
        build: (flow) => (factor === 2 ? read(flow).map({ n: int32() }, () => ({ n: 2 })) : read(flow).map({ n: int32() }, () => ({ n: 3 }))),
      }),
    ).digest;
  assert.notEqual(digest(2), digest(3));
  const repeatable = async (options: object) => {
    const graph = buildGraph(
      job({
        name: 'd',
        build: (flow) =>
          read(flow)
            .map({ n: int32() }, () => ({ n: 2 }), options)
            .orderBy('n'),
      }),
    );
    return (await planJob(graph, process.cwd())).stages.edges.every((edge) => edge.deterministic);
  };
  assert.equal(await repeatable({}), true);
  assert.equal(await repeatable({ deterministic: false }), false);
  assert.equal(await repeatable({ ordered: false }), false);
});

test('what plain JavaScript gets wrong is refused when the plan is made', () => {
  const refused = (step: (table: never) => unknown, words: RegExp, code = 'PLAN_UNSUPPORTED') =>
    assert.throws(() => buildGraph(job({ name: 'bad', build: (flow) => step(read(flow) as never) as undefined })), { code, message: words });
  type Loose = { readonly [verb: string]: (...given: unknown[]) => unknown };
  refused((table: Loose) => table['map']!(() => 1), /columns that the function gives come first/);
  refused((table: Loose) => table['map']!({ a: int32() }), /undefined is not a function/);
  refused((table: Loose) => table['map']!({ a: 'int32' }, () => 1), /declared by types/);
  refused((table: Loose) => table['flatMap']!({}, () => []), /no column/);
  refused((table: Loose) => table['filterRows']!(() => true, { concurrency: 0 }), /concurrency/);
  refused((table: Loose) => table['filterRows']!(() => true, { timeout: '0 s' }), /timeout/);
  refused((table: Loose) => table['filterRows']!(() => true, { timeout: '5s' }), /duration/, 'EXPRESSION_TYPE');
});
