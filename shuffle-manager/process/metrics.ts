/**
 * Metrics as a table of rows: name, type, help and labels in one place, which docs/METRICS.md is compared with. The cores
 * keep plain numbers; they are read when Prometheus asks, so counting costs an addition and loads no library. The first GET loads it.
 */
import type { Gauge } from 'prom-client';

export interface MetricRow {
  readonly name: string;
  /** counter and gauge are read from the core when asked for; a histogram is observed as things happen. */
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram. */
  readonly buckets?: readonly number[];
}
export type MetricTable = Readonly<Record<string, MetricRow>>;

/** One number, or one per set of labels. */
export type Reading = number | readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[];

type Keys<T extends MetricTable, K extends MetricRow['type']> = { [N in keyof T]: T[N]['type'] extends K ? N : never }[keyof T];
export type Readings<T extends MetricTable> = { readonly [N in Keys<T, 'counter' | 'gauge'>]: Reading };

export interface Metrics<T extends MetricTable> {
  observe(name: Keys<T, 'histogram'>, labels: Readonly<Record<string, string>>, value: number): void;
  /** The answer to GET /metrics, and its content type. */
  text(): Promise<{ body: string; contentType: string }>;
}

/** A registry over `table`; `read` is called at each GET. Node's own metrics (process_*, nodejs_*) come with it, from the first GET on. */
export function openMetrics<T extends MetricTable>(table: T, read: () => Readings<T>): Metrics<T> {
  const observed = new Map<string, Observed>();
  for (const [key, { type, buckets = [] }] of Object.entries(table)) if (type === 'histogram') observed.set(key, new Observed(buckets));
  let opened: Promise<Opened> | null = null;
  return {
    observe: (name, labels, value) => observed.get(name as string)?.observe(labels, value),
    async text() {
      opened ??= openRegistry(table, observed);
      const { registry, setters } = await opened;
      const readings = read() as Readonly<Record<string, Reading>>;
      for (const [key, set] of setters) set(readings[key] ?? 0);
      return { body: await registry.metrics(), contentType: registry.contentType };
    },
  };
}

interface Opened {
  readonly registry: { metrics(): Promise<string>; readonly contentType: string };
  readonly setters: readonly [string, (reading: Reading) => void][];
}

async function openRegistry(table: MetricTable, observed: ReadonlyMap<string, Observed>): Promise<Opened> {
  // The bundle knows what is CommonJS as a whole only.
  const { Counter, collectDefaultMetrics, Gauge, Registry } = (await import('prom-client')).default;
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const setters: [string, (reading: Reading) => void][] = [];
  for (const [key, row] of Object.entries(table)) {
    const options = { name: row.name, help: row.help, labelNames: [...row.labels], registers: [registry] };
    if (row.type === 'histogram') {
      const { name, help } = row;
      const get = () => ({ name, help, type: 'histogram', values: observed.get(key)!.values(name) });
      registry.registerMetric({ name, get } as unknown as Gauge);
    } else if (row.type === 'gauge') {
      const gauge = new Gauge(options);
      setters.push([key, (reading) => each(gauge, reading, (labels, value) => gauge.set(labels, value))]);
    } else {
      const counter = new Counter(options);
      setters.push([key, (reading) => each(counter, reading, (labels, value) => counter.inc(labels, value))]);
    }
  }
  return { registry, setters };
}

type Labels = Readonly<Record<string, string>>;

/** What a histogram has seen, for each set of labels: how many up to each bound and in all, and their sum. */
class Observed {
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, { readonly labels: Labels; readonly counts: number[]; count: number; sum: number }>();

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
  }

  observe(labels: Labels, value: number): void {
    const key = JSON.stringify(labels);
    let series = this.#series.get(key);
    if (series === undefined) {
      series = { labels, counts: this.#bounds.map(() => 0), count: 0, sum: 0 };
      this.#series.set(key, series);
    }
    for (const [i, bound] of this.#bounds.entries()) if (value <= bound) series.counts[i]!++;
    series.count++;
    series.sum += value;
  }

  /** As prom-client writes them. */
  values(name: string): { metricName: string; labels: Record<string, string | number>; value: number }[] {
    return [...this.#series.values()].flatMap(({ labels, counts, count, sum }) => [
      ...this.#bounds.map((le, i) => ({ metricName: `${name}_bucket`, labels: { le, ...labels }, value: counts[i]! })),
      { metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: count },
      { metricName: `${name}_sum`, labels: { ...labels }, value: sum },
      { metricName: `${name}_count`, labels: { ...labels }, value: count },
    ]);
  }
}

function each(metric: { reset(): void }, reading: Reading, set: (labels: Record<string, string>, value: number) => void): void {
  metric.reset();
  if (typeof reading === 'number') set({}, reading);
  else for (const { labels, value } of reading) set({ ...labels }, value);
}
