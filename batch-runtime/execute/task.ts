/**
 * Runs one attempt of one task: builds the operators of its stage, feeds them from scans and shuffles, and ends in
 * shuffle writers and sink writers. All asynchronous work of the engine's data path is here, around the operators, not in
 * them. It publishes nothing: shuffles commit, sinks only finish; the coordinator does the rest. Called by executors.
 */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import type { Clock } from '#manager/process/ports.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import { KiB } from '#manager/protocol/ids.ts';
import type { Batch } from '../batch/batch.ts';
import { Digester } from '../batch/digest.ts';
import type { SinkWriter } from '../connectors/connector.ts';
import { sinkOf, sourceOf } from '../connectors/table.ts';
import { type Element, end } from '../element.ts';
import { type Places, placedAt } from '../graph/places.ts';
import type { RowFunction, UserFunction } from '../graph/plan.ts';
import { type Edge, inputsOf, type StageGraph, type StageOperator } from '../graph/stage.ts';
import type { KeptTables, TablePlace } from '../operators/kept-tables.ts';
import type { Operator } from '../operators/operator.ts';
import { createRows } from '../operators/rows.ts';
import { createOperator, type Sampler } from '../operators/table.ts';
import { valuesBatches } from '../operators/values.ts';
import type { Assignment, Outcome } from '../schedule/messages.ts';
import { readBatches } from '../shuffle/reader.ts';
import type { ShuffleDriver, ShuffleHandle } from '../shuffle/spi.ts';
import { type BatchWriter, createBatchWriter, defaultBufferBytes, type RangeBounds } from '../shuffle/writer.ts';
import { createTaskMemory, type MemoryLimit } from '../spill/memory.ts';
import { createReclaimer } from '../spill/reclaim.ts';
import { createScratch } from '../spill/scratch.ts';

export interface TaskWorld {
  readonly job: string;
  readonly stages: StageGraph;
  readonly functions: readonly UserFunction[];
  readonly rowFunctions: readonly RowFunction[];
  readonly places: Places;
  readonly clock: Clock;
  readonly driver: ShuffleDriver;
  /** Of each task; null or absent: it has no bounds. */
  readonly memory?: MemoryLimit | null;
  /** Absent: each task builds its own. */
  readonly tables?: KeptTables;
}

/** What a running attempt has done so far; the executor sends it home now and then. */
export interface Meter {
  rows: number;
  bytes: number;
}

/** What stands at an operator's place while the task runs: something that takes elements of a port. */
interface Station {
  take(element: Element, port: number): Promise<void>;
  /** Ends: what it made is complete and safe. */
  finish(outcome: Outcome): Promise<void>;
  abort(): Promise<void>;
}

/** Of a task's budget: its operators', and of what it writes together. The rest is what is on its way, and what is not yet collected. */
const [operatorsPart, writersPart] = [0.6, 0.1];
/** When the task's arrays pass this part of its budget, those that are garbage are freed. */
const reclaimPart = 0.7;
const leastBufferBytes = 256 * KiB;
/** A task that is busy for longer lets others have their turn: progress, cancelling, the lease. */
const turnMs = 50;

/** Operators that the wanted outputs need. */
function needed(operators: readonly StageOperator[], outputs: readonly number[]): Set<number> {
  const wanted = new Set(outputs);
  for (let index = operators.length - 1; index >= 0; index--) {
    const operator = operators[index];
    if (operator !== undefined && wanted.has(index)) for (const input of inputsOf(operator)) wanted.add(input);
  }
  return wanted;
}

/** Whether what leaves `index` reaches the build side of a join before anything else could use it. */
function feedsBuild(operators: readonly StageOperator[], index: number): boolean {
  return operators.some((operator, at) => {
    if (operator.kind === 'join') return operator.build === index;
    return inputsOf(operator).includes(index) && feedsBuild(operators, at);
  });
}

/**
 * @param meter  counted up while it runs
 * @param signal aborted: stops between two batches with INTERRUPTED and leaves nothing behind
 * @throws       SluiceError; what the attempt wrote is dropped
 * Memory: what its operators keep, within their part of the budget; one batch in flight per operator, and the writers' buffers.
 */
export async function runTask(world: TaskWorld, assignment: Assignment, meter: Meter, signal: AbortSignal): Promise<Outcome> {
  const stage = world.stages.stages.find(({ id }) => id === assignment.stage);
  assert.ok(stage, `no stage ${assignment.stage}`);
  const { operators } = stage;
  const folder = { job: world.job, task: assignment.task, attempt: assignment.attempt };
  const wanted = needed(operators, assignment.outputs);
  const edges = new Map<number, Edge>(world.stages.edges.map((edge) => [edge.id, edge]));
  const handleOf = (edge: number): ShuffleHandle => {
    const handle = assignment.shuffles[edge];
    assert.ok(handle, `no shuffle for edge ${edge}`);
    return handle;
  };
  const schemaOf = (index: number) => operators[index]!.schema;
  const outcome: Outcome = { rowsRead: 0, rowsWritten: 0, bytesShuffled: 0, written: {}, digests: {}, partitionBytes: {}, samples: {} };
  const stations: (Station | null)[] = operators.map(() => null);
  const { budgetBytes, folder: scratchFolder } = world.memory ?? { budgetBytes: Number.POSITIVE_INFINITY, folder: tmpdir() };
  const scratch = createScratch(scratchFolder);
  const reclaim = createReclaimer(reclaimPart * budgetBytes);
  const memory = createTaskMemory(operatorsPart * budgetBytes, scratch, reclaim);
  const writers = [...wanted].filter((index) => operators[index]?.kind === 'store').length;
  const bufferBytes = world.memory
    ? Math.min(defaultBufferBytes, Math.max(leastBufferBytes, (writersPart * budgetBytes) / writers))
    : defaultBufferBytes;
  let turnAt = performance.now();
  /** Between two batches: stops when it is to stop, and lets others have their turn. */
  const pause = async (): Promise<void> => {
    if (signal.aborted) throw new SluiceError('INTERRUPTED');
    if (!world.memory) return;
    reclaim();
    if (performance.now() - turnAt < turnMs) return;
    await new Promise((resolve) => setImmediate(resolve));
    turnAt = performance.now();
  };

  const consumers = operators.map((_, index) =>
    operators.flatMap((operator, at) => (wanted.has(at) ? inputsOf(operator).flatMap((input, port) => (input === index ? [{ at, port }] : [])) : [])),
  );
  const give = async (index: number, element: Element): Promise<void> => {
    for (const { at, port } of consumers[index] ?? []) await stations[at]?.take(element, port);
  };

  const openStore = async (index: number, operator: Extract<StageOperator, { kind: 'store' }>): Promise<Station> => {
    const edge = edges.get(operator.edge);
    assert.ok(edge, `no edge ${operator.edge}`);
    const handle = handleOf(edge.id);
    const digest = world.stages.result === edge.id ? new Digester() : null;
    const shuffle = await world.driver.createWriter(handle, assignment.task, assignment.attempt);
    const bounds = (assignment.bounds[edge.id] ?? null) as RangeBounds | null;
    const writer: BatchWriter = createBatchWriter(shuffle, {
      schema: edge.schema,
      distribution: edge.distribution,
      partitions: handle.partitions,
      task: assignment.task,
      bounds,
      bufferBytes,
    });
    return {
      async take(element) {
        if (element.kind !== 'batch') return;
        digest?.add(element.batch);
        outcome.rowsWritten += element.batch.length;
        await writer.write(element.batch);
      },
      async finish() {
        const committed = await writer.commit();
        // The rows of the attempt that won are others, and so may be what this one has made besides.
        if (!committed.won && !edge.deterministic) throw new SluiceError('ATTEMPT_SUPERSEDED', { map: assignment.task });
        outcome.partitionBytes[index] = [...writer.partitionBytes];
        meter.bytes += committed.bytes;
        if (committed.won) outcome.bytesShuffled += committed.bytes;
        if (digest !== null) outcome.digests[index] = digest.result();
      },
      abort: () => writer.abort(),
    };
  };

  const openSink = async (index: number, operator: Extract<StageOperator, { kind: 'sink' }>): Promise<Station> => {
    const digest = new Digester();
    const writer: SinkWriter = await sinkOf(operator.sink).createWriter(operator.sink, operator.schema, folder);
    return {
      async take(element) {
        if (element.kind !== 'batch') return;
        digest.add(element.batch);
        outcome.rowsWritten += element.batch.length;
        await writer.write(element.batch);
      },
      async finish() {
        const { rows, bytes, files } = await writer.finish();
        outcome.written[index] = { rows, bytes, files: [...files] };
        outcome.digests[index] = digest.result();
      },
      abort: () => writer.abort(),
    };
  };

  // What an operator throws, and not what those behind it do, is its verb's.
  function* blamed<T>({ uid }: StageOperator, made: Iterable<T>): Generator<T> {
    try {
      yield* made;
    } catch (thrown) {
      throw placedAt(thrown, world.places, uid);
    }
  }
  async function* blamedLater<T>({ uid }: StageOperator, made: AsyncIterable<T> | Iterable<T>): AsyncGenerator<T> {
    try {
      yield* made;
    } catch (thrown) {
      throw placedAt(thrown, world.places, uid);
    }
  }

  /** By join: where its table is kept, when its build side is the same for every task. */
  const places = new Map<number, TablePlace>();
  const placeOf = (index: number, operator: StageOperator): TablePlace | null => {
    const side = operator.kind === 'join' ? operators[operator.build] : undefined;
    if (world.tables === undefined || side?.kind !== 'fetch' || edges.get(side.edge)?.distribution.kind !== 'broadcast') return null;
    const place = world.tables.placeOf(stage.id, index, handleOf(side.edge).id);
    places.set(index, place);
    return place;
  };
  const openOperator = (index: number, operator: StageOperator): Station => {
    const running: Operator = createOperator(operator, inputsOf(operator).map(schemaOf), world.functions, memory, placeOf(index, operator));
    return {
      async take(element, port) {
        for (const out of blamed(operator, running.process(element, port))) {
          await pause();
          // An operator that has much to do before it gives something gives empty batches meanwhile.
          if (out.kind !== 'batch' || out.batch.length > 0) await give(index, out);
        }
      },
      async finish() {
        if (operator.kind === 'sample') outcome.samples[index] = (running as Sampler).samples();
      },
      async abort() {},
    };
  };

  /** The one operator that waits: for functions of the user's. */
  const openRows = (index: number, operator: Extract<StageOperator, { kind: 'rows' }>): Station => {
    const running = createRows(operator, schemaOf(operator.input), world.rowFunctions, world.clock, signal);
    return {
      async take(element, port) {
        for await (const out of blamedLater(operator, running.process(element, port))) await give(index, out);
      },
      async finish() {},
      async abort() {
        running.abort();
      },
    };
  };

  /** Batches of a source operator, whatever it is. */
  const open = (operator: StageOperator): AsyncIterable<Batch> | Iterable<Batch> => {
    if (operator.kind === 'values') return valuesBatches(operator);
    if (operator.kind === 'scan') {
      assert.ok(assignment.split, 'a scan has a split');
      return sourceOf(operator.source).read(
        { source: operator.source, schema: operator.schema, predicate: operator.predicate },
        assignment.split,
        folder,
      );
    }
    assert.ok(operator.kind === 'fetch');
    const handle = handleOf(operator.edge);
    const all = edges.get(operator.edge)?.distribution.kind === 'broadcast';
    const range = {
      partitionFrom: all ? 0 : assignment.partitionFrom,
      partitionTo: all ? handle.partitions : assignment.partitionTo,
      mapFrom: 0,
      mapTo: handle.maps,
      ordered: operator.ordered,
    };
    return readBatches(world.driver.createReader(handle, range), operator.schema);
  };

  try {
    for (const [index, operator] of operators.entries()) {
      if (!wanted.has(index) || inputsOf(operator).length === 0) continue;
      if (operator.kind === 'store') stations[index] = await openStore(index, operator);
      else if (operator.kind === 'sink') stations[index] = await openSink(index, operator);
      else if (operator.kind === 'rows') stations[index] = openRows(index, operator);
      else stations[index] = openOperator(index, operator);
    }
    const roots = operators.flatMap((operator, index) => (wanted.has(index) && inputsOf(operator).length === 0 ? [index] : []));
    roots.sort((a, b) => Number(feedsBuild(operators, b)) - Number(feedsBuild(operators, a)) || a - b);
    for (const index of roots) {
      // Whatever would come of it is there already.
      if (consumers[index]!.length > 0 && consumers[index]!.every(({ at, port }) => port === 1 && places.get(at)?.taken === true)) continue;
      for await (const batch of blamedLater(operators[index]!, open(operators[index]!))) {
        await pause();
        meter.rows += batch.length;
        outcome.rowsRead += batch.length;
        await give(index, { kind: 'batch', batch });
      }
      await give(index, end);
    }
    // Files first, then shuffles: a commit is the last thing an attempt does.
    const kinds = ['sample', 'sink', 'store'];
    for (const kind of kinds) {
      for (const [index, station] of stations.entries()) if (operators[index]?.kind === kind) await station?.finish(outcome);
    }
    return outcome;
  } catch (error) {
    await Promise.allSettled(stations.map((station) => station?.abort()));
    throw error;
  } finally {
    scratch.close();
  }
}
