import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import {
  attemptName,
  attemptOf,
  bytesOf,
  discardOutput,
  guarded,
  type Output,
  openAttempt,
  outputError,
  prepareOutput,
  publishOutput,
  stagingFolder,
} from '#runtime/connectors/publish.ts';

const root = mkdtempSync(join(tmpdir(), 'sluice-publish-'));
after(() => rmSync(root, { recursive: true }));
let places = 0;
/** A folder of its own, so that what is left in it can be seen. */
const place = (): string => {
  const path = join(root, String(places++));
  mkdirSync(path);
  return path;
};
const folderAt = (path: string, overwrite = false): Output => ({ path, kind: 'folder', overwrite });
const fileAt = (path: string, overwrite = false): Output => ({ path, kind: 'file', overwrite });

/** What a task writes: files under the attempt's folder. */
async function stage(output: Output, job: string, task: number, files: Readonly<Record<string, string>>, attempt = 0) {
  const { folder, name } = await openAttempt(output, { job, task, attempt });
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  return { rows: 1, bytes: 1, files: Object.keys(files).map((file) => `${name}/${file}`) };
}

test('nothing is seen before publish, then exactly the committed files, and nothing staged is left', async () => {
  const at = place();
  const output = folderAt(join(at, 'out'));
  await prepareOutput(output, '1');
  await prepareOutput(output, '1');
  await stage(output, '1', 0, { 'lost.csv': 'lost' }, 0);
  const written = [await stage(output, '1', 0, { 'a.csv': 'a' }, 1), await stage(output, '1', 1, { 'k=1/b.csv': 'b' })];
  assert.equal(existsSync(output.path), false);
  await publishOutput(output, '1', written);
  assert.deepEqual(readdirSync(output.path, { recursive: true }).sort(), ['a.csv', 'k=1', 'k=1/b.csv']);
  assert.deepEqual(readdirSync(at), ['out']);
  await publishOutput(output, '1', written);
  assert.equal(readFileSync(join(output.path, 'k=1/b.csv'), 'utf8'), 'b');
});

test('an output that is not empty is refused, unless it is to be replaced, and then only by publish', async () => {
  for (const kind of ['file', 'folder'] as const) {
    const path = join(place(), 'out');
    const inside = kind === 'file' ? path : join(path, 'old');
    if (kind === 'folder') mkdirSync(path);
    writeFileSync(inside, 'older');
    const output = (overwrite: boolean): Output => ({ path, kind, overwrite });
    await assert.rejects(prepareOutput(output(false), '1'), { code: 'OUTPUT_NOT_EMPTY' });
    await prepareOutput(output(true), '2');
    const lost = await stage(output(true), '2', 0, { new: 'new' });
    assert.equal(readFileSync(inside, 'utf8'), 'older');
    await discardOutput(output(true), '2');
    assert.equal(readFileSync(inside, 'utf8'), 'older', 'a failed job leaves it as it was');
    assert.deepEqual(readdirSync(dirname(path)), ['out']);
    await prepareOutput(output(true), '3');
    await publishOutput(output(true), '3', [await stage(output(true), '3', 0, { new: 'new' })]);
    assert.equal(readFileSync(kind === 'file' ? path : join(path, 'new'), 'utf8'), 'new');
    if (kind === 'folder') assert.deepEqual(readdirSync(path), ['new']);
    assert.equal(lost.files.length, 1);
  }
});

test('an empty folder and a file without bytes are no output', async () => {
  const at = place();
  mkdirSync(join(at, 'empty'));
  writeFileSync(join(at, 'zero.csv'), '');
  for (const output of [folderAt(join(at, 'empty')), fileAt(join(at, 'zero.csv'))]) {
    await prepareOutput(output, '1');
    await publishOutput(output, '1', [await stage(output, '1', 0, { f: 'x' })]);
  }
  assert.deepEqual(readdirSync(join(at, 'empty')), ['f']);
  assert.equal(readFileSync(join(at, 'zero.csv'), 'utf8'), 'x');
});

test('somebody who fills the output meanwhile is not overwritten', async () => {
  const output = folderAt(join(place(), 'out'));
  await prepareOutput(output, '1');
  const written = await stage(output, '1', 0, { f: 'mine' });
  mkdirSync(output.path);
  writeFileSync(join(output.path, 'f'), 'theirs');
  await assert.rejects(publishOutput(output, '1', [written]), { code: 'OUTPUT_NOT_EMPTY' });
  await discardOutput(output, '1');
  assert.equal(readFileSync(join(output.path, 'f'), 'utf8'), 'theirs');
});

test('folders made for an output go with it when its job fails, others stay', async () => {
  const at = place();
  const [one, two] = [folderAt(join(at, 'deep/er/one')), fileAt(join(at, 'deep/er/two.csv'))];
  await prepareOutput(one, '1');
  await prepareOutput(two, '1');
  await discardOutput(one, '1');
  await discardOutput(two, '1');
  await discardOutput(two, '1');
  assert.deepEqual(readdirSync(at), []);
});

/** A process that is over: its number and start are nobody's. */
const dead = spawnSync(process.execPath, ['-e', '']).pid;
const owned = (staging: string, owner: object): void => writeFileSync(join(staging, 'owner.json'), JSON.stringify(owner));

test('what a dead job staged is removed by the next one, what a living or distant one staged is not', async () => {
  const at = place();
  const output = folderAt(join(at, 'out'));
  for (const [job, owner] of [
    ['dead', { host: hostname(), process: dead, start: 'x', made: null }],
    ['lives', JSON.parse(await ownOwner()) as object],
    ['elsewhere', { host: 'another', process: 1, start: 'x', made: null }],
  ] as const) {
    mkdirSync(stagingFolder(output, job));
    owned(stagingFolder(output, job), owner);
  }
  await prepareOutput(output, 'next');
  assert.deepEqual(readdirSync(at).sort(), ['.out.sluice-elsewhere', '.out.sluice-lives', '.out.sluice-next']);
});

/** The owner that this process writes. */
async function ownOwner(): Promise<string> {
  const output = folderAt(join(place(), 'out'));
  await prepareOutput(output, 'own');
  return readFileSync(join(stagingFolder(output, 'own'), 'owner.json'), 'utf8');
}

test('a crash between the two renames of a swap is healed: the older output is back', async () => {
  const output = folderAt(join(place(), 'out'), true);
  mkdirSync(output.path);
  writeFileSync(join(output.path, 'f'), 'older');
  await prepareOutput(output, '1');
  await stage(output, '1', 0, { f: 'new' });
  const staging = stagingFolder(output, '1');
  renameSync(output.path, join(staging, 'older'));
  owned(staging, { host: hostname(), process: dead, start: 'x', made: null });
  await prepareOutput(output, '2');
  assert.equal(readFileSync(join(output.path, 'f'), 'utf8'), 'older');
  assert.equal(existsSync(staging), false);
});

test('the same job may publish again after such a crash', async () => {
  const output = folderAt(join(place(), 'out'), true);
  mkdirSync(output.path);
  writeFileSync(join(output.path, 'f'), 'older');
  await prepareOutput(output, '1');
  const written = await stage(output, '1', 0, { f: 'new' });
  const staging = stagingFolder(output, '1');
  mkdirSync(join(staging, 'fresh'));
  renameSync(join(staging, '0-0/f'), join(staging, 'fresh/f'));
  renameSync(output.path, join(staging, 'older'));
  await publishOutput(output, '1', [written]);
  assert.equal(readFileSync(join(output.path, 'f'), 'utf8'), 'new');
});

test('an output behind a link replaces what the link points to', async () => {
  const at = place();
  mkdirSync(join(at, 'real'));
  writeFileSync(join(at, 'real/f'), 'older');
  symlinkSync(join(at, 'real'), join(at, 'link'));
  const output = folderAt(join(at, 'link'), true);
  await prepareOutput(output, '1');
  await publishOutput(output, '1', [await stage(output, '1', 0, { f: 'new' })]);
  assert.equal(readFileSync(join(at, 'real/f'), 'utf8'), 'new');
  assert.deepEqual(readdirSync(at).sort(), ['link', 'real']);
});

test('what cannot be right is refused in one sentence', async () => {
  const at = place();
  mkdirSync(join(at, 'folder'));
  await assert.rejects(prepareOutput(fileAt(join(at, 'folder'), true), '1'), { code: 'OUTPUT_FAILED' });
  await assert.rejects(prepareOutput(folderAt(dirname(process.cwd()), true), '1'), { code: 'OUTPUT_FAILED' });
  const output = fileAt(join(at, 'one.csv'));
  await prepareOutput(output, '2');
  await assert.rejects(publishOutput(output, '2', []), { code: 'OUTPUT_FAILED' });
  rmSync(stagingFolder(output, '2'), { recursive: true });
  await assert.rejects(publishOutput(output, '2', [{ rows: 1, bytes: 1, files: ['0-0/x'] }]), { code: 'OUTPUT_FAILED' });
  writeFileSync(join(at, 'file'), 'x');
  await assert.rejects(prepareOutput(fileAt(join(at, 'file/below.csv')), '3'), { code: 'OUTPUT_FAILED' });
});

test('errors of the file system name the output', async () => {
  const full = Object.assign(new Error('no space'), { code: 'ENOSPC' });
  assert.equal((outputError('/out', full) as { code: string }).code, 'NO_SPACE');
  const denied = Object.assign(new Error('denied'), { code: 'EACCES' });
  assert.match((outputError('/out', denied) as Error).message, /\/out .*denied/);
  const bug = new TypeError('a bug');
  assert.equal(outputError('/out', bug), bug);
  await assert.rejects(
    guarded('/out', async () => {
      throw denied;
    }),
    { code: 'OUTPUT_FAILED' },
  );
});

test('attempts have names that say which they are', async () => {
  assert.deepEqual(attemptOf(attemptName({ job: '1', task: 12, attempt: 3 })), { task: 12, attempt: 3 });
  for (const name of ['fresh', 'older', '1-', 'owner.json']) assert.equal(attemptOf(name), null);
  const path = join(place(), 'f');
  writeFileSync(path, '12345');
  assert.equal(await bytesOf(path), 5);
});

test('an output of many folders needs few open files', () => {
  const at = place();
  // A process of its own, which may have 200 files open and publishes 600 folders.
  const script = `
    import { mkdirSync, writeFileSync } from 'node:fs';
    import { openAttempt, prepareOutput, publishOutput } from ${JSON.stringify(new URL('../../../batch-runtime/connectors/publish.ts', import.meta.url).href)};
    const output = { path: ${JSON.stringify(join(at, 'out'))}, kind: 'folder', overwrite: false };
    await prepareOutput(output, '1');
    const { folder, name } = await openAttempt(output, { job: '1', task: 0, attempt: 0 });
    const files = [];
    for (let k = 0; k < 600; k++) {
      mkdirSync(folder + '/k=' + k);
      writeFileSync(folder + '/k=' + k + '/a.csv', 'a');
      files.push(name + '/k=' + k + '/a.csv');
    }
    await publishOutput(output, '1', [{ rows: 600, bytes: 600, files }]);`;
  const args = ['-c', 'ulimit -n 200; exec "$0" --input-type=module -e "$1"', process.execPath, script];
  const { status, stderr } = spawnSync('sh', args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.equal(readdirSync(join(at, 'out')).length, 600);
});

test('a coordinator that takes a job over finds what was staged; the one before it can do no more with it', async () => {
  for (const output of [folderAt(join(place(), 'out')), fileAt(join(place(), 'out.csv'))]) {
    await prepareOutput(output, 'job');
    const first = await stage(output, 'job', 0, { 'part.csv': 'first' });
    // Two more coordinators; the second one died at once, and a task of the first begins late.
    await prepareOutput(output, 'job.2', ['job']);
    await prepareOutput(output, 'job.3', ['job', 'job.2']);
    await stage(output, 'job', 1, { 'part.csv': 'late' });
    await discardOutput(output, 'job.2');
    assert.equal(existsSync(output.path), false);
    await assert.rejects(publishOutput(output, 'job.2', [first]), { code: 'OUTPUT_FAILED' });
    await prepareOutput(output, 'job.4', ['job', 'job.2', 'job.3']);
    await publishOutput(output, 'job.4', [first]);
    await publishOutput(output, 'job.4', [first]);
    assert.equal(readFileSync(output.kind === 'file' ? output.path : join(output.path, 'part.csv'), 'utf8'), 'first');
    assert.deepEqual(readdirSync(dirname(output.path)), [output.path.slice(dirname(output.path).length + 1)]);
    // It was published, and died before it said so.
    await prepareOutput(output, 'job.5', ['job', 'job.2', 'job.3', 'job.4']);
    await publishOutput(output, 'job.5', [first]);
  }
});

test('a swap that was cut in the middle is ended by the coordinator that takes over', async () => {
  const output = folderAt(join(place(), 'out'), true);
  mkdirSync(output.path);
  writeFileSync(join(output.path, 'part.csv'), 'older');
  await prepareOutput(output, 'job');
  const written = await stage(output, 'job', 0, { 'part.csv': 'newer' });
  const staging = stagingFolder(output, 'job');
  mkdirSync(join(staging, 'fresh'));
  renameSync(join(staging, '0-0/part.csv'), join(staging, 'fresh/part.csv'));
  renameSync(output.path, join(staging, 'older'));
  await prepareOutput(output, 'job.2', ['job']);
  await publishOutput(output, 'job.2', [written]);
  assert.equal(readFileSync(join(output.path, 'part.csv'), 'utf8'), 'newer');
  assert.deepEqual(readdirSync(dirname(output.path)), ['out']);
});
