/**
 * The shuffles of a job's edges: opens each when its stage may begin, keeps handles and range bounds, and says how many tasks
 * a stage has and what each of them reads. A stage that starts over gets new runs under new names. Called by the coordinator.
 */
import assert from 'node:assert/strict';
import { encodeSchema } from '../batch/ipc.ts';
import type { Distribution, Edge, EdgeId, Stage, StageGraph } from '../graph/stage.ts';
import type { ShuffleDriver, ShuffleHandle } from '../shuffle/spi.ts';
import type { RangeBounds } from '../shuffle/writer.ts';
import type { Assignment } from './messages.ts';
import type { PlannedJob } from './planning.ts';

export interface ExchangesOptions {
  readonly stages: StageGraph;
  /** By the uid of a scan: what each of its tasks reads. */
  readonly splits: PlannedJob['splits'];
  readonly driver: ShuffleDriver;
  /** Partitions of hash and range exchanges. */
  readonly partitions: number;
  /** Slots hoped for: sets how many tasks read a shuffle. */
  readonly slots: number;
}

export class Exchanges {
  readonly #options: ExchangesOptions;
  readonly #handles = new Map<EdgeId, ShuffleHandle>();
  readonly #bounds = new Map<EdgeId, RangeBounds>();
  /** How often an edge has been closed: its shuffle's name says which run it is. */
  readonly #closed = new Map<EdgeId, number>();
  /** Bytes of each partition, as far as maps have ended. */
  readonly #bytes = new Map<EdgeId, Float64Array>();

  constructor(options: ExchangesOptions) {
    this.#options = options;
  }

  edge(id: EdgeId): Edge {
    const edge = this.#options.stages.edges.find((one) => one.id === id);
    assert.ok(edge, `no edge ${id}`);
    return edge;
  }

  /** The shuffle of an edge; null before it is open. */
  handle(id: EdgeId): ShuffleHandle | null {
    return this.#handles.get(id) ?? null;
  }

  /** The edge whose shuffle that is; null: of none that is open. */
  edgeOf(shuffle: string): Edge | null {
    for (const [id, handle] of this.#handles) if (handle.id === shuffle) return this.edge(id);
    return null;
  }

  /** Knows the shuffle of an edge that another coordinator has opened. */
  restore(id: EdgeId, handle: ShuffleHandle, bounds: RangeBounds | null): void {
    this.#handles.set(id, handle);
    this.#bytes.set(id, new Float64Array(handle.partitions));
    if (bounds !== null) this.#bounds.set(id, bounds);
  }

  bounds(id: EdgeId): RangeBounds | null {
    return this.#bounds.get(id) ?? null;
  }

  vacant(id: EdgeId): Promise<readonly number[]> {
    return this.#options.driver.vacant(this.#open(id));
  }

  /** @param bounds  of a range exchange: makes them for so many partitions */
  async open(
    id: EdgeId,
    maps: number,
    bounds: (distribution: Extract<Distribution, { kind: 'range' }>, partitions: number) => RangeBounds,
  ): Promise<void> {
    const { driver } = this.#options;
    const { distribution, schema, deterministic } = this.edge(id);
    const partitions = this.#partitionsOf(distribution, maps);
    if (distribution.kind === 'range') this.#bounds.set(id, bounds(distribution, partitions));
    const run = this.#closed.get(id) ?? 0;
    const name = run === 0 ? `edge-${id}` : `edge-${id}.${run}`;
    this.#bytes.set(id, new Float64Array(partitions));
    this.#handles.set(id, await driver.open({ name, maps, partitions, deterministic, schema: encodeSchema(schema), bytesHint: 0 }));
  }

  /** Ends the run of an edge: what it holds is nobody's from now on, and opening it again gives a new one. */
  async close(id: EdgeId): Promise<void> {
    const handle = this.#handles.get(id);
    if (handle === undefined) return;
    this.forget(id);
    // What cannot be released now ends with the job.
    await this.#options.driver.release(handle).catch(() => {});
  }

  /** The run of an edge is over, or was before this coordinator. */
  forget(id: EdgeId): void {
    this.#handles.delete(id);
    this.#bounds.delete(id);
    this.#closed.set(id, (this.#closed.get(id) ?? 0) + 1);
  }

  /** A map of the edge has ended, having written so much to each partition. */
  count(id: EdgeId, bytes: readonly (readonly [partition: number, bytes: number])[]): void {
    const known = this.#bytes.get(id);
    if (known !== undefined) for (const [partition, more] of bytes) known[partition]! += more;
  }

  /** What each task of a stage reads, 0 = not known. */
  bytesOf(stage: Stage, tasks: number): number[] {
    if (stage.parallelism.kind === 'splits') return this.#splitsOf(stage).map(({ bytes }) => bytes);
    const partitions = this.#partitionsRead(stage);
    return Array.from({ length: tasks }, (_, task) => {
      const { from, to } = shareOf(task, tasks, partitions);
      return stage.operators.reduce((sum, operator) => {
        if (operator.kind !== 'fetch') return sum;
        const all = this.edge(operator.edge).distribution.kind === 'broadcast';
        const bytes = this.#bytes.get(operator.edge) ?? new Float64Array();
        return (all ? bytes : bytes.subarray(from, to)).reduce((a, b) => a + b, sum);
      }, 0);
    });
  }

  #partitionsOf({ kind }: Distribution, maps: number): number {
    if (kind === 'hash' || kind === 'range') return this.#options.partitions;
    return kind === 'forward' ? Math.max(maps, 1) : 1;
  }

  taskCount(stage: Stage): number {
    if (stage.parallelism.kind === 'single') return 1;
    if (stage.parallelism.kind === 'splits') return this.#splitsOf(stage).length;
    const partitions = this.#partitionsRead(stage);
    const forward = stage.operators.some((operator) => operator.kind === 'fetch' && this.edge(operator.edge).distribution.kind === 'forward');
    return forward ? partitions : Math.min(partitions, Math.max(1, this.#options.slots * 2));
  }

  /** What a task of the stage reads, and the shuffles it reads and writes. */
  share(stage: Stage, task: number, tasks: number): Pick<Assignment, 'split' | 'partitionFrom' | 'partitionTo' | 'shuffles' | 'bounds'> {
    const { from, to } = shareOf(task, tasks, this.#partitionsRead(stage));
    const shuffles: Record<string, ShuffleHandle> = {};
    const bounds: Record<string, RangeBounds> = {};
    for (const operator of stage.operators) {
      if (operator.kind !== 'fetch' && operator.kind !== 'store') continue;
      shuffles[operator.edge] = this.#open(operator.edge);
      const range = this.#bounds.get(operator.edge);
      if (range !== undefined) bounds[operator.edge] = range;
    }
    return {
      split: stage.parallelism.kind === 'splits' ? (this.#splitsOf(stage)[task] ?? null) : null,
      partitionFrom: from,
      partitionTo: to,
      shuffles,
      bounds,
    };
  }

  #splitsOf(stage: Stage) {
    const scan = stage.operators.find((operator) => operator.kind === 'scan');
    assert.ok(scan, 'a stage over splits scans');
    return this.#options.splits.get(scan.uid) ?? [];
  }

  #open(id: EdgeId): ShuffleHandle {
    const handle = this.#handles.get(id);
    assert.ok(handle, `edge ${id} is open`);
    return handle;
  }

  /** Partitions of the edges the stage reads by range; broadcast ones do not count. */
  #partitionsRead(stage: Stage): number {
    const counts = stage.operators.flatMap((operator) =>
      operator.kind === 'fetch' && this.edge(operator.edge).distribution.kind !== 'broadcast' ? [this.#open(operator.edge).partitions] : [],
    );
    assert.ok(new Set(counts).size <= 1, 'edges read together have the same partitions');
    return counts[0] ?? 1;
  }
}

/** Partitions [from, to) of one task. */
const shareOf = (task: number, tasks: number, partitions: number): { from: number; to: number } => ({
  from: Math.floor((task * partitions) / tasks),
  to: Math.floor(((task + 1) * partitions) / tasks),
});
