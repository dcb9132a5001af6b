/**
 * Metrics as a table of rows: name, type, help and labels in one place, which docs/METRICS.md is compared with. The cores
 * keep plain numbers; they are read when Prometheus asks, so counting costs an addition and loads no library.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

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

/** A registry over `table`; `read` is called at each GET. Node's own metrics (process_*, nodejs_*) come with it. */
export function openMetrics<T extends MetricTable>(table: T, read: () => Readings<T>): Metrics<T> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const setters: [string, (reading: Reading) => void][] = [];
  const histograms = new Map<string, Histogram>();
  for (const [key, row] of Object.entries(table)) {
    const options = { name: row.name, help: row.help, labelNames: [...row.labels], registers: [registry] };
    if (row.type === 'histogram') {
      histograms.set(key, new Histogram({ ...options, ...(row.buckets ? { buckets: [...row.buckets] } : {}) }));
    } else if (row.type === 'gauge') {
      const gauge = new Gauge(options);
      setters.push([key, (reading) => each(gauge, reading, (labels, value) => gauge.set(labels, value))]);
    } else {
      const counter = new Counter(options);
      setters.push([key, (reading) => each(counter, reading, (labels, value) => counter.inc(labels, value))]);
    }
  }
  return {
    observe: (name, labels, value) => histograms.get(name as string)?.observe({ ...labels }, value),
    async text() {
      const readings = read() as Readonly<Record<string, Reading>>;
      for (const [key, set] of setters) set(readings[key] ?? 0);
      return { body: await registry.metrics(), contentType: registry.contentType };
    },
  };
}

function each(metric: { reset(): void }, reading: Reading, set: (labels: Record<string, string>, value: number) => void): void {
  metric.reset();
  if (typeof reading === 'number') set({}, reading);
  else for (const { labels, value } of reading) set({ ...labels }, value);
}
