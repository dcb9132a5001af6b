/**
 * What flows along an edge. A batch job is the stream that only ever sees batches and one `end`; operators are written
 * once. Barriers and watermarks are named here so that no operator has to be rewritten for them.
 */
import type { Batch } from './batch/batch.ts';

export type Element =
  | { readonly kind: 'batch'; readonly batch: Batch }
  /** No row with an earlier event time follows; `idle`: this input has nothing to say about time for now. */
  | { readonly kind: 'watermark'; readonly timeMicros: number | 'idle' }
  | { readonly kind: 'barrier'; readonly id: number; readonly barrier: 'checkpoint' | 'savepoint' | 'round' | 'switch' }
  | { readonly kind: 'end' };

export const end: Element = { kind: 'end' };
