/**
 * What a job writes to name a source or a sink: `arrow(...)`, `csv(...)`, `json(...)`, `parquet(...)`. They make plain specs and touch no file; the
 * connector of that name reads them later. With `schema` it is a source, without it a sink, and a source whose columns
 * are named by `col` where they are used.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Schema } from '../batch/batch.ts';
import type { SinkSpec, SourceSpec } from '../graph/plan.ts';
import { fieldsOf, type RowOf, type SchemaShape } from '../schema.ts';

declare const row: unique symbol;
declare const columns: unique symbol;

/** Something `flow.read` takes; R is the row. `fields` null: nothing is declared. */
export interface Source<out R> {
  readonly [row]?: R;
  readonly source: SourceSpec;
  readonly fields: Schema | null;
}

/** Something `write` takes; C are the columns it names. */
export interface Sink<out C extends string = never> {
  readonly [columns]?: C;
  readonly sink: SinkSpec;
  readonly names: readonly string[];
}

interface TextSource {
  /** The columns, found by the names in the header of CSV, by the keys of each record of JSON. */
  readonly schema: SchemaShape;
  /** A file for rows that cannot be read; without it such a row is CSV_INVALID, JSON_INVALID. */
  readonly rejects?: string;
  readonly overwrite?: never;
  readonly compression?: never;
}
interface ParquetSource {
  readonly schema: SchemaShape;
  readonly overwrite?: never;
  readonly partitionBy?: never;
}
interface ArrowSource {
  readonly schema: SchemaShape;
  readonly overwrite?: never;
  readonly compression?: never;
}
interface ArrowSink {
  /** Replace what is there, on success only. Without it a non-empty output is OUTPUT_NOT_EMPTY. */
  readonly overwrite?: boolean;
  /** Packs each column of each record batch; not every reader of Arrow takes it. */
  readonly compression?: 'zstd';
  readonly schema?: never;
}
interface TextSink {
  /** Replace what is there, on success only. Without it a non-empty output is OUTPUT_NOT_EMPTY. */
  readonly overwrite?: boolean;
  /** Packs the files; a path that ends in `.gz` or `.zst` says it too. */
  readonly compression?: 'gzip' | 'zstd';
  readonly schema?: never;
  readonly rejects?: never;
}
interface ParquetSink {
  /** Replace what is there, on success only. Without it a non-empty output is OUTPUT_NOT_EMPTY. */
  readonly overwrite?: boolean;
  /** Columns that leave the files for the folder names, `state=CA/...`. */
  readonly partitionBy?: readonly string[];
  readonly schema?: never;
}

/** What a builder gives: with a schema a source; without, a sink, or a source of which nothing is declared. */
type Connected<O> = O extends { readonly schema: infer S extends SchemaShape }
  ? Source<RowOf<S>>
  : Source<unknown> & Sink<O extends { readonly partitionBy: readonly (infer C extends string)[] } ? C : never>;

/**
 * CSV with a header line, packed by gzip or zstd or not. As a source: a path, a folder or a glob. As a sink: a path that ends
 * in `.csv` is one file in row order, else a folder of parts.
 */
export function csv<const O extends TextSource | TextSink = TextSink>(path: string, options?: O): Connected<O> {
  return text('csv', path, options) as Connected<O>;
}

/**
 * NDJSON: an object on each line, packed by gzip or zstd or not. As a source: a path, a folder or a glob; keys that are not
 * declared are passed over. As a sink: a path that ends in `.ndjson`, `.jsonl` or `.json` is one file in row order, else a
 * folder of parts.
 */
export function json<const O extends TextSource | TextSink = TextSink>(path: string, options?: O): Connected<O> {
  return text('json', path, options) as Connected<O>;
}

function text(connector: string, path: string, options: TextSource | TextSink | undefined): Source<unknown> & Sink<string> {
  const { schema, rejects, overwrite = false, compression }: TextSource | TextSink = options ?? {};
  if (compression !== undefined && compression !== 'gzip' && compression !== 'zstd')
    throw new SluiceError('PLAN_UNSUPPORTED', { what: `${connector}: compression is 'gzip' or 'zstd', not ${String(compression)}` });
  const packed = compression === undefined ? {} : { compression };
  return connected(schema, { connector, path, rejects: rejects ?? null }, { connector, path, overwrite, ...packed }, []);
}

/** Parquet. As a source: a path, a folder or a glob. As a sink: a folder. */
export function parquet<const O extends ParquetSource | ParquetSink = ParquetSink>(path: string, options?: O): Connected<O> {
  const { schema, overwrite = false, partitionBy = [] }: ParquetSource | ParquetSink = options ?? {};
  return connected(schema, { connector: 'parquet', path }, { connector: 'parquet', path, overwrite, partitionBy }, partitionBy) as Connected<O>;
}

/**
 * Arrow IPC. As a source: a path, a folder or a glob; files in the file or the stream format, packed by LZ4 or zstd or not. As a
 * sink, in the file format: a path that ends in `.arrow`, `.arrows`, `.feather` or `.ipc` is one file in row order, else a folder of parts.
 */
export function arrow<const O extends ArrowSource | ArrowSink = ArrowSink>(path: string, options?: O): Connected<O> {
  const { schema, overwrite = false, compression }: ArrowSource | ArrowSink = options ?? {};
  if (compression !== undefined && compression !== 'zstd')
    throw new SluiceError('PLAN_UNSUPPORTED', { what: `arrow: compression is 'zstd', not ${String(compression)}` });
  const packed = compression === undefined ? {} : { compression };
  return connected(schema, { connector: 'arrow', path }, { connector: 'arrow', path, overwrite, ...packed }, []) as Connected<O>;
}

const connected = (
  schema: SchemaShape | undefined,
  source: SourceSpec,
  sink: SinkSpec,
  names: readonly string[],
): Source<unknown> & Sink<string> => ({
  source,
  fields: schema === undefined ? null : fieldsOf(schema),
  sink,
  names,
});
