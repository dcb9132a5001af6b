/**
 * The table of connectors: a row per system that can be read or written. A new one is a file, a test and a line here.
 * Called by the coordinator (plan, prepare, publish, discard) and by tasks (read, createWriter).
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import type { SinkSpec, SourceSpec } from '../graph/plan.ts';
import { arrowSink } from './arrow-sink.ts';
import { arrowSource } from './arrow-source.ts';
import type { Sink, Source } from './connector.ts';
import { rejectsSink } from './csv-rejects.ts';
import { csvSink } from './csv-sink.ts';
import { csvSource } from './csv-source.ts';
import { jsonSink } from './json-sink.ts';
import { jsonSource } from './json-source.ts';
import { parquetSink } from './parquet-sink.ts';
import { parquetSource } from './parquet-source.ts';

/** By the name a source's spec gives; undefined for a name nobody has. */
export const sources: Readonly<Record<string, Source>> = Object.assign(Object.create(null), {
  arrow: arrowSource,
  csv: csvSource,
  json: jsonSource,
  parquet: parquetSource,
});
/** By the name a sink's spec gives. `rejects` is what a source's `side` names, not for users. */
export const sinks: Readonly<Record<string, Sink>> = Object.assign(Object.create(null), {
  arrow: arrowSink,
  csv: csvSink,
  json: jsonSink,
  parquet: parquetSink,
  rejects: rejectsSink,
});

/** @throws PLAN_UNSUPPORTED when no connector has that name */
export const sourceOf = (spec: SourceSpec): Source => sources[spec.connector] ?? unknown(spec.connector, 'source', sources);
/** @throws PLAN_UNSUPPORTED when no connector has that name */
export const sinkOf = (spec: SinkSpec): Sink => sinks[spec.connector] ?? unknown(spec.connector, 'sink', sinks);

function unknown(name: string, role: string, table: object): never {
  throw new SluiceError('PLAN_UNSUPPORTED', { what: `There is no ${role} connector '${name}'; there are ${Object.keys(table).join(', ')}` });
}
