/**
 * The arithmetic of `npm run bench -- spark`, apart from what is measured: medians of pairs, never ratios of medians, because both
 * sides of a pair saw the same minute of the machine. Native against itself goes the same way as Sluice against native, so
 * that a ratio and its noise are comparable. Plain functions; called by bench/spark.ts.
 */

/** One piece of work, done once: wall time, and CPU of Spark's whole process tree. */
export interface Sample {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** Native twice: `again` is another application with the same settings as `native`. */
export const variants = ['native', 'sluice', 'again'] as const;
export type Variant = (typeof variants)[number];
/** The same work on each, one right after the other. */
export type Pair = Readonly<Record<Variant, Sample>>;

/** @returns the middle value, of an even count the mean of the two in the middle; NaN of none */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** @returns the median over pairs of a variant's wall time or CPU over native's */
export function overNative(pairs: readonly Pair[], variant: Variant, field: keyof Sample = 'seconds'): number {
  return median(pairs.map((pair) => pair[variant][field] / pair.native[field]));
}

/** @returns one pair whose samples are the sums of many, as of all queries of one round */
export function summed(pairs: readonly Pair[]): Pair {
  const sum = (variant: Variant): Sample => ({
    seconds: pairs.reduce((total, pair) => total + pair[variant].seconds, 0),
    cpuSeconds: pairs.reduce((total, pair) => total + pair[variant].cpuSeconds, 0),
  });
  return { native: sum('native'), sluice: sum('sluice'), again: sum('again') };
}

export interface QueryFigures {
  readonly query: number;
  /** Medians of wall seconds. */
  readonly native: number;
  readonly sluice: number;
  readonly again: number;
  readonly ratio: number;
  /** Native against itself. */
  readonly noise: number;
}

/** @param rounds  each of the pairs of all queries, in order */
export function queryFigures(rounds: readonly (readonly Pair[])[]): QueryFigures[] {
  return (rounds[0] ?? []).map((_, i) => {
    const pairs = rounds.map((round) => round[i]!);
    const seconds = (variant: Variant): number => median(pairs.map((pair) => pair[variant].seconds));
    return {
      query: i + 1,
      native: seconds('native'),
      sluice: seconds('sluice'),
      again: seconds('again'),
      ratio: overNative(pairs, 'sluice'),
      noise: overNative(pairs, 'again'),
    };
  });
}

/** @returns the greatest, NaN of none */
export const worst = (values: readonly number[]): number => (values.length === 0 ? Number.NaN : Math.max(...values));

/** Order of the variants in the n-th pair: every one follows every other equally often, or what one leaves behind would be one other's. */
export function orderOf(n: number): readonly Variant[] {
  const first = variants[n % 3]!;
  const others = variants.filter((variant) => variant !== first);
  return [first, ...(Math.floor(n / 3) % 2 === 0 ? others : others.toReversed())];
}
