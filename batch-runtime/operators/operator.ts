/**
 * An operator: elements in, elements out. `process` is a generator, so not pulling is backpressure and a join that expands
 * suspends by itself; it costs about a microsecond per batch, never per row. State may be snapshotted only between
 * elements. Asynchronous work (fetch, store, sink) is done by execute/task.ts around the operators, not in them; the one
 * exception is a user's function that waits, and an operator that runs one says so by its type.
 */
import type { Element } from '../element.ts';

export interface Operator {
  /**
   * @param element  one element of input `port`; `end` comes once per port, last
   * @param port     0, or for a join 0 = probe, 1 = build
   * @returns        what it gives; after `end` on every port it has given an `end`
   */
  process(element: Element, port: number): Iterable<Element>;
}

/**
 * An operator that waits for others. It may hold batches back from one element to the next, and gives all of them before
 * anything that is not a batch: before a barrier and before `end` it is drained.
 */
export interface AsyncOperator {
  /** As Operator's; called again only when what it gave was read to its end. */
  process(element: Element, port: number): AsyncIterable<Element>;
  /** Calls off what it waits for. */
  abort(): void;
}
