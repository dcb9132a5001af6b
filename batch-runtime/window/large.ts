/**
 * Window functions over one partition that does not fit into memory. Its rows are on disk in pages (pages.ts) and leave page by page.
 * What a function asks for says how: functions of a place know it without reading; frames with two ends see the pages they reach over; frames
 * from the beginning are worked out as they grow, frames to the end the same way backwards, and what all rows see once.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { aggregateRow } from '../aggregate/table.ts';
import { type Batch, batchRows, type Column, type Schema } from '../batch/batch.ts';
import { emptyColumn, makeBatch } from '../batch/column.ts';
import type { ColumnOrder } from '../batch/compare.ts';
import { concat, concatColumns } from '../batch/concat.ts';
import { slice, sliceColumn } from '../batch/slice.ts';
import { takeColumn, takeOrNull } from '../batch/take.ts';
import type { WindowFunction } from '../expression/expression.ts';
import type { Share } from '../spill/memory.ts';
import { createSpillFile, type SpillFile } from '../spill/spill-file.ts';
import { type Frames, framesOf, type RangeKey } from './frame.ts';
import { framed } from './framed.ts';
import { createGrowing, type Growing } from './growing.ts';
import { createPages } from './pages.ts';
import { rankings } from './ranking.ts';
import type { WindowRows } from './rows.ts';

/** What one function reads of a run of rows. */
export interface Values {
  readonly argument: Column | null;
  readonly more: readonly Column[];
  /** As in framed.ts. */
  readonly counts: Uint8Array | null;
}

export interface LargeOptions {
  readonly uid: string;
  readonly functions: readonly WindowFunction[];
  readonly input: Schema;
  /** The input's columns, then the results. */
  readonly schema: Schema;
  readonly order: readonly ColumnOrder[];
  /** By function. */
  values(batch: Batch): readonly Values[];
  readonly share: Share;
}

export interface LargePartition {
  /** The next rows, in order. */
  add(batch: Batch): void;
  /** All rows in order with their results; after the last add, once. @throws MEMORY_EXCEEDED when a frame does not fit */
  finish(): Generator<Batch>;
}

/** So many pages are in a memory: a page, those its frames reach over, and the results. */
const pagesPerMemory = 32;
/** Beside the rows, which are there twice: places, frames and results. */
const scratchBytes = 64;
const leastPageBytes = 4 * 1024;

const backwards = (length: number): Int32Array => Int32Array.from({ length }, (_, i) => length - 1 - i);

/** Rows of pages [from, to). */
interface Piece {
  readonly from: number;
  readonly to: number;
  readonly batch: Batch;
  readonly rows: WindowRows;
  readonly values: readonly Values[];
}

export function createLargePartition({ uid, functions, input, schema, order, values, share }: LargeOptions): LargePartition {
  const pageBytes = Math.max(leastPageBytes, Math.floor(share.limitBytes / pagesPerMemory));
  const pages = createPages(share.scratch, input, order, pageBytes);
  const isRanking = functions.map(({ fn }) => Object.hasOwn(rankings, fn));
  /** States of aggregates that are under way, by function; and results that are known before the first page leaves. */
  const growing = new Map<number, Growing>();
  const files: SpillFile[] = [];
  let piece: Piece | null = null;

  const refuse = (what: string): never => {
    throw new SluiceError('MEMORY_EXCEEDED', {
      budgetBytes: Math.floor(share.limitBytes),
      what: `${what} of ${uid}, in a partition of ${pages.length} rows: give executors a larger --memory-budget, or partition by more`,
    });
  };
  const hold = (bytes: number, isLeast: boolean): void => {
    const states = [...growing.values()].reduce((sum, { bytes: own }) => sum + own, 0);
    if (!share.hold(bytes + states) && !isLeast) refuse('a frame');
    if (states > share.limitBytes) refuse('an aggregate');
  };
  const load = (from: number, to: number): Piece => {
    if (piece !== null && piece.from === from && piece.to === to) return piece;
    piece = null;
    hold(2 * pages.bytes(from, to) + scratchBytes * (pages.starts[to]! - pages.starts[from]!), to - from === 1);
    const batch = pages.read(from, to);
    piece = { from, to, batch, rows: pages.rows(from, to), values: values(batch) };
    return piece;
  };
  const pageOf = (row: number): number => {
    let [low, high] = [0, pages.starts.length - 2];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (pages.starts[middle]! <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  const pageCount = (): number => pages.starts.length - 1;

  const framesIn = (of: WindowFunction, { rows, batch }: Piece): Frames => {
    const [first] = order;
    const key: RangeKey | null = first === undefined ? null : { column: batch.columns[first.column]!, descending: first.descending };
    return framesOf(rows, of.frame, key);
  };
  /** A page with as many pages around it as the frames of its rows reach over; an end that is open is none of its business. */
  const around = (of: WindowFunction, page: number): { readonly piece: Piece; readonly frames: Frames } => {
    let [from, to] = [page, page + 1];
    for (;;) {
      const found = load(from, to);
      const frames = framesIn(of, found);
      // A frame that begins with the piece may begin before it.
      const before = of.frame.start !== null && from > 0 && within(frames.from, page, from).some((row) => row <= 0);
      const after = of.frame.end !== null && to < pageCount() && within(frames.to, page, from).some((row) => row >= found.rows.length);
      if (!before && !after) return { piece: found, frames };
      if (before) from--;
      if (after) to++;
    }
  };
  /** Places of the rows of a page, of those of a piece that begins with page `from`. */
  const within = (places: Int32Array, page: number, from: number): Int32Array =>
    places.subarray(pages.starts[page]! - pages.starts[from]!, pages.starts[page + 1]! - pages.starts[from]!);
  /** One edge of the frames of a page's rows, told from the beginning of the partition. */
  const edge = (of: WindowFunction, page: number, side: 'start' | 'end'): Int32Array => {
    const offset = of.frame[side];
    // Numbers of rows and peers are known without looking around.
    const isNear = of.frame.unit === 'rows' || offset === 0;
    const { piece: found, frames } = isNear ? { piece: load(page, page + 1), frames: framesIn(of, load(page, page + 1)) } : around(of, page);
    const first = pages.starts[found.from]!;
    return within(side === 'start' ? frames.from : frames.to, page, found.from).map((row) => first + row);
  };
  /** What a function gives to the rows of a page, of what it gives to those of a piece. */
  const inner = (column: Column, page: number, from: number): Column =>
    sliceColumn(column, pages.starts[page]! - pages.starts[from]!, pages.starts[page + 1]! - pages.starts[from]!);

  /** lag and lead: the rows so far away, wherever they are, and what stands for those that are not. */
  const shifted = (of: WindowFunction, f: number, page: number, shift: number): Column => {
    const [first, end] = [pages.starts[page]!, pages.starts[page + 1]!];
    const fallback = load(page, page + 1).values[f]!.more[0];
    const clip = (row: number): number => Math.min(pages.length, Math.max(0, row));
    const [low, high] = [clip(first + shift), clip(end + shift)];
    const there = low < high ? load(pageOf(low), pageOf(high - 1) + 1) : null;
    const found = (there === null ? null : there.values[f]!.argument) ?? emptyColumn(of.type);
    const offset = there === null ? 0 : pages.starts[there.from]!;
    const at = Int32Array.from({ length: end - first }, (_, i) => {
      const row = first + i + shift;
      return row >= low && row < high ? row - offset : fallback === undefined ? -1 : found.length + i;
    });
    return takeOrNull(fallback === undefined ? found : concatColumns(of.type, [found, fallback], found.length + fallback.length), at);
  };
  const ranked = (of: WindowFunction, f: number, page: number): Column => {
    if (of.fn === 'lag' || of.fn === 'lead') return shifted(of, f, page, Number(of.options?.[0]) * (of.fn === 'lag' ? -1 : 1));
    const { rows } = load(page, page + 1);
    return rankings[of.fn]!.compute(rows, null, [], of.options ?? []);
  };

  const bounded = (of: WindowFunction, f: number, page: number): Column => {
    const { piece: found, frames } = around(of, page);
    // Those of rows around the page may reach outside; nobody asks for them.
    const clip = (row: number): number => Math.max(0, Math.min(found.rows.length, row));
    const clipped = { from: frames.from.map(clip), to: frames.to.map(clip) };
    return inner(framed({ of, rows: found.rows, frames: clipped, ...found.values[f]! }), page, found.from);
  };

  const begin = (of: WindowFunction, f: number): Growing => {
    const state = createGrowing(of);
    growing.set(f, state);
    return state;
  };
  /** Adds rows up to an end, page by page. */
  const reachForward =
    (f: number, state: Growing) =>
    (end: number): void => {
      while (state.added < end) {
        const page = pageOf(state.added);
        state.add(Math.min(end, pages.starts[page + 1]!), { from: pages.starts[page]!, ...load(page, page + 1).values[f]! });
      }
    };
  /** The same for a partition that is seen from its end. */
  const reachBack =
    (f: number, state: Growing) =>
    (end: number): void => {
      while (state.added < end) {
        const page = pageOf(pages.length - 1 - state.added);
        const { values: found, rows } = load(page, page + 1);
        const { argument, more, counts } = found[f]!;
        const turned = (column: Column): Column => takeColumn(column, backwards(rows.length));
        state.add(Math.min(end, pages.length - pages.starts[page]!), {
          from: pages.length - pages.starts[page + 1]!,
          argument: argument === null ? null : turned(argument),
          more: more.map(turned),
          counts: counts?.toReversed() ?? null,
        });
      }
    };

  /** Frames to the end, by pages from the last one: a partition seen from its end has frames from its beginning. */
  const shrunk = (of: WindowFunction, f: number): SpillFile => {
    const state = begin(of, f);
    const field = schema[input.length + f]!;
    const file = createSpillFile(share.scratch, [field], pageBytes);
    files.push(file);
    for (let page = pageCount() - 1; page >= 0; page--) {
      const to = edge(of, page, 'start')
        .map((row) => pages.length - row)
        .reverse();
      const column = takeColumn(state.results(to, reachBack(f, state)), backwards(to.length));
      file.write(page, makeBatch([field], column.length, [column]));
    }
    growing.delete(f);
    return file;
  };

  const whole = (of: WindowFunction, f: number): Column => {
    const state = begin(of, f);
    reachForward(f, state)(pages.length);
    growing.delete(f);
    return state.result();
  };

  /** How the results of a function come about, page by page. */
  const resultsOf = (of: WindowFunction, f: number): ((page: number) => Column) => {
    const { start, end } = of.frame;
    if (isRanking[f]) return (page) => ranked(of, f, page);
    if (start !== null && end !== null) return (page) => bounded(of, f, page);
    if (start === null && end !== null) {
      const state = begin(of, f);
      return (page) => state.results(edge(of, page, 'end'), reachForward(f, state));
    }
    if (start === null) {
      const one = whole(of, f);
      return (page) => takeColumn(one, new Int32Array(pages.starts[page + 1]! - pages.starts[page]!));
    }
    if (aggregateRow(of.fn).order(of) === 'result') refuse(`${of.fn} over frames to the end`);
    const file = shrunk(of, f);
    return (page) => concat([schema[input.length + f]!], [...file.read(page)]).columns[0]!;
  };

  return {
    add: pages.append,
    *finish() {
      const results = functions.map(resultsOf);
      for (let page = 0; page < pageCount(); page++) {
        const columns = results.map((of) => of(page));
        const { batch } = load(page, page + 1);
        const all = makeBatch(schema, batch.length, [...batch.columns, ...columns]);
        for (let from = 0; from < all.length; from += batchRows) yield slice(all, from, Math.min(all.length, from + batchRows));
      }
      piece = null;
      for (const file of files) file.close();
      pages.close();
      share.hold(0);
    },
  };
}
