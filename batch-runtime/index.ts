/**
 * The public door: everything a job module or an app imports from 'sluice'. What is not here is not the API.
 */
export { Temporal } from 'temporal-polyfill';
export { Type } from 'typebox';
export { type ErrorCode, SluiceError } from '#manager/protocol/errors.ts';
export { Decimal } from './batch/decimal.ts';
export { arrow, csv, json, parquet, type Sink, type Source } from './connectors/builders.ts';
export { type Aggregate, type Count, count } from './fluent/aggregate.ts';
export { when } from './fluent/choice.ts';
export { col, lit } from './fluent/columns.ts';
export type {
  AnyExpr,
  BooleanExpr,
  Columns,
  DateExpr,
  Duration,
  Expr,
  ListExpr,
  NumericExpr,
  StringExpr,
  StructExpr,
  TimestampExpr,
} from './fluent/expr.ts';
export { udf } from './fluent/udf.ts';
export { type Bounds, cumeDist, denseRank, type Framed, ntile, type Over, percentRank, type Ranking, rank, rowNumber } from './fluent/window.ts';
export { type Job, job, type Params } from './job.ts';
export { type Run, type RunOptions, run } from './run.ts';
export type { JobEvent, JobReport } from './schedule/events.ts';
export {
  bool,
  bytes,
  type Declared,
  date,
  decimal,
  float32,
  float64,
  int8,
  int16,
  int32,
  int64,
  integer,
  list,
  localTimestamp,
  type RowOf,
  schema,
  struct,
  time,
  timestamp,
  uint8,
  uint16,
  uint32,
  uint64,
  utf8,
} from './schema.ts';
export { type Descending, desc, type Flow, type Grouped, type Table } from './table.ts';
export type { RowCall, RowOptions } from './verbs/rows.ts';
export type { UnnestOptions } from './verbs/unnest.ts';
