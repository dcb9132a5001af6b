/**
 * Compiles the job programs of java/ against the jars of one Spark and keeps the jar under .cache, named by what it was made of.
 * Also knows where the statements of TPC-H lie.
 */
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cache, run } from './install.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
export const queriesFile = join(here, 'tpch.sql');

const sources = (folder: string): string[] => globSync(`${folder}/**/*.java`, { cwd: here }).sort();

/** A short hash of files' names and bytes. */
export function hashOf(files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(file).update(readFileSync(join(here, file)));
  return hash.digest('hex').slice(0, 12);
}

/** What the answers of the jobs depend on. */
export const jobsHash = (): string => hashOf(sources('java'));

/** @param folder  java, or suite @param classPath  of the compiler @returns the jar */
export async function compile(folder: string, version: string, classPath: string): Promise<string> {
  const files = sources(folder);
  const jar = join(cache, 'spark', 'jobs', `${folder}-${version}-${hashOf(files)}.jar`);
  if (existsSync(jar)) return jar;
  mkdirSync(join(jar, '..'), { recursive: true });
  const work = mkdtempSync(`${jar}.part-`);
  try {
    const classes = join(work, 'classes');
    await run('javac', ['-proc:none', '-nowarn', '--release', '17', '-cp', classPath, '-d', classes, ...files], { cwd: here, quiet: true });
    await run('jar', ['--create', '--file', join(work, 'jobs.jar'), '-C', classes, '.'], { quiet: true });
    renameSync(join(work, 'jobs.jar'), jar);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return jar;
}
