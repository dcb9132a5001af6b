/**
 * What Spark's own shuffle answers to each job: asked once per Spark version and jobs, then kept under .cache. The Spark that
 * gives them runs in one process (local[2]) and is started only when an answer is missing.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Conf, type Driver, startDriver } from './driver.ts';
import { cache } from './install.ts';
import { hashOf, jobsHash } from './jobs-jar.ts';

export interface Expected {
  readonly answer: string;
  readonly lines: number;
  readonly head: readonly string[];
}
export interface Answers {
  of(job: string, options?: Conf): Promise<Expected>;
  close(): Promise<void>;
}

type Known = Record<string, Expected>;
function read(file: string): Known {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Known;
  } catch {
    // None is known yet.
    return {};
  }
}

export function openAnswers(sparkHome: string, version: string, jobs: string, data: string, folder: string): Answers {
  const files = {
    query: join(cache, 'spark', 'answers', `${version}-${basename(data)}-${hashOf(['tpch.sql'])}.json`),
    other: join(cache, 'spark', 'answers', `${version}-jobs-${jobsHash()}.json`),
  };
  const known = { query: read(files.query), other: read(files.other) };
  let driver: Promise<Driver> | null = null;
  const open = async (): Promise<Driver> => {
    mkdirSync(folder, { recursive: true });
    const started = await startDriver({
      sparkHome,
      jobs,
      plugin: null,
      folder,
      conf: { 'spark.driver.memory': '3g', 'spark.driver.extraJavaOptions': '-XX:+UseSerialGC' },
    });
    await started.open({ 'spark.master': 'local[2]', 'spark.sql.shuffle.partitions': '8' });
    return started;
  };
  return {
    async of(job, options = {}) {
      // How a job is carried out is no part of what it answers.
      const asked = Object.fromEntries(
        Object.entries(options).filter(([key]) => !key.startsWith('spark.') && !['data', 'file', 'gates', 'keep'].includes(key)),
      );
      const key = [job, ...Object.entries(asked).map(([name, value]) => `${name}=${value}`)].join(' ');
      const kind = job === 'query' ? 'query' : 'other';
      if (known[kind][key] === undefined) {
        driver ??= open();
        const { answer, lines, head } = await (await driver).run(job, options);
        known[kind][key] = { answer, lines, head };
        mkdirSync(join(files[kind], '..'), { recursive: true });
        writeFileSync(files[kind], JSON.stringify(known[kind], null, 1));
      }
      return known[kind][key]!;
    },
    async close() {
      if (driver !== null) await (await driver).kill();
      driver = null;
    },
  };
}
