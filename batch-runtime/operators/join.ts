/**
 * Hash join: keeps the build side (port 1) whole, then streams the probe side (port 0) past it; what comes to the probe
 * before the build has ended waits. Null keys match nothing. Matches leave in the order of the probe's rows, then of the
 * build's, at most batchRows per batch: an expanding join suspends between two of them; rows that only the build side has
 * come last. A join without keys pairs each row with each. An as-of join keeps the build rows of a key in the order of their
 * values and finds by halving the last that is not behind the probe's.
 */
import assert from 'node:assert/strict';
import { type Batch, batchRows, type Column, type Schema } from '../batch/batch.ts';
import { bitAt } from '../batch/bitmap.ts';
import { layoutOf, makeBatch, nullColumn } from '../batch/column.ts';
import { columnComparator } from '../batch/compare.ts';
import { concat } from '../batch/concat.ts';
import { GroupTable } from '../batch/groups.ts';
import { KeyEncoder, type KeyField } from '../batch/keys.ts';
import { sliceColumn } from '../batch/slice.ts';
import { sortRows } from '../batch/sort.ts';
import { take, takeColumn, takeOrNull } from '../batch/take.ts';
import { type Element, end } from '../element.ts';
import { compileFilter, type Filter } from '../expression/compile.ts';
import type { Expression } from '../expression/expression.ts';
import { rightMark, type UserFunction } from '../graph/plan.ts';
import { columnsIn } from '../graph/rewrite.ts';
import type { StageOperator } from '../graph/stage.ts';
import type { Operator } from './operator.ts';

type Spec = Extract<StageOperator, { kind: 'join' }>;

export const indexesOf = (schema: Schema, names: readonly string[]): number[] =>
  names.map((name) => {
    const column = schema.findIndex((f) => f.name === name);
    assert.ok(column >= 0, `no column ${name} to join on`);
    return column;
  });

/** What both sides' keys become: int32 against 64 bits is compared in 64 bits. */
export const keyField = (a: KeyField, b: KeyField): KeyField => {
  const [aLayout, bLayout] = [layoutOf(a.type), layoutOf(b.type)];
  const whole = (layout: string): boolean => layout === 'word' || layout === 'lanes';
  assert.ok(aLayout === bLayout || (whole(aLayout) && whole(bLayout)), `a ${a.type.kind} key cannot meet a ${b.type.kind} key`);
  return { type: aLayout === 'lanes' ? a.type : b.type, nullable: a.nullable || b.nullable };
};

/** The build side once it is whole. */
export interface BuiltTable {
  /** Knows the texts of the keys. */
  readonly encoder: KeyEncoder;
  readonly rows: number;
  /** Null: nobody asks for it, as for keys, which the probe has too. */
  readonly columns: readonly (Column | null)[];
  readonly groups: GroupTable;
  /** First build row of each group, then for each build row the next one of its group; -1 ends. */
  readonly first: Int32Array;
  readonly next: Int32Array;
  /** Build rows that have been given in a pair; empty where nobody asks. */
  readonly given: Uint8Array;
  /** Of an as-of join: the rows of group g in the order of their values are `rows[start[g]]` up to that of the next group. */
  readonly ordered: { readonly start: Int32Array; readonly rows: Int32Array } | null;
}

/** Whether the condition holds for each of the pairs. */
type PairTest = (probe: Batch, probeRows: Int32Array, build: BuiltTable, buildRows: Int32Array, count: number) => Uint8Array;

/**
 * @param inputs  schemas of probe and build
 * @param kept    a table that another such join has built: then nothing comes to the build side
 * @throws        MEMORY_EXCEEDED when a text column of the build side passes 2 GiB; whatever the condition throws
 * Memory: the build side twice while it is put together, then once without what nobody asks for, and about 16 bytes per row besides the keys.
 */
export function createJoin(
  spec: Spec,
  inputs: readonly Schema[],
  functions: readonly UserFunction[] = [],
  kept: BuiltTable | null = null,
): Operator & { table(): BuiltTable | null } {
  const [probeSchema, buildSchema] = [inputs[0]!, inputs[1]!];
  const probeKeys = indexesOf(probeSchema, spec.probeKeys);
  const buildKeys = indexesOf(buildSchema, spec.buildKeys);
  const encoder = kept?.encoder ?? new KeyEncoder(probeKeys.map((p, k) => keyField(probeSchema[p]!, buildSchema[buildKeys[k]!]!)));
  const added = buildSchema.flatMap((_, c) => (buildKeys.includes(c) ? [] : [c]));
  const { how } = spec;
  const keepsProbe = how === 'left' || how === 'full';
  const keepsBuild = how === 'right' || how === 'full';
  const picksProbe = how === 'semi' || how === 'anti';
  const asOf =
    spec.asOf === undefined ? null : { probe: indexesOf(probeSchema, [spec.asOf.left])[0]!, build: indexesOf(buildSchema, [spec.asOf.right])[0]! };
  const test = spec.where === null ? null : pairTest(spec.where, probeSchema, buildSchema, functions);
  const tested = spec.where === null ? new Set<string>() : columnsIn(spec.where);
  const isAsked = (name: string, c: number): boolean =>
    keepsBuild || (!picksProbe && added.includes(c)) || asOf?.build === c || tested.has(rightMark + name);
  let built: Batch[] = [];
  let waiting: Batch[] = [];
  let table = kept;
  let probeEnded = false;
  // Scratch of a probe, kept from batch to batch: what leaves owns its arrays.
  let lanes = new Int32Array(0);
  let groupOf = new Int32Array(0);
  const probeRows = new Int32Array(batchRows);
  const buildRows = new Int32Array(batchRows);

  const build = (): BuiltTable => {
    const batch = concat(buildSchema, built);
    built = [];
    // Rows with a null key match nothing: they are here only to be given alone.
    const known = spec.nullsEqual ? [] : asOf === null ? buildKeys : [...buildKeys, asOf.build];
    const nulls = known.flatMap((c) => (batch.columns[c]!.validity === null ? [] : [batch.columns[c]!.validity!]));
    const matchable = keepsBuild ? batch : withoutNulls(batch, nulls);
    const n = matchable.length;
    const groups = new GroupTable(encoder.width);
    const groupOf = new Int32Array(n);
    if (buildKeys.length > 0) {
      const lanes = new Int32Array(Math.min(n, batchRows) * encoder.width);
      for (let from = 0; from < n; from += batchRows) {
        const to = Math.min(n, from + batchRows);
        const keys = buildKeys.map((c) => sliceColumn(matchable.columns[c]!, from, to));
        encoder.encode(keys, to - from, false, lanes);
        groups.add(lanes, to - from, groupOf.subarray(from, to));
      }
    }
    const first = new Int32Array(buildKeys.length === 0 ? 1 : groups.size).fill(-1);
    const next = new Int32Array(n);
    const skips = keepsBuild && nulls.length > 0;
    for (let row = n - 1; row >= 0; row--) {
      if (skips && nulls.some((bits) => bitAt(bits, row) === 0)) continue;
      const group = groupOf[row]!;
      next[row] = first[group]!;
      first[group] = row;
    }
    const ordered = asOf === null ? null : inOrder(matchable, groupOf, first.length, asOf.build);
    const columns = buildSchema.map(({ name }, c) => (isAsked(name, c) ? matchable.columns[c]! : null));
    return { encoder, rows: n, columns, groups, first, next, given: new Uint8Array(keepsBuild ? n : 0), ordered };
  };

  const gather = (probe: Batch, probeRows: Int32Array, buildRows: Int32Array, count: number, unchanged: boolean): Element => {
    const rows = probeRows.subarray(0, count);
    const columns: Column[] = [];
    for (const column of probe.columns) columns.push(unchanged ? column : takeColumn(column, rows, count));
    if (!picksProbe) {
      for (const c of added) {
        const column = table!.columns[c]!;
        columns.push(keepsProbe ? takeOrNull(column, buildRows, count) : takeColumn(column, buildRows, count));
      }
    }
    return { kind: 'batch', batch: makeBatch(spec.schema, count, columns) };
  };

  const findGroups = (batch: Batch): void => {
    const n = batch.length;
    if (groupOf.length < n) {
      lanes = new Int32Array(n * encoder.width);
      groupOf = new Int32Array(n);
    }
    // Without keys all rows are of the one group there is.
    if (probeKeys.length === 0) return;
    encoder.encode(
      probeKeys.map((c) => batch.columns[c]!),
      n,
      true,
      lanes,
    );
    // A null has lanes of its own, which no group has that has rows, unless nulls are equal.
    table!.groups.lookup(lanes, n, groupOf);
  };

  /** Every pair whose keys are equal; with `keepsProbe` also rows without one. */
  function* pairs(batch: Batch): Generator<Element> {
    const n = batch.length;
    const { first, next, given } = table!;
    let count = 0;
    /** As long as each probe row has given just one row, its columns need no gathering. */
    let unchanged = true;
    for (let i = 0; i < n; i++) {
      const group = groupOf[i]!;
      let row = group < 0 ? -1 : first[group]!;
      if (row < 0 && !keepsProbe) continue;
      do {
        if (count === batchRows) {
          yield gather(batch, probeRows, buildRows, count, false);
          count = 0;
          unchanged = false;
        }
        if (count !== i) unchanged = false;
        probeRows[count] = i;
        buildRows[count++] = row;
        if (row >= 0) {
          if (keepsBuild) given[row] = 1;
          row = next[row]!;
        }
      } while (row >= 0);
    }
    if (count > 0) yield gather(batch, probeRows, buildRows, count, unchanged && count === n);
  }

  /** Of each row and the last build row whose value is not behind its own. */
  function* lastPairs(batch: Batch, at: { readonly probe: number; readonly build: number }): Generator<Element> {
    const n = batch.length;
    const { columns, ordered } = table!;
    const { start, rows } = ordered!;
    const own = batch.columns[at.probe]!;
    const compare = columnComparator(own, columns[at.build]!, false);
    const outProbe = n <= batchRows ? probeRows : new Int32Array(n);
    const outBuild = n <= batchRows ? buildRows : new Int32Array(n);
    let count = 0;
    for (let i = 0; i < n; i++) {
      const group = groupOf[i]!;
      let row = -1;
      if (group >= 0 && (own.validity === null || bitAt(own.validity, i) === 1)) {
        const from = start[group]!;
        let [low, high] = [from, start[group + 1]!];
        while (low < high) {
          const middle = (low + high) >>> 1;
          if (compare(i, rows[middle]!) >= 0) low = middle + 1;
          else high = middle;
        }
        if (low > from) row = rows[low - 1]!;
      }
      if (row < 0 && !keepsProbe) continue;
      outProbe[count] = i;
      outBuild[count++] = row;
    }
    if (count > 0) yield gather(batch, outProbe, outBuild, count, count === n);
  }

  /** As pairs, of those for which the condition holds. */
  function* testedPairs(batch: Batch, holds: PairTest): Generator<Element> {
    const n = batch.length;
    const { first, next, given } = table!;
    const outProbe = new Int32Array(batchRows);
    const outBuild = new Int32Array(batchRows);
    const matched = new Uint8Array(n);
    let [count, out, closed] = [0, 0, 0];
    /** Leaves when it is full: asked before each row that is put in. */
    function* settle(): Generator<Element> {
      const yes = holds(batch, probeRows, table!, buildRows, count);
      for (let p = 0; p < count; p++) {
        if (yes[p] === 0) continue;
        const i = probeRows[p]!;
        if (keepsProbe) {
          for (; closed < i; closed++) {
            if (matched[closed] !== 0) continue;
            if (out === batchRows) {
              yield gather(batch, outProbe, outBuild, out, false);
              out = 0;
            }
            outProbe[out] = closed;
            outBuild[out++] = -1;
          }
        }
        matched[i] = 1;
        if (keepsBuild) given[buildRows[p]!] = 1;
        if (out === batchRows) {
          yield gather(batch, outProbe, outBuild, out, false);
          out = 0;
        }
        outProbe[out] = i;
        outBuild[out++] = buildRows[p]!;
      }
      count = 0;
    }
    for (let i = 0; i < n; i++) {
      const group = groupOf[i]!;
      for (let row = group < 0 ? -1 : first[group]!; row >= 0; row = next[row]!) {
        if (count === batchRows) yield* settle();
        probeRows[count] = i;
        buildRows[count++] = row;
      }
    }
    yield* settle();
    if (keepsProbe) {
      for (; closed < n; closed++) {
        if (matched[closed] !== 0) continue;
        if (out === batchRows) {
          yield gather(batch, outProbe, outBuild, out, false);
          out = 0;
        }
        outProbe[out] = closed;
        outBuild[out++] = -1;
      }
    }
    if (out > 0) yield gather(batch, outProbe, outBuild, out, false);
  }

  /** Rows of the probe that have a match, or have none. */
  function* picked(batch: Batch, holds: PairTest | null): Generator<Element> {
    const n = batch.length;
    const { first, next } = table!;
    const matched = new Uint8Array(n);
    let count = 0;
    const settle = (): void => {
      const yes = holds!(batch, probeRows, table!, buildRows, count);
      for (let p = 0; p < count; p++) if (yes[p] === 1) matched[probeRows[p]!] = 1;
      count = 0;
    };
    for (let i = 0; i < n; i++) {
      const group = groupOf[i]!;
      const row = group < 0 ? -1 : first[group]!;
      if (row < 0) continue;
      if (holds === null) {
        matched[i] = 1;
        continue;
      }
      // What a settled part of its pairs has decided is not asked again.
      for (let other = row; other >= 0 && matched[i] === 0; other = next[other]!) {
        if (count === batchRows) settle();
        probeRows[count] = i;
        buildRows[count++] = other;
      }
    }
    if (count > 0) settle();
    const wanted = how === 'semi' ? 1 : 0;
    const rows = new Int32Array(n);
    let chosen = 0;
    for (let i = 0; i < n; i++) if (matched[i] === wanted) rows[chosen++] = i;
    if (chosen > 0) yield gather(batch, rows, buildRows, chosen, chosen === n);
  }

  function* probe(batch: Batch): Generator<Element> {
    if (batch.length === 0) return;
    findGroups(batch);
    if (asOf !== null) yield* lastPairs(batch, asOf);
    else if (picksProbe) yield* picked(batch, test);
    else if (test !== null) yield* testedPairs(batch, test);
    else yield* pairs(batch);
  }

  /** Rows that only the build side has: its keys stand for those of the probe, whose other columns are null. */
  function* rest(): Generator<Element> {
    if (!keepsBuild || table === null) return;
    const { columns, given } = table;
    const rows = new Int32Array(table.rows);
    let count = 0;
    for (let row = 0; row < rows.length; row++) if (given[row] === 0) rows[count++] = row;
    for (let from = 0; from < count; from += batchRows) {
      const ids = rows.subarray(from, Math.min(count, from + batchRows));
      const own = probeSchema.map((field, p) => {
        const key = probeKeys.indexOf(p);
        return key < 0 ? nullColumn(field.type, ids.length) : takeColumn(columns[buildKeys[key]!]!, ids);
      });
      const others = added.map((c) => takeColumn(columns[c]!, ids));
      yield { kind: 'batch', batch: makeBatch(spec.schema, ids.length, [...own, ...others]) };
    }
  }

  return {
    table: () => table,
    *process(element, port) {
      if (port === 1) {
        if (element.kind === 'batch') built.push(element.batch);
        if (element.kind !== 'end') return;
        table = build();
        for (const batch of waiting) yield* probe(batch);
        waiting = [];
        if (!probeEnded) return;
      } else if (element.kind === 'batch') {
        if (table === null) waiting.push(element.batch);
        else yield* probe(element.batch);
        return;
      } else if (element.kind === 'end') {
        probeEnded = true;
        if (table === null) return;
      } else return;
      yield* rest();
      yield end;
    },
  };
}

/** The rows of each group in the order of a column, equal ones as they came. */
function inOrder(batch: Batch, groupOf: Int32Array, groups: number, column: number): { start: Int32Array; rows: Int32Array } {
  const start = new Int32Array(groups + 1);
  for (let row = 0; row < batch.length; row++) start[groupOf[row]! + 1]!++;
  for (let group = 0; group < groups; group++) start[group + 1]! += start[group]!;
  const place = start.slice();
  const rows = new Int32Array(batch.length);
  for (const row of sortRows(batch, [{ column, descending: false }])) rows[place[groupOf[row]!]!++] = row;
  return { start, rows };
}

function withoutNulls(batch: Batch, bitmaps: readonly Uint8Array[]): Batch {
  if (bitmaps.length === 0) return batch;
  const rows = new Int32Array(batch.length);
  let count = 0;
  for (let i = 0; i < batch.length; i++) if (bitmaps.every((bits) => bitAt(bits, i) === 1)) rows[count++] = i;
  return count === batch.length ? batch : take(batch, rows, count);
}

/** Only the columns that the condition reads are gathered. */
function pairTest(where: Expression, probeSchema: Schema, buildSchema: Schema, functions: readonly UserFunction[]): PairTest {
  const names = [...columnsIn(where)];
  const sources = names.map((name) => {
    const own = probeSchema.findIndex((field) => field.name === name);
    return { own, other: own >= 0 ? -1 : buildSchema.findIndex((field) => rightMark + field.name === name) };
  });
  const schema = sources.map(({ own, other }, i) => ({ ...(own >= 0 ? probeSchema[own]! : buildSchema[other]!), name: names[i]! }));
  const filter: Filter = compileFilter(schema, where, functions);
  const selection = new Int32Array(batchRows);
  const yes = new Uint8Array(batchRows);
  return (probe, probeRows, build, buildRows, count) => {
    const columns = sources.map(({ own, other }) =>
      own >= 0 ? takeColumn(probe.columns[own]!, probeRows, count) : takeColumn(build.columns[other]!, buildRows, count),
    );
    const found = filter(makeBatch(schema, count, columns), selection);
    yes.fill(0, 0, count);
    for (let p = 0; p < found; p++) yes[selection[p]!] = 1;
    return yes;
  };
}
