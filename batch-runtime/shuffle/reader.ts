/**
 * Payloads to batches: decodes each block and puts small ones together, so that operators see batches worth their per-batch
 * cost. Order is the shuffle's. Called by execute/task.ts and for a job's result.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { MiB } from '#manager/protocol/ids.ts';
import { type Batch, batchRows, type Schema } from '../batch/batch.ts';
import { concat } from '../batch/concat.ts';
import { decodeBatch } from '../batch/ipc.ts';
import type { ShuffleReader } from './spi.ts';

const enoughRows = batchRows / 2;
const enoughBytes = 4 * MiB;

/**
 * Reads to the end and closes the reader, also when the iteration is left early.
 * @throws what the shuffle throws · FILE_CORRUPT: a payload that is not of the schema · INTERNAL: its count is not the block's
 */
export async function* readBatches(reader: ShuffleReader, schema: Schema): AsyncGenerator<Batch> {
  let waiting: Batch[] = [];
  let rows = 0;
  let bytes = 0;
  try {
    for await (const { payload, records, partition, map } of reader) {
      // A payload is only good until the next one is asked for; the copy starts on 8 bytes, so decoding makes no other.
      const batch = decodeBatch(schema, new Uint8Array(payload));
      if (batch.length !== records)
        throw new SluiceError('INTERNAL', { what: `a block of map ${map}, partition ${partition} says ${records} records and has ${batch.length}` });
      waiting.push(batch);
      rows += records;
      bytes += payload.length;
      if (rows >= enoughRows || bytes >= enoughBytes) {
        const whole = concat(schema, waiting);
        waiting = [];
        rows = 0;
        bytes = 0;
        if (whole.length > 0) yield whole;
      }
    }
    if (rows > 0) yield concat(schema, waiting);
  } finally {
    await reader.close();
  }
}
