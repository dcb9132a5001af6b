/**
 * The rows of the table that a job returns, read by its coordinator from the shuffle they are in. A partition that is lost is made
 * again, as long as nothing of it was given out. Called by submit.ts.
 */
import { asSluiceError } from '#manager/protocol/errors.ts';
import type { Batch } from '../batch/batch.ts';
import { readBatches } from '../shuffle/reader.ts';
import type { ShuffleDriver } from '../shuffle/spi.ts';
import type { Coordinator } from './coordinator.ts';

/** Bytes of a result partition kept back until it is known to be whole, so that a lost one can be made again unseen. */
const holdBackBytes = 32 * 1024 * 1024;

/** In the order of the table. @throws what ends the job */
export async function* readResult(coordinator: Coordinator, driver: ShuffleDriver): AsyncGenerator<Batch> {
  let run: string | null = null;
  let given = false;
  for (let partition = 0; ; ) {
    const { result } = coordinator;
    if (result === null || partition === result.handle.partitions) return;
    const { handle, edge } = result;
    // A result that was made anew has other rows in its partitions.
    if (run !== null && handle.id !== run) partition = 0;
    run = handle.id;
    const held: Batch[] = [];
    let bytes = 0;
    let begun = false;
    try {
      const range = { partitionFrom: partition, partitionTo: partition + 1, mapFrom: 0, mapTo: handle.maps, ordered: true };
      for await (const batch of readBatches(driver.createReader(handle, range), edge.schema)) {
        held.push(batch);
        bytes += batch.columns.reduce((sum, { data }) => sum + data.byteLength, 0);
        if (bytes < holdBackBytes) continue;
        given = begun = true;
        yield* held.splice(0);
      }
      given ||= held.length > 0;
      yield* held;
      partition++;
    } catch (thrown) {
      const error = asSluiceError(thrown);
      if (error.remedy !== 'recompute' || begun) throw error;
      await coordinator.mendResult(error);
      if (given && coordinator.result?.handle.id !== run) throw error;
    }
  }
}
