// docs/OPERATIONS.md says what there is: verbs, keys, errors, files and values that it names.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { ManagerConfig, managerPrefix } from '#manager/config.ts';
import { configKeys } from '#manager/process/load-config.ts';
import { errors } from '#manager/protocol/errors.ts';
import { ExecutorConfig, executorPrefix } from '#runtime/config.ts';
import { WorkerConfig, workerPrefix } from '#worker/config.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const page = read('docs/OPERATIONS.md');
const code = [...page.matchAll(/`([^`\n]+)`/g), ...page.matchAll(/^ {4}(.+)$/gm)].map(([, text]) => text!);

const keys = [configKeys(ManagerConfig, managerPrefix), configKeys(WorkerConfig, workerPrefix), configKeys(ExecutorConfig, executorPrefix)].flat();

test('verbs', () => {
  const verbs = new Set([...read('batch-runtime/cli/main.ts').matchAll(/import\('\.\/(\w+)\.ts'\)/g)].map(([, verb]) => verb!));
  const named = code
    .flatMap((text) => [...text.matchAll(/(?<=^|[\s(])sluice ([a-z]+)/g)].map(([, verb]) => verb!))
    .filter((verb) => verb !== 'deploy');
  assert.ok(named.length >= 8);
  assert.deepEqual(
    named.filter((verb) => !verbs.has(verb)),
    [],
  );
});

test('flags of verbs', () => {
  const known = new Set(keys.map(({ key }) => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`));
  for (const verb of ['drain', 'jobs', 'status', 'token', 'cancel', 'worker', 'run', 'up'])
    for (const [flag] of read(`batch-runtime/cli/${verb}.ts`).matchAll(/--[a-z-]+/g)) known.add(flag);
  const named = code.filter((text) => /^sluice |^--/.test(text)).flatMap((text) => text.match(/--[a-z-]+/g) ?? []);
  // Of kubectl and Helm.
  const theirs = ['--cascade', '--set'];
  assert.deepEqual(
    named.filter((flag) => !known.has(flag) && !theirs.includes(flag)),
    [],
  );
});

test('keys, and values of the chart', () => {
  const values = parse(read('deploy/helm/sluice/values.yaml')) as Record<string, unknown>;
  const has = (path: string): boolean =>
    path
      .split('.')
      .reduce<unknown>((at, key) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[key] : undefined), values) !== undefined;
  const single = code.filter((text) => /^[a-z]+[A-Z]\w*$/.test(text));
  assert.ok(single.includes('drainTimeoutMs') && single.includes('jobQuotaBytes'));
  assert.deepEqual(
    single.filter((name) => !keys.some(({ key }) => key === name)),
    [],
  );
  const dotted = code
    .map((text) => /^(?:--set )?((?:worker|manager|spark|networkPolicy|image)\.[\w.]+)/.exec(text)?.[1])
    .filter((path) => path !== undefined);
  assert.ok(dotted.length >= 4);
  // Spark's own settings begin like a value of the chart.
  assert.deepEqual(
    dotted.filter((path) => !has(path) && !/^spark\.sluice\.|\.json$/.test(path)),
    [],
  );
});

test('errors', () => {
  const named = code.filter((text) => /^[A-Z]+(_[A-Z]+)+$/.test(text) && !text.startsWith('SLUICE_') && !text.startsWith('NODE_'));
  assert.ok(named.length >= 8);
  assert.deepEqual(
    named.filter((name) => !(name in errors)),
    [],
  );
});

test('files', () => {
  const paths = page.match(/(?<![\w/])(?:deploy|test|docs)\/[\w./-]*\w/g) ?? [];
  assert.ok(paths.length >= 8);
  assert.deepEqual(
    paths.filter((path) => !existsSync(join(root, path))),
    [],
  );
});
