/**
 * Hash join: keeps the build side (port 1) whole, then streams the probe side (port 0) past it; what comes to the probe
 * before the build has ended waits. Null keys match nothing. Matches leave in the order of the probe's rows, then of the
 * build's, at most batchRows per batch: an expanding join suspends between two of them.
 */
import assert from 'node:assert/strict';
import { type Batch, batchRows, type Column, type Schema } from '../batch/batch.ts';
import { bitAt } from '../batch/bitmap.ts';
import { layoutOf, makeBatch } from '../batch/column.ts';
import { concat } from '../batch/concat.ts';
import { GroupTable } from '../batch/groups.ts';
import { KeyEncoder, type KeyField } from '../batch/keys.ts';
import { take, takeColumn, takeOrNull } from '../batch/take.ts';
import { type Element, end } from '../element.ts';
import type { StageOperator } from '../graph/stage.ts';
import type { Operator } from './operator.ts';

type Spec = Extract<StageOperator, { kind: 'join' }>;

const indexesOf = (schema: Schema, names: readonly string[]): number[] =>
  names.map((name) => {
    const column = schema.findIndex((f) => f.name === name);
    assert.ok(column >= 0, `no column ${name} to join on`);
    return column;
  });

/** What both sides' keys become: int32 against 64 bits is compared in 64 bits. */
const keyField = (a: KeyField, b: KeyField): KeyField => {
  const [aLayout, bLayout] = [layoutOf(a.type), layoutOf(b.type)];
  const whole = (layout: string): boolean => layout === 'word' || layout === 'lanes';
  assert.ok(aLayout === bLayout || (whole(aLayout) && whole(bLayout)), `a ${a.type.kind} key cannot meet a ${b.type.kind} key`);
  return { type: aLayout === 'lanes' ? a.type : b.type, nullable: a.nullable || b.nullable };
};

/** The build side once it is whole. */
interface Table {
  readonly batch: Batch;
  readonly groups: GroupTable;
  /** First build row of each group, then for each build row the next one of its group; -1 ends. */
  readonly first: Int32Array;
  readonly next: Int32Array;
}

/**
 * @param inputs  schemas of probe and build
 * @throws        MEMORY_EXCEEDED when a text column of the build side passes 2 GiB
 * Memory: the build side twice while it is put together, then once, and about 16 bytes per row.
 */
export function createJoin(spec: Spec, inputs: readonly Schema[]): Operator {
  const [probeSchema, buildSchema] = [inputs[0]!, inputs[1]!];
  const probeKeys = indexesOf(probeSchema, spec.probeKeys);
  const buildKeys = indexesOf(buildSchema, spec.buildKeys);
  const encoder = new KeyEncoder(probeKeys.map((p, k) => keyField(probeSchema[p]!, buildSchema[buildKeys[k]!]!)));
  const given = buildSchema.flatMap((_, c) => (buildKeys.includes(c) ? [] : [c]));
  const isLeft = spec.how === 'left';
  let built: Batch[] = [];
  let waiting: Batch[] = [];
  let table: Table | null = null;
  let probeEnded = false;
  // Scratch of a probe, kept from batch to batch: what leaves owns its arrays.
  let lanes = new Int32Array(0);
  let groupOf = new Int32Array(0);
  const probeRows = new Int32Array(batchRows);
  const buildRows = new Int32Array(batchRows);

  const build = (): Table => {
    const batch = concat(buildSchema, built);
    built = [];
    const keys = buildKeys.map((c) => batch.columns[c]!);
    // Rows with a null key are not in the table at all.
    const matchable = withoutNullKeys(batch, keys);
    const n = matchable.length;
    const lanes = new Int32Array(n * encoder.width);
    const groupOf = new Int32Array(n);
    const groups = new GroupTable(encoder.width);
    encoder.encode(
      buildKeys.map((c) => matchable.columns[c]!),
      n,
      false,
      lanes,
    );
    groups.add(lanes, n, groupOf);
    const first = new Int32Array(groups.size).fill(-1);
    const next = new Int32Array(n);
    for (let row = n - 1; row >= 0; row--) {
      const group = groupOf[row]!;
      next[row] = first[group]!;
      first[group] = row;
    }
    return { batch: matchable, groups, first, next };
  };

  const gather = (probe: Batch, probeRows: Int32Array, buildRows: Int32Array, count: number, unchanged: boolean): Element => {
    const rows = probeRows.subarray(0, count);
    const columns: Column[] = [];
    for (const column of probe.columns) columns.push(unchanged ? column : takeColumn(column, rows, count));
    for (const c of given) {
      const column = table!.batch.columns[c]!;
      columns.push(isLeft ? takeOrNull(column, buildRows, count) : takeColumn(column, buildRows, count));
    }
    return { kind: 'batch', batch: makeBatch(spec.schema, count, columns) };
  };

  function* probe(batch: Batch): Generator<Element> {
    const n = batch.length;
    if (n === 0) return;
    const { groups, first, next } = table!;
    const keys = probeKeys.map((c) => batch.columns[c]!);
    if (groupOf.length < n) {
      lanes = new Int32Array(n * encoder.width);
      groupOf = new Int32Array(n);
    }
    encoder.encode(keys, n, true, lanes);
    // A null has lanes of its own, which no group has: rows with a null key were left out.
    groups.lookup(lanes, n, groupOf);
    let count = 0;
    /** As long as each probe row has given just one row, its columns need no gathering. */
    let unchanged = true;
    for (let i = 0; i < n; i++) {
      const group = groupOf[i]!;
      let row = group < 0 ? -1 : first[group]!;
      if (row < 0 && !isLeft) continue;
      do {
        if (count === batchRows) {
          yield gather(batch, probeRows, buildRows, count, false);
          count = 0;
          unchanged = false;
        }
        if (count !== i) unchanged = false;
        probeRows[count] = i;
        buildRows[count++] = row;
        if (row >= 0) row = next[row]!;
      } while (row >= 0);
    }
    if (count > 0) yield gather(batch, probeRows, buildRows, count, unchanged && count === n);
  }

  return {
    *process(element, port) {
      if (port === 1) {
        if (element.kind === 'batch') built.push(element.batch);
        if (element.kind !== 'end') return;
        table = build();
        for (const batch of waiting) yield* probe(batch);
        waiting = [];
        if (probeEnded) yield end;
        return;
      }
      if (element.kind === 'batch') {
        if (table === null) waiting.push(element.batch);
        else yield* probe(element.batch);
      } else if (element.kind === 'end') {
        probeEnded = true;
        if (table !== null) yield element;
      }
    },
  };
}

function withoutNullKeys(batch: Batch, keys: readonly Column[]): Batch {
  const bitmaps = keys.flatMap((key) => (key.validity === null ? [] : [key.validity]));
  if (bitmaps.length === 0) return batch;
  const rows = new Int32Array(batch.length);
  let count = 0;
  for (let i = 0; i < batch.length; i++) if (bitmaps.every((bits) => bitAt(bits, i) === 1)) rows[count++] = i;
  return count === batch.length ? batch : take(batch, rows, count);
}
