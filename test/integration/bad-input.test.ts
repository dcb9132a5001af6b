/**
 * Bad input, one by one: each is a typed error with its exit code and a word that says where, and the output that was there before
 * is there after, byte for byte. One process, the memory shuffle; what needs a cluster asks a manager of this process.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { connectManager } from '#manager/client.ts';
import { ManagerConfig } from '#manager/config.ts';
import { type RunningManager, startManager } from '#manager/main.ts';
import { systemClock, systemRandom } from '#manager/process/clock.ts';
import { loadConfig } from '#manager/process/load-config.ts';
import { readSecret } from '#manager/process/secret.ts';
import type { ErrorCode } from '#manager/protocol/errors.ts';
import { mint128, protocolVersion } from '#manager/protocol/ids.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import { ExecutorConfig } from '#runtime/config.ts';
import { type RunningExecutor, startExecutorProcess } from '#runtime/main.ts';
import { sluice } from '../batch-runtime/cli/captured.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const bin = join(root, 'batch-runtime/cli/bin.js');
const folder = mkdtempSync(join(tmpdir(), 'sluice-bad-'));
const at = (...names: string[]): string => join(folder, ...names);
const older = 'what,was\nthere,before\n';

/** Files that are wrong, and one that is right. */
const parquet = (): Uint8Array<ArrayBuffer> => {
  const numbers = Array.from({ length: 2000 }, (_, i) => i);
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: 'k', data: numbers.map((i) => `key ${i % 50}`), type: 'STRING', nullable: false },
        { name: 'n', data: numbers, type: 'INT32', nullable: false },
      ],
    }),
  );
};
const files: Readonly<Record<string, string | Uint8Array>> = {
  'good.csv': 'k,n\na,1\nb,2\n',
  'width.csv': 'k,n\na,1\nb,2,3\n',
  'quote.csv': 'k,n\na,1\n"b,2\n',
  'number.csv': 'k,n\na,1\nb,two\n',
  'utf8.csv': Buffer.from('k,n\na,1\nb\xff,2\n', 'latin1'),
  'header.csv': 'k,m\na,1\n',
  'good.parquet': parquet(),
  'truncated.parquet': parquet().subarray(0, 900),
  'tail.parquet': parquet().map((byte, i, all) => (i > all.length - 40 && i < all.length - 8 ? byte ^ 0x55 : byte)),
  'page.parquet': parquet().map((byte, i) => (i >= 20 && i < 400 ? byte ^ 0xff : byte)),
  'text.parquet': 'this is no Parquet at all',
};
const columns =
  'const shape = schema({ k: utf8(), n: int32() });\nconst imports = { csv, int32, job, parquet, schema, Type, udf, utf8 };\nvoid imports;\n';
const importing = "import { csv, int32, job, parquet, schema, Type, udf, utf8 } from 'sluice';\n";
/** Every job reads `in`, and writes over what is in `out`. */
const jobOf = (steps: string, read = 'csv'): string =>
  `${importing}${columns}export default job({
  name: 'bad',
  params: { in: Type.String(), out: Type.String(), overwrite: Type.Boolean({ default: true }), rejects: Type.String({ default: '' }) },
  build(flow, p) {
    const options = p.rejects === '' ? { schema: shape } : { schema: shape, rejects: p.rejects };
    flow.read(${read}(p.in, options), 'in')${steps}.write(csv(p.out, { overwrite: p.overwrite }), 'out');
  },
});
`;
const modules: Readonly<Record<string, string>> = {
  'csv.ts': jobOf(''),
  'parquet.ts': jobOf('', 'parquet'),
  'folder.ts': jobOf('')
    .replace('csv(p.out, { overwrite: p.overwrite })', "parquet(p.out, { partitionBy: ['k'], overwrite: p.overwrite })")
    .replace('default: true', 'default: false'),
  'overflow.ts': jobOf('.select("k", t => ({ n: t.n.mul(2000000000) }))'),
  'function.ts': jobOf('\n      .select("k", t => ({ n: twice(t.n) }))').replace(
    'export default',
    `const twice = udf([int32()], int32(), n => {
  if (n === 2) throw new RangeError('two is too many');
  return 2 * n;
});
export default`,
  ),
  'result.ts': jobOf('.select("k", t => ({ n: text(t.n) }))').replace(
    'export default',
    'const text = udf([int32()], int32(), n => String(n) as never);\nexport default',
  ),
  'syntax.ts': `${importing}const a = ;\n`,
  'enum.ts': 'export enum Color { red }\n',
  'no-job.ts': `${importing}export const name = 'nothing';\n`,
  'throws.ts': `${importing}\nthrow new TypeError('not today');\n`,
  'build.ts': `${importing}export default job({\n  name: 'bad',\n  build() {\n    throw new TypeError('cannot build');\n  },\n});\n`,
  'async.ts': `${importing}export default job({ name: 'waits', build: (async () => {}) as never });\n`,
  'random.ts': `${importing}export default job({ name: 'dice', build: flow => flow.rows(schema({ n: int32() }), [{ n: 1 }]).filter(t => t.n.gt(Math.floor(Math.random() * 1e9))) });\n`,
  'column.ts': jobOf('.select("nn" as never)'),
  'import.ts': "import { x } from './not-there.ts';\nvoid x;\n",
};

interface Case {
  readonly name: string;
  readonly code: ErrorCode;
  readonly exit: 1 | 2;
  /** Must be in the message: a path, line, column or URL. */
  readonly word: string | (() => string);
  readonly args: () => readonly string[];
}
const run =
  (module: string, input: string, ...more: string[]): (() => string[]) =>
  () => ['run', at(module), '--shuffle', 'memory', '--param', `in=${at(input)}`, '--param', `out=${at('out.csv')}`, ...more];
const alone = (module: string) => (): string[] => ['run', at(module), '--shuffle', 'memory'];
const on = (url: () => string) => (): string[] => [
  ...run('csv.ts', 'good.csv')().filter((arg) => arg !== '--shuffle' && arg !== 'memory'),
  '--cluster',
  url(),
];

let manager: RunningManager;
let foreign: Server;
let executor: RunningExecutor;
const urlOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const cases: readonly Case[] = [
  { name: 'a missing file', code: 'FILE_MISSING', exit: 1, word: 'none.csv', args: run('csv.ts', 'none.csv') },
  { name: 'an empty glob', code: 'FILE_MISSING', exit: 1, word: '*.nothing', args: run('csv.ts', '*.nothing') },
  { name: 'a missing Parquet file', code: 'FILE_MISSING', exit: 1, word: 'none.parquet', args: run('parquet.ts', 'none.parquet') },
  { name: 'a truncated Parquet file', code: 'FILE_CORRUPT', exit: 1, word: 'truncated.parquet', args: run('parquet.ts', 'truncated.parquet') },
  { name: 'a Parquet file with a corrupt footer', code: 'FILE_CORRUPT', exit: 1, word: 'tail.parquet', args: run('parquet.ts', 'tail.parquet') },
  { name: 'a Parquet file with a corrupt page', code: 'FILE_CORRUPT', exit: 1, word: 'page.parquet', args: run('parquet.ts', 'page.parquet') },
  { name: 'a file that is no Parquet', code: 'FILE_CORRUPT', exit: 1, word: 'text.parquet', args: run('parquet.ts', 'text.parquet') },
  { name: 'a file without a declared column', code: 'SCHEMA_DIFFERS', exit: 1, word: 'header.csv', args: run('csv.ts', 'header.csv') },
  { name: 'a CSV row of wrong width', code: 'CSV_INVALID', exit: 1, word: 'width.csv:3:', args: run('csv.ts', 'width.csv') },
  { name: 'an unclosed quote', code: 'CSV_INVALID', exit: 1, word: 'quote.csv:3:1', args: run('csv.ts', 'quote.csv') },
  { name: 'a bad number', code: 'CSV_INVALID', exit: 1, word: 'number.csv:3:3', args: run('csv.ts', 'number.csv') },
  { name: 'invalid UTF-8', code: 'CSV_INVALID', exit: 1, word: 'utf8.csv:3:', args: run('csv.ts', 'utf8.csv') },
  { name: 'an overflow', code: 'VALUE_OUT_OF_RANGE', exit: 1, word: '2 * 2000000000', args: run('overflow.ts', 'good.csv') },
  { name: 'a module that does not compile', code: 'JOB_MODULE_INVALID', exit: 2, word: 'line 2', args: alone('syntax.ts') },
  { name: 'a module with an enum', code: 'JOB_MODULE_INVALID', exit: 2, word: 'enum.ts', args: alone('enum.ts') },
  { name: 'a module that imports what is not there', code: 'JOB_MODULE_INVALID', exit: 2, word: 'not-there.ts', args: alone('import.ts') },
  { name: 'a module that is not there', code: 'JOB_MODULE_INVALID', exit: 2, word: 'absent.ts', args: alone('absent.ts') },
  { name: 'a module without a job', code: 'JOB_MODULE_INVALID', exit: 2, word: 'no-job.ts', args: alone('no-job.ts') },
  { name: 'a module that throws', code: 'JOB_MODULE_INVALID', exit: 2, word: 'line 3: TypeError: not today', args: alone('throws.ts') },
  { name: 'a build that throws', code: 'JOB_MODULE_INVALID', exit: 2, word: 'line 5: TypeError: cannot build', args: alone('build.ts') },
  { name: 'a build that is async', code: 'JOB_BUILD_ASYNC', exit: 2, word: 'waits', args: alone('async.ts') },
  { name: 'a build that gives another graph each time', code: 'BUILD_NOT_REPEATABLE', exit: 2, word: 'filter', args: alone('random.ts') },
  { name: 'a column that is not there', code: 'COLUMN_UNKNOWN', exit: 2, word: 'nn', args: run('column.ts', 'good.csv') },
  { name: 'a function that throws: which', code: 'FUNCTION_THREW', exit: 1, word: 'select-1', args: run('function.ts', 'good.csv') },
  { name: 'a function that throws: on which row', code: 'FUNCTION_THREW', exit: 1, word: 'row 1', args: run('function.ts', 'good.csv') },
  { name: 'a function that throws: where', code: 'FUNCTION_THREW', exit: 1, word: 'function.ts:6', args: run('function.ts', 'good.csv') },
  { name: 'a function that gives the wrong type', code: 'ROW_TYPE', exit: 1, word: 'select-1', args: run('result.ts', 'good.csv') },
  { name: 'a non-empty output', code: 'OUTPUT_NOT_EMPTY', exit: 1, word: 'out.csv', args: run('csv.ts', 'good.csv', '--param', 'overwrite=false') },
  {
    name: 'a non-empty output folder',
    code: 'OUTPUT_NOT_EMPTY',
    exit: 1,
    word: 'kept',
    args: () => ['run', at('folder.ts'), '--shuffle', 'memory', '--param', `in=${at('good.csv')}`, '--param', `out=${at('kept')}`],
  },
  {
    name: 'a folder that is written over by a job that fails',
    code: 'CSV_INVALID',
    exit: 1,
    word: 'number.csv:3:3',
    args: () => [
      'run',
      at('folder.ts'),
      '--shuffle',
      'memory',
      '--param',
      `in=${at('number.csv')}`,
      '--param',
      `out=${at('kept')}`,
      '--param',
      'overwrite=true',
    ],
  },
  { name: 'a param that is none', code: 'PARAMS_INVALID', exit: 2, word: 'inn', args: run('csv.ts', 'good.csv', '--param', 'inn=x') },
  {
    name: 'a port in use',
    code: 'PORT_IN_USE',
    exit: 1,
    word: () => new URL(manager.url).port,
    args: () => ['up', '--workers', '0', '--executors', '0', '--port', new URL(manager.url).port],
  },
  { name: 'a cluster that does not answer', code: 'CLUSTER_UNREACHABLE', exit: 1, word: 'http://127.0.0.1:1', args: on(() => 'http://127.0.0.1:1') },
  { name: 'a cluster of another version', code: 'VERSION_UNSUPPORTED', exit: 1, word: 'version 99', args: on(() => urlOf(foreign)) },
  {
    name: 'a wrong token',
    code: 'UNAUTHORIZED',
    exit: 1,
    word: '--token-file',
    args: () => [...on(() => manager.url)(), '--token-file', at('wrong-token')],
  },
];

before(async () => {
  mkdirSync(at('node_modules'));
  symlinkSync(root, at('node_modules', 'sluice'));
  writeFileSync(at('package.json'), '{ "type": "module" }');
  for (const [name, content] of Object.entries({ ...files, ...modules })) writeFileSync(at(name), content);
  process.env['XDG_STATE_HOME'] = at('state');
  delete process.env['SLUICE_TOKEN'];
  const { config } = loadConfig(ManagerConfig, 'SLUICE_TEST', { flags: { port: 0, dataDir: at('manager'), logLevel: 'silent', workerWaitMs: 500 } });
  manager = await startManager(config, '0.0.0');
  writeFileSync(at('secret'), readSecret(manager.secretFile));
  writeFileSync(at('wrong-token'), 'x'.repeat(64));
  const mine = loadConfig(ExecutorConfig, 'SLUICE_TEST', { flags: { managerUrl: manager.url, secretFile: manager.secretFile, logLevel: 'silent' } });
  executor = await startExecutorProcess(mine.config, '');
  foreign = createServer((_, reply) => reply.end(JSON.stringify({ protocol: 99, cluster: '0'.repeat(32), term: 1, release: '99.0.0' })));
  foreign.listen(0, '127.0.0.1');
  await once(foreign, 'listening');
});
after(async () => {
  await executor.close();
  await manager.close();
  foreign.close();
  rmSync(folder, { recursive: true });
});

/** What is beside the output: staging folders would be here. */
const beside = (): string[] => readdirSync(folder).filter((name) => name.includes('out.csv') || name.includes('.sluice-'));

for (const { name, code, exit, word, args } of cases) {
  test(name, { timeout: 60_000 }, async () => {
    writeFileSync(at('out.csv'), older);
    mkdirSync(at('kept', 'k=old'), { recursive: true });
    writeFileSync(at('kept', 'k=old', 'part-0.parquet'), files['good.parquet']!);
    const { code: status, stdout, stderr } = await sluice(...args());
    assert.equal(status, exit, stderr);
    assert.match(stderr, new RegExp(`^error ${code}: `, 'm'));
    const said = typeof word === 'string' ? word : word();
    assert.ok(stderr.includes(said), `'${said}' in: ${stderr}`);
    assert.equal(stdout, '');
    assert.equal(readFileSync(at('out.csv'), 'utf8'), older);
    assert.deepEqual(beside(), ['out.csv']);
    assert.deepEqual(readdirSync(at('kept'), { recursive: true }), ['k=old', 'k=old/part-0.parquet']);
    assert.deepEqual(new Uint8Array(readFileSync(at('kept', 'k=old', 'part-0.parquet'))), files['good.parquet']);
    for (const path of /\(logs: (.+)\)/.exec(stderr)?.slice(1) ?? []) rmSync(path, { recursive: true });
  });
}

test('good input replaces the output, so the cases above could have', async () => {
  writeFileSync(at('out.csv'), older);
  const { code, stderr } = await sluice(...run('csv.ts', 'good.csv')());
  assert.equal(code, 0, stderr);
  assert.equal(readFileSync(at('out.csv'), 'utf8'), 'k,n\na,1\nb,2\n');
  assert.deepEqual(beside(), ['out.csv']);
});

for (const [input, line] of [
  ['width.csv', 'b,2,3'],
  ['number.csv', 'b,two'],
  ['utf8.csv', 'b'],
  ['quote.csv', '"b,2'],
] as const) {
  test(`with rejects, what is wrong in ${input} is kept aside and the rest goes on; without it nothing becomes null`, async () => {
    writeFileSync(at('out.csv'), older);
    const { code, stderr } = await sluice(...run('csv.ts', input, '--param', `rejects=${at('rejects')}`)());
    assert.equal(code, 0, stderr);
    assert.equal(readFileSync(at('out.csv'), 'utf8'), 'k,n\na,1\n');
    const kept = existsSync(at('rejects')) ? readText(at('rejects')) : '';
    assert.ok(kept.includes(line) && kept.includes(input), kept);
    rmSync(at('rejects'), { recursive: true });
  });
}
const readText = (path: string): string => {
  try {
    return readdirSync(path)
      .map((name) => readFileSync(join(path, name), 'latin1'))
      .join('');
  } catch {
    return readFileSync(path, 'latin1');
  }
};

test('a full disk is said with the output, and the older one stays', () => {
  writeFileSync(at('out.csv'), older);
  // The disk is full for whoever writes a part of an output.
  writeFileSync(
    at('full.mjs'),
    `import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
const { open } = fs;
fs.open = async (path, ...more) => {
  const handle = await open(path, ...more);
  if (String(path).includes('part-')) handle.appendFile = handle.write = async () => { throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }); };
  return handle;
};
syncBuiltinESMExports();
`,
  );
  const { status, stderr } = spawnSync(process.execPath, ['--import', at('full.mjs'), bin, ...run('csv.ts', 'good.csv')()], { encoding: 'utf8' });
  assert.equal(status, 1, stderr);
  assert.match(stderr, /NO_SPACE/);
  assert.ok(stderr.includes(at('out.csv')), stderr);
  assert.equal(readFileSync(at('out.csv'), 'utf8'), older);
  assert.deepEqual(beside(), ['out.csv']);
});

test('no worker is NO_WORKERS, and one that refuses is named', { timeout: 60_000 }, async () => {
  writeFileSync(at('out.csv'), older);
  const shuffling = at('shuffles.ts');
  writeFileSync(shuffling, modules['csv.ts']!.replace("'in').write", "'in').orderBy('k').write"));
  const args = [
    'run',
    shuffling,
    '--param',
    `in=${at('good.csv')}`,
    '--param',
    `out=${at('out.csv')}`,
    '--cluster',
    manager.url,
    '--token-file',
    at('secret'),
  ];
  const none = await sluice(...args);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /error NO_WORKERS/);
  // Something answers at its port, and wants none of ours.
  const refusing = createServer((_, reply) => reply.writeHead(401).end());
  refusing.on('upgrade', (_, socket) => socket.end('HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n'));
  refusing.listen(0, '127.0.0.1');
  await once(refusing, 'listening');
  const { port } = refusing.address() as AddressInfo;
  const token = tokenSource(readFileSync(at('secret'), 'utf8'), Date.now);
  const client = await connectManager({ urls: [manager.url], token, clock: systemClock, random: systemRandom });
  const [worker, incarnation] = [mint128(systemRandom), mint128(systemRandom)];
  await client.registerWorker({ worker, incarnation, host: '127.0.0.1', port, hostLabel: 'here', pid: 1, protocol: protocolVersion });
  const leave = new AbortController();
  const polling = client
    .orders({ id: worker, incarnation, after: 2 ** 50, load: {}, leaving: false, waitMs: 50_000 }, { signal: leave.signal })
    .catch(() => {});
  const refused = await sluice(...args);
  leave.abort();
  await polling;
  await client.close();
  refusing.close();
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^error TASK_FAILED: .* is no shuffle worker/m);
  assert.ok(refused.stderr.includes(String(port)), refused.stderr);
  assert.equal(readFileSync(at('out.csv'), 'utf8'), older);
  assert.deepEqual(beside(), ['out.csv']);
});

/** The slow job, once its first rows are on their way. */
async function slowly(out: string): Promise<ChildProcess> {
  const slow = join(root, 'test/fixtures/jobs/slow.ts');
  const args = [bin, 'run', slow, '--shuffle', 'memory', '--json', '--param', 'rows=200', '--param', `out=${out}`, '--param', 'overwrite=true'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout! })) if (line.includes('"started"')) break;
  return child;
}

test('an interrupted job ends with 130 and leaves the older output; a killed one too, and the next job clears what it staged', {
  timeout: 60_000,
}, async () => {
  writeFileSync(at('out.csv'), older);
  const interrupted = await slowly(at('out.csv'));
  interrupted.kill('SIGINT');
  assert.deepEqual(await once(interrupted, 'exit'), [130, null]);
  assert.equal(readFileSync(at('out.csv'), 'utf8'), older);
  assert.deepEqual(beside(), ['out.csv']);
  const killed = await slowly(at('out.csv'));
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  assert.equal(readFileSync(at('out.csv'), 'utf8'), older);
  assert.equal(beside().length, 2);
  assert.equal((await sluice(...run('csv.ts', 'good.csv')())).code, 0);
  assert.deepEqual(beside(), ['out.csv']);
});
