// Alert rules and dashboard against the metrics that there are, and docs/OPERATIONS.md against the alerts.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { managerMetrics } from '#manager/manager-metrics.ts';
import { type MetricRow, openMetrics } from '#manager/process/metrics.ts';
import { workerMetrics } from '#worker/worker-metrics.ts';
import { metricsOf } from './promql.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

interface Metric {
  readonly type: string;
  readonly labels: readonly string[];
}
/** What Prometheus puts there by itself. */
const known = new Map<string, Metric>([
  ['up', { type: 'gauge', labels: [] }],
  ['ALERTS', { type: 'gauge', labels: ['alertname', 'alertstate'] }],
]);
for (const { name, type, labels } of [...Object.values(managerMetrics), ...Object.values(workerMetrics)] as MetricRow[]) {
  if (type !== 'histogram') known.set(name, { type, labels });
  else
    for (const part of ['bucket', 'count', 'sum'])
      known.set(`${name}_${part}`, { type: 'counter', labels: [...labels, ...(part === 'bucket' ? ['le'] : [])] });
}
test('no metric has a label that Prometheus gives to targets, since it would be renamed', () => {
  for (const { name, labels } of [...Object.values(managerMetrics), ...Object.values(workerMetrics)] as MetricRow[])
    assert.ok(!labels.includes('job') && !labels.includes('instance'), name);
});
// Node's own, as a program with no others has them.
for (const [, name, type] of (await openMetrics({}, () => ({})).text()).body.matchAll(/^# TYPE (\S+) (\S+)$/gm))
  known.set(name!, { type: type!, labels: [] });

/** Faults of an expression; empty: none. */
function faultsOf(expression: string): string[] {
  const everywhere = ['job', 'instance'];
  try {
    return metricsOf(expression).flatMap(({ metric, labels, over }) => {
      const found = known.get(metric);
      if (found === undefined) return [`there is no metric ${metric}`];
      const strange = labels.filter((label) => !found.labels.includes(label) && !everywhere.includes(label));
      const isRate = /^(rate|irate|increase)$/.test(over);
      const misread = isRate === (found.type === 'counter') ? [] : [`${metric} is a ${found.type}`];
      return [...strange.map((label) => `${metric} has no label ${label}`), ...misread];
    });
  } catch (thrown) {
    return [(thrown as Error).message];
  }
}

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string };
}
const rules = (parse(read('deploy/prometheus/sluice.rules.yaml')) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);

test('every alert asks for metrics and labels that there are, a counter by its rate and a gauge by its value', () => {
  assert.ok(rules.length >= 15);
  for (const { alert, expr } of rules) assert.deepEqual(faultsOf(expr), [], alert);
});

test('an expression that asks for something else is found out', () => {
  assert.deepEqual(faultsOf('sluice_worker_fulll == 1'), ['there is no metric sluice_worker_fulll']);
  assert.deepEqual(faultsOf('sluice_manager_jobs{name="a"} > 0'), ['sluice_manager_jobs has no label name']);
  assert.deepEqual(faultsOf('sum by (call) (rate(sluice_manager_commits_total[5m]))'), ['sluice_manager_commits_total has no label call']);
  assert.deepEqual(faultsOf('sluice_manager_commits_total > 5'), ['sluice_manager_commits_total is a counter']);
  assert.deepEqual(faultsOf('rate(sluice_manager_jobs[5m])'), ['sluice_manager_jobs is a gauge']);
  assert.match(faultsOf('sum(rate(sluice_manager_commits_total[5m])')[0]!, /<here>/);
  assert.match(faultsOf('increased(sluice_manager_commits_total[5m])')[0]!, /<here>/);
});

test('an alert has a name of its own, a severity and a sentence', () => {
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  for (const rule of rules) {
    assert.deepEqual(
      Object.keys(rule).filter((key) => !['alert', 'expr', 'for', 'labels', 'annotations'].includes(key)),
      [],
    );
    assert.match(rule.alert, /^Sluice[A-Z]\w+$/);
    assert.match(rule.labels.severity, /^(info|warning|critical)$/);
    assert.match(rule.annotations.summary, /\.$/);
    if (rule.for !== undefined) assert.match(rule.for, /^\d+[smh]$/);
  }
});

test('OPERATIONS explains every alert, and none that there is not', () => {
  const explained = [...read('docs/OPERATIONS.md').matchAll(/^\| `(Sluice[A-Z]\w+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(explained.toSorted(), rules.map(({ alert }) => alert).toSorted());
});

test('every alert has numbers on which it fires, and promtool agrees where there is one', () => {
  const text = read('deploy/prometheus/sluice.test.yaml');
  for (const { alert } of rules) assert.ok(text.includes(`alertname="${alert}"`), alert);
  const promtool = (...args: string[]) => spawnSync('promtool', args, { cwd: join(root, 'deploy/prometheus'), encoding: 'utf8' });
  if (promtool('--version').error !== undefined) return;
  for (const args of [
    ['check', 'rules', 'sluice.rules.yaml'],
    ['check', 'config', 'prometheus.yaml'],
    ['test', 'rules', 'sluice.test.yaml'],
  ]) {
    const { status, stdout, stderr } = promtool(...args);
    assert.equal(status, 0, stdout + stderr);
  }
});

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string; readonly refId: string }[];
}
const dashboard = JSON.parse(read('deploy/grafana/sluice.json')) as {
  panels: readonly Panel[];
  templating: { list: readonly { name: string; definition?: string }[] };
};

test('every panel asks for metrics that there are, by variables that there are', () => {
  const variables = new Set(dashboard.templating.list.map(({ name }) => name));
  const drawn = dashboard.panels.filter(({ type }) => type !== 'row');
  assert.ok(drawn.length >= 15);
  for (const { title, targets = [] } of drawn) {
    assert.ok(targets.length > 0, title);
    assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
    for (const { expr, legendFormat } of targets) {
      assert.deepEqual(faultsOf(expr), [], title);
      for (const [, name] of expr.matchAll(/\$\{?(\w+)/g)) assert.ok(name!.startsWith('__') || variables.has(name!), `${title}: $${name}`);
      const labels = [...metricsOf(expr).flatMap((one) => [...one.labels, ...known.get(one.metric)!.labels]), 'instance'];
      for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) assert.ok(labels.includes(label!), `${title}: ${label}`);
    }
  }
  for (const { definition } of dashboard.templating.list)
    if (definition !== undefined) assert.ok(known.has(/^label_values\((\w+), instance\)$/.exec(definition)?.[1] ?? ''), definition);
});

test('no panel lies over another one, and each has a number of its own', () => {
  const taken = new Map<string, string>();
  for (const { title, gridPos } of dashboard.panels) {
    assert.ok(gridPos.x + gridPos.w <= 24, title);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.equal(taken.get(`${x} ${y}`), undefined, `${title} lies over ${taken.get(`${x} ${y}`)}`);
        taken.set(`${x} ${y}`, title);
      }
  }
  assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
});
