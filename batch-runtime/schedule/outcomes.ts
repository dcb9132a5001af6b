/**
 * What the finished tasks of a job have brought home: rows and bytes, what sinks wrote, samples, digests. One outcome a task, the
 * first; a repair makes fewer outputs than the first attempt, so what that one wrote stays. Called by the coordinator.
 */
import { type Digest, emptyDigest, mergeDigests } from '../batch/digest.ts';
import type { Written } from '../connectors/connector.ts';
import type { StageId } from '../graph/stage.ts';
import type { Samples } from '../operators/sample.ts';
import type { Outcome } from './messages.ts';

export class Outcomes {
  /** By stage, then task. */
  readonly #stages = new Map<StageId, Map<number, Outcome>>();
  /** Of all attempts that counted, repairs too. */
  rows = 0;
  bytes = 0;

  accept(stage: StageId, task: number, outcome: Outcome): void {
    const tasks = this.#stages.get(stage) ?? new Map<number, Outcome>();
    this.#stages.set(stage, tasks);
    const first = tasks.get(task);
    if (first === undefined) tasks.set(task, outcome);
    else Object.assign(first.samples, outcome.samples);
    this.rows += outcome.rowsRead;
    this.bytes += outcome.bytesShuffled;
  }

  has(stage: StageId, task: number): boolean {
    return this.#stages.get(stage)?.has(task) ?? false;
  }

  /** The stage starts over: what its tasks brought home counts no more. */
  forget(stage: StageId): void {
    this.#stages.delete(stage);
  }

  /** Of a stage's tasks, in their order. */
  totals(stage: StageId): { rows: number; bytes: number } {
    let [rows, bytes] = [0, 0];
    for (const outcome of this.#of(stage)) {
      rows += outcome.rowsRead;
      bytes += outcome.bytesShuffled;
    }
    return { rows, bytes };
  }

  digest(stage: StageId, operator: number): Digest {
    return this.#of(stage).reduce((whole, { digests }) => mergeDigests(whole, digests[operator] ?? emptyDigest), emptyDigest);
  }

  samples(stage: StageId, operator: number): Samples[] {
    return this.#of(stage).flatMap(({ samples }) => (samples[operator] === undefined ? [] : [samples[operator] as Samples]));
  }

  written(stage: StageId, operator: number): Written[] {
    return this.#of(stage).flatMap(({ written }) => (written[operator] === undefined ? [] : [written[operator]]));
  }

  #of(stage: StageId): Outcome[] {
    return [...(this.#stages.get(stage) ?? [])].sort(([a], [b]) => a - b).map(([, outcome]) => outcome);
  }
}
