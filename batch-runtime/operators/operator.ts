/**
 * An operator: elements in, elements out. `process` is a generator, so not pulling is backpressure and a join that expands
 * suspends by itself; it costs about a microsecond per batch, never per row. State may be snapshotted only between
 * elements. Asynchronous work (fetch, store, sink) is done by execute/task.ts around the operators, not in them.
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
