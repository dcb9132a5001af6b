/**
 * How an output appears: whole, by rename, and only when its job has succeeded. Tasks write into a staging folder beside
 * the output, one folder per attempt; `publishOutput` keeps just the committed files and renames them into place. What
 * is in the files is the sinks' affair. Called by the sinks, on the coordinator except for `openAttempt`.
 *
 * Layout, for the output /data/routes of job 7:
 *
 *   /data/.routes.sluice-7/owner.json    who stages: host, process and its start
 *                         /3-0/...       what attempt 0 of task 3 wrote
 *                         /fresh/...     a folder output as it will be, put together by publish
 *                         /older         the replaced output, between the two renames of a swap and until removed
 *
 * A file replaces a file by one rename. A folder that replaces a non-empty one takes two: the older output goes to
 * `older`, the new one to its place. Node offers no exchange of two folders, so a crash exactly between the two leaves
 * the path absent and both outputs whole in staging: the next `prepareOutput` of the same path puts the older one back,
 * since that job did not succeed. A folder staged by a process that lives, or that ran on another host, is never touched.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync, renameSync, statSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { SluiceError } from '#manager/protocol/errors.ts';
import type { TaskFolder, Written } from './connector.ts';

export interface Output {
  /** Absolute. */
  readonly path: string;
  readonly kind: 'file' | 'folder';
  readonly overwrite: boolean;
}

interface Owner {
  readonly host: string;
  readonly process: number;
  /** Tells a process from a later one of the same number; null where the system does not say. */
  readonly start: string | null;
  /** The topmost folder that was made for this output, to be removed with it on discard. */
  readonly made: string | null;
}

/** A staging folder without an owner younger than this may be one that is being made. */
const unownedGraceMs = 60_000;
/** Folders that are synced at the same time. */
const syncedAtOnce = 16;

const plainPath = (path: string): string => (path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path);
const safeJob = (job: string): string => job.replace(/[^\w.-]/g, '_');
const stagingPrefix = (path: string): string => `.${basename(path)}.sluice-`;
const stagingOf = (path: string, job: string): string => join(dirname(path), stagingPrefix(path) + safeJob(job));

/** Where the output really stands: behind a symbolic link, also while a swap has what it points to moved away. */
function placeOf(output: Output): string {
  const path = plainPath(resolve(output.path));
  if (existsSync(path)) return realpathSync(path);
  try {
    return resolve(dirname(path), readlinkSync(path));
  } catch {
    return path;
  }
}

/**
 * Refuses an output that is not empty, heals and removes what dead jobs of the same output left, makes the staging
 * folder. Again for the same job: does nothing.
 * @param earlier  other names of the same job, oldest first: what was staged under the last of them that is there is taken over by one
 *                 rename. If there is none, the output was published, or is lost, which publishing finds out.
 * @throws OUTPUT_NOT_EMPTY, OUTPUT_FAILED, NO_SPACE
 */
export async function prepareOutput(output: Output, job: string, earlier: readonly string[] = []): Promise<void> {
  await guarded(output.path, async () => {
    if (earlier.length > 0) return takeOver(placeOf(output), job, earlier);
    // Healing may bring back what a link points to, so the place is looked up again after it.
    await sweep(placeOf(output));
    const place = placeOf(output);
    refuseOccupied(output, place);
    if (output.overwrite && (process.cwd() + sep).startsWith(place + sep))
      throw new SluiceError('OUTPUT_FAILED', { path: output.path, what: 'it contains the working folder' });
    const parent = dirname(place);
    const made = (await mkdir(parent, { recursive: true })) ?? (await inheritedMade(parent, job));
    const staging = stagingOf(place, job);
    await mkdir(staging, { recursive: true });
    await writeOwner(staging, made);
  });
}

async function takeOver(place: string, job: string, earlier: readonly string[]): Promise<void> {
  const staging = stagingOf(place, job);
  for (const older of earlier.toReversed()) {
    const folder = stagingOf(place, older);
    const owner = readOwner(folder);
    // A folder without an owner was made by a task that did not know yet.
    if (owner === null || existsSync(staging)) await rm(folder, { recursive: true, force: true });
    else {
      await rename(folder, staging);
      await writeOwner(staging, owner.made);
    }
  }
}

async function writeOwner(staging: string, made: string | null): Promise<void> {
  const owner: Owner = { host: hostname(), process: process.pid, start: startOf(process.pid), made };
  await writeFile(join(staging, 'owner.json'), JSON.stringify(owner));
}

/**
 * The folder of one attempt, made when first used; its name is what `Written.files` start with.
 * @throws OUTPUT_FAILED, NO_SPACE
 */
export async function openAttempt(output: Output, task: TaskFolder): Promise<{ readonly folder: string; readonly name: string }> {
  const name = attemptName(task);
  const folder = join(stagingOf(placeOf(output), task.job), name);
  await guarded(output.path, () => mkdir(folder, { recursive: true }));
  return { folder, name };
}

export const attemptName = (task: TaskFolder): string => `${task.task}-${task.attempt}`;
/** Task and attempt of a folder that `openAttempt` made, else null. */
export const attemptOf = (name: string): { readonly task: number; readonly attempt: number } | null => {
  const match = /^(\d+)-(\d+)$/.exec(name);
  return match ? { task: Number(match[1]), attempt: Number(match[2]) } : null;
};

/** The staging folder of a job, for a sink that puts its output together itself. */
export const stagingFolder = (output: Output, job: string): string => stagingOf(placeOf(output), job);

/**
 * Makes exactly the committed files the output. Again: finds them in place and does nothing.
 * @throws OUTPUT_NOT_EMPTY when somebody else filled the output meanwhile, OUTPUT_FAILED, NO_SPACE
 */
export async function publishOutput(output: Output, job: string, written: readonly Written[]): Promise<void> {
  const files = written.flatMap((w) => w.files);
  await guarded(output.path, async () => {
    const place = placeOf(output);
    const staging = stagingOf(place, job);
    if (!existsSync(staging)) {
      refuseLost(output, place, files);
      return;
    }
    if (output.kind === 'file') await publishFile(output, place, staging, files);
    else await publishFolder(output, place, staging, files);
    await rm(staging, { recursive: true, force: true });
  });
}

async function publishFile(output: Output, place: string, staging: string, files: readonly string[]): Promise<void> {
  if (files.length !== 1) throw new SluiceError('OUTPUT_FAILED', { path: output.path, what: `${files.length} tasks wrote it, not one` });
  const from = join(staging, files[0]!);
  if (!existsSync(from)) {
    // An earlier publish got as far as the rename.
    refuseLost(output, place, files);
    return;
  }
  refuseOccupied(output, place);
  renameSync(from, place);
  await syncFolder(dirname(place));
}

async function publishFolder(output: Output, place: string, staging: string, files: readonly string[]): Promise<void> {
  const fresh = join(staging, 'fresh');
  const older = join(staging, 'older');
  const swapped = existsSync(older) && !existsSync(fresh);
  if (swapped) return;
  const made = new Set<string>([fresh]);
  await mkdir(fresh, { recursive: true });
  for (const file of files) {
    const to = join(fresh, file.slice(file.indexOf('/') + 1));
    const folder = dirname(to);
    if (!made.has(folder)) await mkdir(folder, { recursive: true });
    made.add(folder);
    const from = join(staging, file);
    if (existsSync(from)) await rename(from, to);
    else if (!existsSync(to)) throw new SluiceError('OUTPUT_FAILED', { path: output.path, what: `${file} is missing from the staging folder` });
  }
  await syncFolders([...made]);
  if (existsSync(older)) {
    // A crash between the two renames, and the same job publishes again.
    if (!existsSync(place)) renameSync(fresh, place);
  } else {
    refuseOccupied(output, place);
    replaceFolder(place, fresh, older);
  }
  await syncFolder(dirname(place));
}

/** The swap. Nothing may come between its two renames. */
function replaceFolder(place: string, fresh: string, older: string): void {
  if (isEmpty(place) && !isFile(place)) {
    // rename(2) replaces an empty folder in one step.
    renameSync(fresh, place);
    return;
  }
  renameSync(place, older);
  try {
    renameSync(fresh, place);
  } catch (thrown) {
    renameSync(older, place);
    throw thrown;
  }
}

/** Removes the staging folder, and the folders above the output that were made for it if nothing is in them. */
export async function discardOutput(output: Output, job: string): Promise<void> {
  await guarded(output.path, async () => {
    const place = placeOf(output);
    const staging = stagingOf(place, job);
    const owner = readOwner(staging);
    await heal(place, staging);
    await rm(staging, { recursive: true, force: true });
    if (owner?.made == null) return;
    for (let folder = dirname(place); folder.startsWith(owner.made); folder = dirname(folder)) {
      const removed = await rmdir(folder).then(
        () => true,
        () => false,
      );
      if (!removed) return;
    }
  });
}

/** Heals and removes the staging folders of dead jobs of the output at `place`. */
async function sweep(place: string): Promise<void> {
  const parent = dirname(place);
  const prefix = stagingPrefix(place);
  const names = await readdir(parent).catch(() => [] as string[]);
  for (const name of names) {
    if (!name.startsWith(prefix)) continue;
    const staging = join(parent, name);
    if (!isDead(staging)) continue;
    await heal(place, staging);
    await rm(staging, { recursive: true, force: true });
  }
}

/** Puts the older output back if a crash, or a job that is given up, left the path absent in the middle of a swap. */
async function heal(place: string, staging: string): Promise<void> {
  const older = join(staging, 'older');
  if (existsSync(older) && !existsSync(place)) await rename(older, place);
}

function isDead(staging: string): boolean {
  const owner = readOwner(staging);
  if (owner === null) return Date.now() - (statSync(staging, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > unownedGraceMs;
  if (owner.host !== hostname()) return false;
  try {
    process.kill(owner.process, 0);
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'ESRCH';
  }
  return owner.start !== startOf(owner.process);
}

/** When a process started, as text that only compares; null where there is no /proc. */
function startOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // Field 22; the second field, the name in parentheses, may hold spaces.
    const started = text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()}-${started}`;
  } catch {
    return null;
  }
}

function readOwner(staging: string): Owner | null {
  try {
    return JSON.parse(readFileSync(join(staging, 'owner.json'), 'utf8')) as Owner;
  } catch {
    return null;
  }
}

/** Of several outputs of one job under a folder made for them, each may be the last to be discarded. */
async function inheritedMade(parent: string, job: string): Promise<string | null> {
  const suffix = `.sluice-${safeJob(job)}`;
  for (const name of await readdir(parent)) {
    if (!name.startsWith('.') || !name.endsWith(suffix)) continue;
    const text = await readFile(join(parent, name, 'owner.json'), 'utf8').catch(() => null);
    if (text !== null) return (JSON.parse(text) as Owner).made;
  }
  return null;
}

function refuseOccupied(output: Output, place: string): void {
  if (!isEmpty(place) && !output.overwrite) throw new SluiceError('OUTPUT_NOT_EMPTY', { path: output.path });
  if (output.kind === 'file' && existsSync(place) && !isFile(place))
    throw new SluiceError('OUTPUT_FAILED', { path: output.path, what: 'it is a folder, and one file is to be written' });
}

/** Without a staging folder the files must be in place already, or they are lost. */
function refuseLost(output: Output, place: string, files: readonly string[]): void {
  const lost =
    output.kind === 'file'
      ? !existsSync(place)
      : files.some((file) => !existsSync(join(place, file.slice(file.indexOf('/') + 1)))) || !existsSync(place);
  if (lost) throw new SluiceError('OUTPUT_FAILED', { path: output.path, what: 'its staging folder is gone' });
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

/** Absent, a folder without entries or a file without bytes. */
function isEmpty(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return true;
  return found.isDirectory() ? readdirSync(path).length === 0 : found.size === 0;
}

/** However many partitions an output has, few of its folders are open at once. */
async function syncFolders(paths: readonly string[]): Promise<void> {
  for (let i = 0; i < paths.length; i += syncedAtOnce) await Promise.all(paths.slice(i, i + syncedAtOnce).map(syncFolder));
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Runs `work` and makes an error of the file system one that names the output. */
export async function guarded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw outputError(path, thrown);
  }
}

export function outputError(path: string, thrown: unknown): unknown {
  if (thrown instanceof SluiceError || !(thrown instanceof Error)) return thrown;
  const { code } = thrown as NodeJS.ErrnoException;
  if (code === undefined) return thrown;
  if (code === 'ENOSPC' || code === 'EDQUOT') return new SluiceError('NO_SPACE', { what: path }, { cause: thrown });
  return new SluiceError('OUTPUT_FAILED', { path, what: thrown.message }, { cause: thrown });
}

/** Bytes of a file that was written. */
export const bytesOf = async (path: string): Promise<number> => (await stat(path)).size;
