/**
 * A join whose build side may be larger than its memory. While the build side fits this is the join itself (join.ts). Else both
 * sides are put aside by partitions of the key hash and joined partition by partition, each by a join of its own; a partition
 * that is still too large is spread again, and one that cannot be spread, since it is one key, is joined chunk by chunk of
 * its build rows. Matches then leave partition by partition. Chunks of an as-of join go from the last values to the first,
 * and what has found its row in one asks no further.
 */
import type { Batch, Column, ColumnType, Schema } from '../batch/batch.ts';
import { bitAt, bitmapBytes, setBit } from '../batch/bitmap.ts';
import { batchBytes, emptyColumn, makeBatch, makeColumn } from '../batch/column.ts';
import { take } from '../batch/take.ts';
import { type Element, end } from '../element.ts';
import type { UserFunction } from '../graph/plan.ts';
import type { StageOperator } from '../graph/stage.ts';
import type { Share } from '../spill/memory.ts';
import { createPartitions, type Partitions, partitionSizes } from '../spill/partitions.ts';
import { createSpillFile, type SpillFile } from '../spill/spill-file.ts';
import { createJoin } from './join.ts';
import type { TablePlace } from './kept-tables.ts';
import type { Operator } from './operator.ts';
import { createSort } from './sort.ts';

type Spec = Extract<StageOperator, { kind: 'join' }>;
type How = Spec['how'];

/** Of a build row: its place in the table, in the lists of its group, and its key's lanes. */
const rowBytes = 64;
/** The build side is there twice while it is put together. */
const costOf = (bytes: number, rows: number): number => 2 * bytes + rowBytes * rows;
/** A build side of so few bytes is joined whatever the budget. */
const leastBytes = 16 * 1024;
/** A part that keeps so much of the one it was spread from is one key, or nearly. */
const stubborn = 0.8;
const maxLevel = 8;
/** After so many batches that gave nothing an empty one leaves: whoever pulls may have something else to do. */
const quietBatches = 16;

/** What each kind is among chunks of the build side: the kind that joins a chunk, and which rows of the probe leave when all chunks have passed. */
const chunkKinds: Readonly<Record<How, { readonly chunk: How; readonly rest: How | null }>> = {
  inner: { chunk: 'inner', rest: null },
  left: { chunk: 'inner', rest: 'left' },
  // A build row is in one chunk, past which all of the probe goes.
  right: { chunk: 'right', rest: null },
  full: { chunk: 'right', rest: 'left' },
  // These only mark the rows of the probe: each leaves once, when all chunks have passed.
  semi: { chunk: 'semi', rest: 'semi' },
  anti: { chunk: 'semi', rest: 'anti' },
};

/** Names the column that numbers the rows of a probe; no column of a job has it. */
const numberName = '\u0000row';
const numberType: ColumnType = { kind: 'int32' };

/**
 * @throws as createJoin · NO_SPACE, DISK_FAILED
 * Memory: its share. A build row that is alone larger than that is joined nevertheless.
 * @param place  where the table of a side that every task gets is kept for the next one; null: it is not
 */
export function createSpillingJoin(
  spec: Spec,
  inputs: readonly Schema[],
  functions: readonly UserFunction[],
  share: Share,
  place: TablePlace | null = null,
): Operator {
  const [probeSchema, buildSchema] = [inputs[0]!, inputs[1]!];
  const columnsOf = (schema: Schema, names: readonly string[]): number[] => names.map((name) => schema.findIndex((f) => f.name === name));
  const keys = { probe: columnsOf(probeSchema, spec.probeKeys), build: columnsOf(buildSchema, spec.buildKeys) };
  const nothing: Element = {
    kind: 'batch',
    batch: makeBatch(
      spec.schema,
      0,
      spec.schema.map(({ type }) => emptyColumn(type)),
    ),
  };

  let built: Batch[] = [];
  let bytes = 0;
  let rows = 0;
  /** The join itself, once the build side has turned out to fit. */
  let whole: Operator | null = null;
  /** Else both sides, by partitions. */
  let aside: { readonly build: Partitions; readonly probe: Partitions } | null = null;
  let buildEnded = false;
  let probeEnded = false;
  /** What has come to the probe before the build side has ended. */
  let waiting: Batch[] = [];
  let waitingBytes = 0;
  let waitingFile: SpillFile | null = null;

  const found = place?.get() ?? null;
  if (place !== null && found !== null && 'first' in found.table && share.hold(costOf(found.bytes, found.rows))) {
    place.taken = true;
    whole = createJoin(spec, inputs, functions, found.table);
    buildEnded = true;
  }

  const fits = (buildBytes: number, buildRows: number): boolean =>
    share.hold(costOf(buildBytes, buildRows) + waitingBytes) || buildBytes <= leastBytes;
  const partitionsOf = (schema: Schema, of: readonly number[], level: number): Partitions =>
    createPartitions({ scratch: share.scratch, schema, keys: of, level, ...partitionSizes(share.limitBytes) });
  const bothAt = (level: number): { readonly build: Partitions; readonly probe: Partitions } => ({
    build: partitionsOf(buildSchema, keys.build, level),
    probe: partitionsOf(probeSchema, keys.probe, level),
  });

  const putAside = (): void => {
    aside = bothAt(0);
    for (const batch of built) aside.build.write(batch);
    built = [];
    share.hold(waitingBytes);
  };
  const wait = (batch: Batch): void => {
    waiting.push(batch);
    waitingBytes += batchBytes(batch);
    if (share.hold((aside === null ? costOf(bytes, rows) : 0) + waitingBytes) || waitingBytes <= leastBytes) return;
    waitingFile ??= createSpillFile(share.scratch, probeSchema, partitionSizes(share.limitBytes).blockBytes);
    for (const each of waiting) waitingFile.write(0, each);
    waiting = [];
    waitingBytes = 0;
  };
  function* waited(): Generator<Batch> {
    if (waitingFile !== null) yield* waitingFile.read(0);
    yield* waiting;
    waitingFile?.close();
    waiting = [];
    waitingBytes = 0;
  }

  /** One join over a build side that fits. */
  function* joined(of: Spec, schemas: readonly Schema[], build: Iterable<Batch>, probe: Iterable<Batch>): Generator<Batch> {
    const join = createJoin(of, schemas, functions);
    let quiet = 0;
    function* fed(element: Element, port: number): Generator<Batch> {
      for (const out of join.process(element, port)) if (out.kind === 'batch') yield out.batch;
      if (++quiet % quietBatches === 0)
        yield makeBatch(
          of.schema,
          0,
          of.schema.map(({ type }) => emptyColumn(type)),
        );
    }
    for (const batch of build) yield* fed({ kind: 'batch', batch }, 1);
    yield* fed(end, 1);
    for (const batch of probe) yield* fed({ kind: 'batch', batch }, 0);
    yield* fed(end, 0);
  }

  /** @param parentRows  build rows of the part that all these were spread from */
  function* parts(build: SpillFile, probe: SpillFile, level: number, parentRows: number): Generator<Batch> {
    const count = Math.max(build.parts, probe.parts);
    for (let part = 0; part < count; part++) {
      const buildRows = build.rows(part);
      if (buildRows === 0 && probe.rows(part) === 0) continue;
      if (fits(build.bytes(part), buildRows)) yield* joined(spec, inputs, build.read(part), probe.read(part));
      else if (keys.build.length === 0 || level > maxLevel || buildRows > stubborn * parentRows) yield* chunked(build, probe, part);
      else {
        share.hold(0);
        const next = bothAt(level);
        for (const batch of build.read(part)) next.build.write(batch);
        for (const batch of probe.read(part)) next.probe.write(batch);
        yield* parts(next.build.finish(), next.probe.finish(), level + 1, buildRows);
      }
    }
    build.close();
    probe.close();
    share.hold(0);
  }

  /** A block nested loop: the probe rows of a part pass each chunk of its build rows, and are remembered once they have matched. */
  function* chunked(build: SpillFile, probe: SpillFile, part: number): Generator<Batch> {
    const kinds = chunkKinds[spec.how];
    const matched = new Uint8Array(bitmapBytes(probe.rows(part)));
    const numberField = { name: numberName, type: numberType, nullable: true };
    const numbered = [...probeSchema, numberField];
    // The number stands behind the columns of the probe, wherever those stand in what leaves.
    const at = probeSchema.length;
    const chunkSpec: Spec = { ...spec, how: kinds.chunk, schema: [...spec.schema.slice(0, at), numberField, ...spec.schema.slice(at)] };
    for (const chunk of spec.asOf === undefined ? chunksOf(build.read(part)) : chunksOf(fromTheLast(build.read(part), spec.asOf.right), true)) {
      const rows = numberRows(probe.read(part), numbered);
      const open = spec.asOf === undefined ? rows : unmatched(rows, at, matched);
      for (const batch of joined(chunkSpec, [numbered, buildSchema], chunk, open)) {
        const numbers = batch.columns[at]!;
        const values = numbers.data as Int32Array;
        for (let i = 0; i < batch.length; i++) if (numbers.validity === null || bitAt(numbers.validity, i) === 1) setBit(matched, values[i]!);
        if (kinds.chunk === 'semi') continue;
        yield makeBatch(
          spec.schema,
          batch.length,
          batch.columns.filter((_, c) => c !== at),
        );
      }
    }
    if (kinds.rest === 'semi') yield* marked(probe.read(part), matched, 1);
    else if (kinds.rest !== null) yield* joined({ ...spec, how: kinds.rest }, inputs, [], marked(probe.read(part), matched, 0));
  }

  /** @param backwards  the batches come from the last to the first, and stand in a chunk the other way round */
  function* chunksOf(batches: Iterable<Batch>, backwards = false): Generator<Batch[]> {
    let chunk: Batch[] = [];
    let [chunkBytes, chunkRows] = [0, 0];
    for (const batch of batches) {
      if (backwards) chunk.unshift(batch);
      else chunk.push(batch);
      chunkBytes += batchBytes(batch);
      chunkRows += batch.length;
      // Half of what it may hold: the next one is read while this one is let go.
      if (share.hold(2 * costOf(chunkBytes, chunkRows)) || chunkBytes <= leastBytes) continue;
      yield chunk;
      chunk = [];
      [chunkBytes, chunkRows] = [0, 0];
    }
    if (chunk.length > 0) yield chunk;
  }

  /** The rows in the order of a column, batch by batch from the last to the first; inside of a batch they go up. */
  function* fromTheLast(batches: Iterable<Batch>, column: string): Generator<Batch> {
    const keys = [{ name: column, descending: false }];
    const sort = createSort({ kind: 'sort', uid: spec.uid, input: 0, keys, limit: null, schema: buildSchema }, buildSchema, share);
    const file = createSpillFile(share.scratch, buildSchema, partitionSizes(share.limitBytes).blockBytes);
    let parts = 0;
    function* sorted(): Generator<Element> {
      for (const batch of batches) yield* sort.process({ kind: 'batch', batch }, 0);
      yield* sort.process(end, 0);
    }
    for (const element of sorted()) if (element.kind === 'batch') file.write(parts++, element.batch);
    while (parts-- > 0) yield* [...file.read(parts)].reverse();
    file.close();
  }

  function* inBatches(batches: Iterable<Batch>): Generator<Element> {
    for (const batch of batches) yield { kind: 'batch', batch };
  }

  /** Both sides have ended, and were put aside. */
  function* finish(): Generator<Element> {
    const build = aside!.build.finish();
    const probe = aside!.probe.finish();
    yield* inBatches(parts(build, probe, 1, Number.POSITIVE_INFINITY));
    yield end;
  }

  return {
    *process(element, port) {
      if (port === 1) {
        if (element.kind === 'batch') {
          if (aside !== null) aside.build.write(element.batch);
          else {
            built.push(element.batch);
            bytes += batchBytes(element.batch);
            rows += element.batch.length;
            if (!fits(bytes, rows)) putAside();
          }
        }
        if (element.kind !== 'end') return;
        buildEnded = true;
        if (aside === null) {
          const joined = createJoin(spec, inputs, functions);
          whole = joined;
          for (const batch of built) yield* joined.process({ kind: 'batch', batch }, 1);
          built = [];
          yield* joined.process(end, 1);
          const table = joined.table();
          if (table !== null) place?.put({ table, bytes, rows });
          for (const batch of waited()) yield* whole.process({ kind: 'batch', batch }, 0);
          if (probeEnded) yield* whole.process(end, 0);
        } else {
          for (const batch of waited()) aside.probe.write(batch);
          if (probeEnded) yield* finish();
        }
        return;
      }
      if (element.kind === 'end') probeEnded = true;
      if (!buildEnded) {
        if (element.kind === 'batch') wait(element.batch);
      } else if (whole !== null) yield* whole.process(element, 0);
      else if (element.kind === 'batch') {
        aside!.probe.write(element.batch);
        yield nothing;
      } else if (element.kind === 'end') yield* finish();
    },
  };
}

function* numberRows(batches: Iterable<Batch>, schema: Schema): Generator<Batch> {
  let from = 0;
  for (const batch of batches) {
    const data = new Int32Array(batch.length);
    for (let i = 0; i < batch.length; i++) data[i] = from + i;
    from += batch.length;
    const columns: Column[] = [...batch.columns, makeColumn(numberType, batch.length, data)];
    yield makeBatch(schema, batch.length, columns);
  }
}

/** What has not matched yet, of rows that know their numbers. */
function* unmatched(batches: Iterable<Batch>, number: number, matched: Uint8Array): Generator<Batch> {
  for (const batch of batches) {
    const numbers = batch.columns[number]!.data as Int32Array;
    const rows = new Int32Array(batch.length);
    let count = 0;
    for (let i = 0; i < batch.length; i++) if (bitAt(matched, numbers[i]!) === 0) rows[count++] = i;
    if (count > 0) yield take(batch, rows, count);
  }
}

/** The rows that have matched, or have not. */
function* marked(batches: Iterable<Batch>, matched: Uint8Array, wanted: 0 | 1): Generator<Batch> {
  let from = 0;
  for (const batch of batches) {
    const rows = new Int32Array(batch.length);
    let count = 0;
    for (let i = 0; i < batch.length; i++) if (bitAt(matched, from + i) === wanted) rows[count++] = i;
    from += batch.length;
    if (count > 0) yield take(batch, rows, count);
  }
}
