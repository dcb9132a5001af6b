import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '#manager/process/clock.ts';
import { encodeSchema } from '#runtime/batch/ipc.ts';
import { rowsOf } from '#runtime/batch/rows.ts';
import { loadJob } from '#runtime/execute/job-module.ts';
import { type Meter, runTask, type TaskWorld } from '#runtime/execute/task.ts';
import { buildGraph } from '#runtime/job.ts';
import type { Assignment } from '#runtime/schedule/messages.ts';
import { planJob } from '#runtime/schedule/planning.ts';
import { createMemoryShuffle } from '#runtime/shuffle/memory.ts';
import { readBatches } from '#runtime/shuffle/reader.ts';
import { fixture } from '../schedule/job-world.ts';

const meter = (): Meter => ({ rows: 0, bytes: 0 });
const never = new AbortController().signal;

/** The stage that writes the edge of this name's table: `last` the result's, else the first one. */
async function prepared(name: string, deterministic = true) {
  const graph = buildGraph(await loadJob(fixture(name)));
  const planned = await planJob(graph, process.cwd());
  const stages = { ...planned.stages, edges: planned.stages.edges.map((edge) => ({ ...edge, deterministic })) };
  const driver = createMemoryShuffle({ budgetBytes: 1 << 24 });
  const world: TaskWorld = {
    job: 'test',
    stages,
    functions: graph.functions,
    rowFunctions: graph.rowFunctions,
    places: graph.places,
    driver,
    clock: systemClock,
  };
  const shuffles: Record<string, Awaited<ReturnType<typeof driver.open>>> = {};
  for (const { id, schema } of stages.edges)
    shuffles[id] = await driver.open({ name: `edge-${id}`, maps: 1, partitions: 1, deterministic, schema: encodeSchema(schema), bytesHint: 0 });
  const assign = (stage: number, more: Partial<Assignment> = {}): Assignment => {
    const operators = stages.stages.find(({ id }) => id === stage)?.operators ?? [];
    const outputs = operators.flatMap(({ kind }, index) => (kind === 'store' || kind === 'sink' ? [index] : []));
    return { stage, task: 0, attempt: 0, split: null, partitionFrom: 0, partitionTo: 1, shuffles, outputs, bounds: {}, ...more };
  };
  const rows = async (edge: number): Promise<unknown[]> => {
    const all: unknown[] = [];
    const range = { partitionFrom: 0, partitionTo: 1, mapFrom: 0, mapTo: 1, ordered: true };
    const schema = stages.edges.find(({ id }) => id === edge)?.schema ?? [];
    for await (const batch of readBatches(driver.createReader(shuffles[edge]!, range), schema)) all.push(...rowsOf(batch));
    return all;
  };
  return { world, stages, assign, rows, shuffles, driver };
}

test('tasks of a job in their order give its rows; an outcome counts what was read and written', async () => {
  const { world, stages, assign, rows } = await prepared('words');
  const order = [...stages.stages].sort((a, b) => a.after.length - b.after.length);
  const counted = meter();
  let last = null;
  for (const { id } of order) last = await runTask(world, assign(id), counted, never);
  assert.ok(stages.result !== null && last !== null);
  assert.deepEqual(
    (await rows(stages.result)).map((row) => (row as { word: string }).word),
    ['sea', 'river', 'lake'],
  );
  // 12 rows of its own, 2 and 3 of the tables it joins.
  assert.equal(last.rowsRead, 17);
  assert.equal(last.rowsWritten, 3);
  assert.equal(Object.values(last.digests)[0]?.rows, 3);
  assert.ok(last.bytesShuffled > 0);
  // Each row is counted where it is read: the joined tables twice.
  assert.equal(counted.rows, 22);
});

test('the digest does not depend on the attempt; a second attempt wins nothing and shuffles nothing', async () => {
  const { world, stages, assign } = await prepared('words');
  const first = stages.stages.find(({ after }) => after.length === 0)!;
  const a = await runTask(world, assign(first.id), meter(), never);
  const b = await runTask(world, assign(first.id, { attempt: 1 }), meter(), never);
  assert.deepEqual(a.digests, b.digests);
  assert.ok(a.bytesShuffled > 0);
  assert.equal(b.bytesShuffled, 0);
});

test('an attempt whose rows vary and that comes second is superseded: what it made besides goes with nobody’s rows', async () => {
  const { world, stages, assign } = await prepared('words', false);
  const first = stages.stages.find(({ after }) => after.length === 0)!;
  await runTask(world, assign(first.id), meter(), never);
  await assert.rejects(runTask(world, assign(first.id, { attempt: 1 }), meter(), never), { code: 'ATTEMPT_SUPERSEDED' });
});

test('an outcome says what it wrote to each partition', async () => {
  const { world, stages, assign } = await prepared('words');
  const first = stages.stages.find(({ after }) => after.length === 0)!;
  const { partitionBytes, bytesShuffled } = await runTask(world, assign(first.id), meter(), never);
  const written = Object.values(partitionBytes).flat();
  assert.ok(written.length > 0);
  assert.equal(
    written.reduce((sum, [, bytes]) => sum + bytes, 0),
    bytesShuffled,
  );
});

test('only operators of the wanted outputs run', async () => {
  const { world, stages, assign, driver, shuffles } = await prepared('words');
  const first = stages.stages.find(({ after }) => after.length === 0)!;
  const outcome = await runTask(world, assign(first.id, { outputs: [] }), meter(), never);
  assert.equal(outcome.rowsRead, 0);
  for (const handle of Object.values(shuffles)) assert.deepEqual(await driver.vacant(handle), [0]);
});

test('an attempt that is called off stops between two batches and commits nothing', async () => {
  const { world, stages, assign, driver, shuffles } = await prepared('words');
  const first = stages.stages.find(({ after }) => after.length === 0)!;
  await assert.rejects(runTask(world, assign(first.id), meter(), AbortSignal.abort()), { code: 'INTERRUPTED' });
  for (const handle of Object.values(shuffles)) assert.deepEqual(await driver.vacant(handle), [0]);
});

test('a user function that throws says which, on which row, where and why', async () => {
  const { world, stages, assign } = await prepared('throws');
  await assert.rejects(runTask(world, assign(stages.stages[0]!.id), meter(), never), {
    code: 'FUNCTION_THREW',
    message: /row 2.*5 is odd.*throws\.ts:5/s,
  });
});
