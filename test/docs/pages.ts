/**
 * The pages of docs/ that say what tables in the code say: errors, configuration, metrics, faults. Made from the tables; the test
 * beside it compares, `npm run docs` writes them. The words around the tables are here too, so that there is one source.
 */
import { ManagerConfig, managerPrefix } from '#manager/config.ts';
import { managerMetrics } from '#manager/manager-metrics.ts';
import { configKeys } from '#manager/process/load-config.ts';
import type { MetricTable } from '#manager/process/metrics.ts';
import { errors } from '#manager/protocol/errors.ts';
import { ExecutorConfig, executorPrefix } from '#runtime/config.ts';
import { WorkerConfig, workerPrefix } from '#worker/config.ts';
import { workerMetrics } from '#worker/worker-metrics.ts';
import { exactnessPage, recorded } from './exactness.ts';
import { functionsPage } from './functions.ts';

const cell = (value: unknown): string => String(value).replaceAll('|', '\\|').replaceAll('\n', ' ');
const table = (head: readonly string[], rows: readonly (readonly unknown[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');

const errorsPage = (): string =>
  `# Errors

Every error has a code, a sentence that says what to do, and facts. The code decides what callers do with it, its *remedy*: **retry** the same
request later · **refresh** the layout · **recompute** the maps it names · **superseded** stop quietly, as a success · **fail** tell the user.
The table is \`shuffle-manager/protocol/errors.ts\`; \`{name}\` is filled from the facts. HTTP is the status on the control plane, wire the number on
the data plane (0: never there).

${table(
  ['code', 'remedy', 'HTTP', 'wire', 'sentence'],
  Object.entries(errors).map(([code, { remedy, status, wire, text }]) => [code, remedy, status, wire, text]),
)}
`;

const configs = [
  { name: 'Manager', schema: ManagerConfig, prefix: managerPrefix },
  { name: 'Worker', schema: WorkerConfig, prefix: workerPrefix },
  { name: 'Executor', schema: ExecutorConfig, prefix: executorPrefix },
] as const;

/** Keys by process, for whoever counts them. */
export const configTables = () => configs.map(({ name, schema, prefix }) => ({ name, keys: configKeys(schema, prefix) }));

const configPage = (): string =>
  `# Configuration

Each process takes its keys from a JSON file (\`--config FILE\`), then the environment, then flags, each over the one before. \`--explain-config\`
prints every key, its value, where it came from and its sentence. What must agree across a cluster is told by the manager, not configured twice.

${configTables()
  .map(
    ({ name, keys }) => `## ${name}

${table(
  ['key', 'type', 'default', 'environment', 'meaning'],
  keys.map((key) => [`\`${key.key}\``, key.type, `\`${JSON.stringify(key.default)}\``, `\`${key.variable}\``, key.sentence]),
)}
`,
  )
  .join('\n')}`;

const metricsOf = (rows: MetricTable): string =>
  table(
    ['metric', 'type', 'labels', 'meaning'],
    Object.values(rows).map(({ name, type, labels, help }) => [`\`${name}\``, type, labels.join(', '), help]),
  );

const metricsPage = (): string =>
  `# Metrics

In Prometheus's text format at \`/metrics\` of the manager and of every worker; Node's own (\`process_*\`, \`nodejs_*\`) come with them.

## Manager

${metricsOf(managerMetrics)}

## Worker

${metricsOf(workerMetrics)}
`;

/** Path under docs/ to what must stand there. */
export const pages = (): Readonly<Record<string, string>> => ({
  'ERRORS.md': errorsPage(),
  'CONFIG.md': configPage(),
  'METRICS.md': metricsPage(),
  'EXACTNESS.md': exactnessPage(recorded()),
  'FUNCTIONS.md': functionsPage(),
});
