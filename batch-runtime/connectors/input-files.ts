/**
 * Which files a source's path means: one file, a folder (all files below it with the format's ending), or a glob; and the
 * columns that `name=value` folders give. Order is that of the paths, so that splits are the same in every run.
 * Not what is in the files. Called by the sources when a job is planned.
 */
import { existsSync, globSync, statSync } from 'node:fs';
import { type FileHandle, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SluiceError } from '#manager/protocol/errors.ts';

/** A file as it was when the job was planned: another size or time later means other rows. */
export interface InputFile {
  readonly path: string;
  readonly size: number;
  readonly modified: number;
}

/** What Hive, Spark and DuckDB call the folder of null. */
export const nullFolder = '__HIVE_DEFAULT_PARTITION__';

/**
 * @param path     absolute: a file, a folder or a glob (`*`, `**`, `?`, `[]`, `{}`)
 * @param endings  what names of files in a folder end with
 * @throws FILE_MISSING when there is none
 */
export async function findFiles(path: string, ...endings: readonly string[]): Promise<readonly InputFile[]> {
  const found = statSync(path, { throwIfNoEntry: false });
  let paths: string[];
  if (found?.isDirectory()) paths = await below(path, endings);
  else if (found !== undefined) paths = [path];
  else {
    const fixed = path.slice(0, path.search(/[*?[{]|$/)).lastIndexOf('/') + 1;
    paths = globSync(path).filter((match) => !match.slice(fixed).split('/').some(isHidden) && statSync(match, { throwIfNoEntry: false })?.isFile());
  }
  if (paths.length === 0) throw new SluiceError('FILE_MISSING', { path });
  // By code units, not by locale: the same on every machine.
  paths.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return paths.map((file) => {
    const about = statSync(file);
    return { path: file, size: about.size, modified: about.mtimeMs };
  });
}

/** By its name, of the format; packed or not. */
const isOf = (name: string, endings: readonly string[]): boolean =>
  endings.some((ending) => ['', '.gz', '.zst'].some((packed) => name.endsWith(ending + packed)));

/** Staging folders, and the marks other engines leave. */
const isHidden = (name: string): boolean => name.startsWith('.') || name.startsWith('_');

async function below(folder: string, endings: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (isHidden(entry.name)) continue;
    const path = join(folder, entry.name);
    const isFolder = entry.isDirectory() || (entry.isSymbolicLink() && existsSync(path) && statSync(path).isDirectory());
    if (isFolder) files.push(...(await below(path, endings)));
    else if (isOf(entry.name, endings)) files.push(path);
  }
  return files;
}

/** The values that folders `name=value` above the file give, decoded; null for the folder of null. */
export function folderValues(path: string): ReadonlyMap<string, string | null> {
  const values = new Map<string, string | null>();
  for (const part of path.split('/').slice(0, -1)) {
    const equals = part.indexOf('=');
    if (equals <= 0) continue;
    const value = decoded(part.slice(equals + 1));
    values.set(decoded(part.slice(0, equals)), value === nullFolder ? null : value);
  }
  return values;
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    // A stray % is itself.
    return text;
  }
};

/** The folder name of a value, escaped so that every file system and engine takes it: all but letters, digits and `_ . - ~` as %XX. */
export const folderName = (column: string, value: string | null): string => `${escaped(column)}=${value === null ? nullFolder : escaped(value)}`;
const escaped = (text: string): string => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** @throws FILE_CORRUPT when the file is not the one that was planned */
export async function checkUnchanged(handle: FileHandle, planned: InputFile): Promise<void> {
  const now = await handle.stat();
  if (now.size !== planned.size || now.mtimeMs !== planned.modified)
    throw new SluiceError('FILE_CORRUPT', { path: planned.path, what: 'it has changed since the job was planned' });
}
