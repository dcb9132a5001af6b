// The chart, rendered by Helm itself: what it renders is valid Kubernetes, fits the programs it starts, and is locked down; a wrong
// field or a misspelt value is refused.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { ManagerConfig, managerPrefix } from '#manager/config.ts';
import { configKeys, loadConfig } from '#manager/process/load-config.ts';
import { MiB } from '#manager/protocol/ids.ts';
import { WorkerConfig, workerPrefix } from '#worker/config.ts';
import { chart, helms, type KubernetesObject, lint, render } from './helm.ts';
import { faultsOf } from './kubernetes.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const programs = helms();
const helm = Object.values(programs)[0]!;
const everything = {
  image: { tag: '9.9.9', pullSecrets: [{ name: 'registry' }] },
  manager: {
    config: { leaseMs: 20000, host: '::' },
    storage: { size: '20Gi', storageClassName: 'fast' },
    podAnnotations: { a: 'b' },
    nodeSelector: { disk: 'ssd' },
    tolerations: [{ key: 'shuffle', operator: 'Exists' }],
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields: [] }] } } },
  },
  worker: {
    replicas: 5,
    drainTimeoutMs: 120500,
    config: { diskBytes: 1e12 },
    disks: [{ size: '1Ti', storageClassName: 'local' }, { size: '2Ti' }],
    nodeSelector: { disk: 'nvme' },
    maxUnavailable: '20%',
  },
  networkPolicy: {
    clients: [{ namespaceSelector: { matchLabels: { team: 'spark' } } }],
    monitoring: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }],
  },
  metrics: { podMonitor: { enabled: true, labels: { release: 'prometheus' } }, rules: { enabled: true }, dashboard: { enabled: true } },
  spark: { enabled: true, namespace: 'spark', conf: { 'spark.sluice.replicas': '2' } },
};

interface Pod {
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: { readonly runAsNonRoot: boolean; readonly runAsUser: number };
  readonly automountServiceAccountToken: boolean;
  readonly containers: readonly Container[];
  readonly volumes: readonly { readonly name: string; readonly secret?: { readonly secretName: string } }[];
}
interface Container {
  readonly args: readonly string[];
  readonly env?: readonly { readonly name: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly securityContext: { readonly readOnlyRootFilesystem: boolean; readonly capabilities: { readonly drop: readonly string[] } };
  readonly resources: { readonly limits: { readonly memory: string } };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly [probe: `${string}Probe`]: { readonly httpGet: { readonly path: string; readonly port: string } };
}

const find = (objects: readonly KubernetesObject[], kind: string, name: string): KubernetesObject => {
  const found = objects.find((one) => one.kind === kind && one.metadata.name === name);
  assert.ok(found, `there is no ${kind} ${name}`);
  return found;
};
const podOf = (objects: readonly KubernetesObject[], name: string): Pod =>
  (find(objects, 'StatefulSet', name).spec as { template: { spec: Pod } }).template.spec;
/** What the chart becomes with values; each is rendered once. */
const drawn = (values: Readonly<Record<string, unknown>> = {}): readonly KubernetesObject[] => {
  const key = JSON.stringify(values);
  const known = already.get(key);
  if (known !== undefined) return known;
  const { status, stderr, objects } = render(helm, values);
  assert.equal(status, 0, stderr);
  already.set(key, objects);
  return objects;
};
const already = new Map<string, readonly KubernetesObject[]>();

for (const [version, program] of Object.entries(programs)) {
  test(`Helm ${version} finds no fault in the chart, and what it renders is valid`, () => {
    const { status, stdout } = lint(program);
    assert.equal(status, 0, stdout);
    for (const values of [{}, everything]) {
      const rendered = render(program, values);
      assert.equal(rendered.status, 0, rendered.stderr);
      for (const object of rendered.objects) assert.deepEqual(faultsOf(object), [], `${object.kind} ${object.metadata.name}`);
    }
  });
}

test('what is rendered, by kind', () => {
  const kinds = (objects: readonly KubernetesObject[]) => objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort();
  const always = [
    'ConfigMap shuffle-manager',
    'ConfigMap shuffle-worker',
    'NetworkPolicy shuffle-manager',
    'NetworkPolicy shuffle-worker',
    'PodDisruptionBudget shuffle-worker',
    'Service shuffle-manager',
    'Service shuffle-worker',
    'StatefulSet shuffle-manager',
    'StatefulSet shuffle-worker',
  ];
  assert.deepEqual(kinds(drawn()), always);
  const optional = ['ConfigMap shuffle-dashboard', 'ConfigMap shuffle-spark', 'PodMonitor shuffle', 'PrometheusRule shuffle'];
  assert.deepEqual(kinds(drawn(everything)), [...always, ...optional].sort());
  assert.ok(kinds(drawn({ networkPolicy: { enabled: false } })).every((one) => !one.startsWith('NetworkPolicy')));
});

test('a wrong field, a wrong type and a missing one are found in what is rendered', () => {
  const spoilt = (from: RegExp, to: string): string[] => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-chart-'));
    try {
      cpSync(chart, folder, { recursive: true, dereference: true });
      const path = join(folder, 'templates/worker.yaml');
      const text = readFileSync(path, 'utf8');
      assert.match(text, from);
      writeFileSync(path, text.replace(from, to));
      const { status, stderr, objects } = render(helm, {}, folder);
      return status === 0 ? objects.flatMap(faultsOf) : [stderr];
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
  assert.deepEqual(spoilt(/podManagementPolicy: Parallel/, 'podManagmentPolicy: Parallel'), ['/spec/podManagmentPolicy is no field']);
  assert.match(spoilt(/replicas: .*/, 'replicas: "2"')[0]!, /^\/spec\/replicas type/);
  assert.match(spoilt(/podManagementPolicy: Parallel/, 'podManagementPolicy: Sideways')[0]!, /^\/spec\/podManagementPolicy enum/);
  assert.match(
    spoilt(/ {10}imagePullPolicy: .*/, '          imagePullPolicy: Always\n          imagePullpolicy: Always')[0]!,
    /imagePullpolicy is no field/,
  );
  assert.match(spoilt(/ {2}selector:\n {4}matchLabels:\n {6}.*\n {6}.*component: worker\n {2}template/, '  template')[0]!, /^\/spec required/);
  assert.match(spoilt(/include "sluice.selector"/, 'include "sluice.selektor"')[0]!, /sluice.selektor/);
  assert.deepEqual(faultsOf({ apiVersion: 'policy/v1beta1', kind: 'PodDisruptionBudget', metadata: { name: 'old' } }), [
    'there is no policy/v1beta1 PodDisruptionBudget',
  ]);
});

test('a value that is misspelt, of a wrong type or not for the taking is refused by every Helm', () => {
  const wrong = [
    { wroker: { replicas: 3 } },
    { worker: { replica: 3 } },
    { worker: { replicas: '3' } },
    { worker: { replicas: 0 } },
    { worker: { disks: [] } },
    { worker: { disks: [{ size: '100 GB' }] } },
    { worker: { drainTimeoutMs: '60s' } },
    { worker: { config: { dataDirs: ['/elsewhere'] } } },
    { manager: { config: { secretFile: '/elsewhere' } } },
    { spark: { conf: { 'park.sluice.replicas': '2' } } },
    { secret: { name: '', key: 'secret' } },
  ];
  for (const program of Object.values(programs)) {
    for (const values of wrong) assert.notEqual(render(program, values).status, 0, JSON.stringify(values));
  }
});

test('the files of keys are what the programs take, and their keys of values stand', () => {
  for (const values of [{}, everything]) {
    const objects = drawn(values);
    const read = (name: string) => JSON.parse(find(objects, 'ConfigMap', `shuffle-${name}`).data![`${name}.json`]!) as Record<string, unknown>;
    const manager = loadConfig(ManagerConfig, managerPrefix, { flags: read('manager') }).config;
    const worker = loadConfig(WorkerConfig, workerPrefix, { flags: read('worker') }).config;
    assert.equal(manager.host, values === everything ? '::' : '0.0.0.0');
    assert.equal(manager.leaseMs, values === everything ? 20000 : 10000);
    assert.equal(worker.managerUrl, `http://shuffle-manager.data.svc:${manager.port}`);
    assert.equal(worker.drainTimeoutMs, values === everything ? 120500 : 60000);
    assert.equal(worker.diskBytes, values === everything ? 1e12 : 0);
    for (const [name, config] of [
      ['manager', { folders: [manager.dataDir], ...manager }],
      ['worker', { folders: worker.dataDirs, ...worker }],
    ] as const) {
      const { containers, volumes } = podOf(objects, `shuffle-${name}`);
      const { args, ports, volumeMounts } = containers[0]!;
      assert.deepEqual(args, [name, '--config', `/etc/sluice/config/${name}.json`]);
      assert.deepEqual(ports, [{ name: 'http', containerPort: config.port }]);
      const mounts = volumeMounts.map(({ mountPath }) => mountPath);
      for (const folder of config.folders) assert.ok(mounts.includes(folder.replace(/\/sluice$/, '')), folder);
      assert.equal(mounts.filter((path) => path.startsWith('/data')).length, config.folders.length);
      assert.equal(config.secretFile, '/etc/sluice/secret/secret');
      assert.ok(mounts.includes('/etc/sluice/secret') && volumes.some(({ secret }) => secret?.secretName === 'sluice'));
    }
  }
});

test('what no file of keys may set is what values.schema.json refuses there, and a misspelt key ends the program', () => {
  const schema = JSON.parse(readFileSync(join(chart, 'values.schema.json'), 'utf8')) as {
    properties: Record<string, { properties: Record<string, { propertyNames: { not: { enum: string[] } } }> }>;
  };
  for (const [name, keys] of [
    ['manager', configKeys(ManagerConfig, managerPrefix)],
    ['worker', configKeys(WorkerConfig, workerPrefix)],
  ] as const) {
    const refused = schema.properties[name]!.properties['config']!.propertyNames.not.enum;
    assert.deepEqual(
      refused.filter((key) => !keys.some((one) => one.key === key)),
      [],
    );
    const { containers } = podOf(drawn(), `shuffle-${name}`);
    const variables = (containers[0]!.env ?? []).map((one) => one.name).filter((one) => one.startsWith('SLUICE_'));
    for (const variable of variables)
      assert.ok(
        keys.some((one) => one.variable === variable && refused.includes(one.key)),
        variable,
      );
  }
  const { data } = find(drawn({ worker: { config: { segmentByte: 1 } } }), 'ConfigMap', 'shuffle-worker');
  assert.throws(() => loadConfig(WorkerConfig, workerPrefix, { flags: JSON.parse(data!['worker.json']!) }), /segment-byte is not a key/);
});

test('a chart of defaults has the defaults of the programs', () => {
  const { manager, worker } = parse(readFileSync(join(chart, 'values.yaml'), 'utf8')) as Record<string, Record<string, unknown>>;
  const defaults = (keys: ReturnType<typeof configKeys>) => Object.fromEntries(keys.map(({ key, default: value }) => [key, value]));
  const ofManager = defaults(configKeys(ManagerConfig, managerPrefix));
  const ofWorker = defaults(configKeys(WorkerConfig, workerPrefix));
  assert.equal(manager!['port'], ofManager['port']);
  for (const key of ['port', 'drainTimeoutMs', 'arenaBytes']) assert.equal(worker![key], ofWorker[key], key);
  const release = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;
  assert.equal((parse(readFileSync(join(chart, 'Chart.yaml'), 'utf8')) as { appVersion: string }).appVersion, release);
});

test('pods are asked by a route that is there, are not root, and cannot write but to their volumes', () => {
  const objects = drawn();
  for (const name of ['manager', 'worker']) {
    const pod = podOf(objects, `shuffle-${name}`);
    const container = pod.containers[0]!;
    const server = readFileSync(join(root, `shuffle-${name}/server.ts`), 'utf8');
    for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe'] as const) {
      const { path, port } = container[probe]!.httpGet;
      assert.equal(port, 'http');
      assert.ok(server.includes(`app.get('${path}'`) || server.includes(`path === '${path}'`), `${name} has no ${path}`);
    }
    assert.equal(pod.securityContext.runAsNonRoot, true);
    assert.ok(pod.securityContext.runAsUser > 0);
    assert.equal(pod.automountServiceAccountToken, false);
    assert.equal(container.securityContext.readOnlyRootFilesystem, true);
    assert.deepEqual(container.securityContext.capabilities.drop, ['ALL']);
  }
});

test('a worker gets the time to drain and half a minute more', () => {
  assert.equal(podOf(drawn(), 'shuffle-worker').terminationGracePeriodSeconds, 90);
  assert.equal(podOf(drawn(everything), 'shuffle-worker').terminationGracePeriodSeconds, 121 + 30);
  assert.equal(podOf(drawn({ worker: { drainTimeoutMs: 0 } }), 'shuffle-worker').terminationGracePeriodSeconds, 30);
});

test('the memory of a worker holds its arena, half as much again, and the program', () => {
  const { containers } = podOf(drawn(), 'shuffle-worker');
  const limit = Number(/^(\d+)Mi$/.exec(containers[0]!.resources.limits.memory)?.[1]) * MiB;
  const arena = configKeys(WorkerConfig, workerPrefix).find(({ key }) => key === 'arenaBytes')!.default as number;
  assert.ok(limit >= arena * 1.5 + 150 * MiB);
});

test('a change of one program restarts that one only', () => {
  const checksums = (values: object) =>
    ['manager', 'worker'].map((name) => {
      const { template } = find(drawn({ ...values }), 'StatefulSet', `shuffle-${name}`).spec as {
        template: { metadata: { annotations: Record<string, string> } };
      };
      return template.metadata.annotations['checksum/config'];
    });
  const [manager, worker] = checksums({});
  const [sameManager, otherWorker] = checksums({ worker: { config: { logLevel: 'debug' } } });
  assert.equal(sameManager, manager);
  assert.notEqual(otherWorker, worker);
});

test('networks: workers reach the manager, clients both, the manager nobody', () => {
  const policy = (name: string, values = {}) =>
    find(drawn(values), 'NetworkPolicy', `shuffle-${name}`).spec as {
      podSelector: { matchLabels: Record<string, string> };
      ingress: { from: { podSelector?: { matchLabels: Record<string, string> } }[] }[];
      egress: { ports: { port: number }[] }[];
    };
  const labelsOf = (name: string) => policy(name).ingress[0]!.from.map(({ podSelector }) => podSelector?.matchLabels);
  const worker = { 'app.kubernetes.io/name': 'sluice', 'app.kubernetes.io/instance': 'shuffle', 'app.kubernetes.io/component': 'worker' };
  assert.deepEqual(labelsOf('manager'), [worker, { 'sluice-client': 'true' }]);
  assert.deepEqual(labelsOf('worker'), [{ 'sluice-client': 'true' }]);
  assert.deepEqual(policy('worker').podSelector.matchLabels, worker);
  assert.deepEqual(policy('manager').egress, []);
  assert.deepEqual(
    policy('worker').egress.map(({ ports }) => ports.map(({ port }) => port)),
    [[7070], [53, 53]],
  );
  assert.equal(policy('worker', everything).ingress[0]!.from.length, 3);
});

test('selectors find their pods: services, the disruption budget, the monitor', () => {
  const objects = drawn(everything);
  for (const object of objects) {
    const spec = object.spec as { selector?: { matchLabels?: Record<string, string> } & Record<string, unknown> } | undefined;
    if (spec?.selector === undefined) continue;
    const wanted = (spec.selector.matchLabels ?? spec.selector) as Record<string, string>;
    const matched = ['manager', 'worker'].filter((name) => {
      const set = find(objects, 'StatefulSet', `shuffle-${name}`).spec as { template: { metadata: { labels: Record<string, string> } } };
      return Object.entries(wanted).every(([label, value]) => set.template.metadata.labels[label] === value);
    });
    assert.deepEqual(matched, object.kind === 'PodMonitor' ? ['manager', 'worker'] : [object.metadata.name.replace('shuffle-', '')], object.kind);
  }
});

test("Spark's settings: the plug-in's, the manager's address, the token's Secret, and the label the network lets through", () => {
  const { metadata, data } = find(drawn(everything), 'ConfigMap', 'shuffle-spark');
  assert.equal(metadata.namespace, 'spark');
  const settings = Object.fromEntries(
    data!
      ['spark-defaults.conf']!.trim()
      .split('\n')
      .map((line) => line.split(/ (.*)/).slice(0, 2)),
  );
  assert.deepEqual(settings, {
    'spark.driver.extraClassPath': '/opt/sluice/sluice-spark.jar',
    'spark.executor.extraClassPath': '/opt/sluice/sluice-spark.jar',
    'spark.shuffle.manager': 'org.apache.spark.shuffle.sluice.SluiceShuffleManager',
    'spark.sluice.manager.url': 'http://shuffle-manager.data.svc:7070',
    'spark.sluice.token.file': '/etc/sluice/secret',
    'spark.kubernetes.driver.secrets.sluice': '/etc/sluice',
    'spark.kubernetes.driver.label.sluice-client': 'true',
    'spark.kubernetes.executor.label.sluice-client': 'true',
    'spark.sluice.replicas': '2',
  });
  const image = readFileSync(join(root, 'deploy/docker/spark.Dockerfile'), 'utf8');
  assert.ok(image.includes(` ${settings['spark.driver.extraClassPath']}`));
  const plugin = 'plugins/spark/src/main/java/org/apache/spark/shuffle/sluice';
  const [, name] = /\.([A-Za-z]+)$/.exec(settings['spark.shuffle.manager']!)!;
  assert.match(readFileSync(join(root, plugin, `${name}.java`), 'utf8'), /class SluiceShuffleManager/);
});

test('the rules and the dashboard of the chart are the ones beside it', () => {
  const objects = drawn(everything);
  const beside = (path: string): string => readFileSync(join(root, 'deploy', path), 'utf8');
  assert.deepEqual(find(objects, 'PrometheusRule', 'shuffle').spec, parse(beside('prometheus/sluice.rules.yaml')));
  assert.deepEqual(JSON.parse(find(objects, 'ConfigMap', 'shuffle-dashboard').data!['sluice.json']!), JSON.parse(beside('grafana/sluice.json')));
});
