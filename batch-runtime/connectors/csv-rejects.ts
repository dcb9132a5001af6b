/**
 * What a CSV source leaves aside when it is told to: a CSV file with a line for each record that cannot be read, saying where it
 * stood, what was wrong and how it read. Tasks write a file each, which counts only when their split was read to its end;
 * publishing puts them together in the order of the tasks. The file replaces that of an earlier run, when the job succeeds.
 */
import { type FileHandle, open, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { SluiceError } from '#manager/protocol/errors.ts';
import type { SinkSpec } from '../graph/plan.ts';
import type { Sink, TaskFolder } from './connector.ts';
import { quoted, record } from './csv-sink.ts';
import { attemptOf, discardOutput, guarded, type Output, openAttempt, prepareOutput, publishOutput, stagingFolder } from './publish.ts';

const outputOf = (path: string): Output => ({ path, kind: 'file', overwrite: true });
const pathOf = (sink: SinkSpec): string => String(sink['path']);
const header = record(['path', 'line', 'column', 'what', 'record']);
const partName = 'rejects.csv';
const wholeName = 'whole.csv';
/** Text that is kept before it goes to the file. */
const keptLength = 65_536;

export const rejectsSpec = (path: string): SinkSpec => ({ connector: 'rejects', path });

export const rejectsSink: Sink = {
  single: () => true,
  prepare: (sink, job, earlier) => prepareOutput(outputOf(pathOf(sink)), job, earlier),
  createWriter() {
    throw new SluiceError('PLAN_UNSUPPORTED', { what: 'rejects are not a sink of their own: give a csv source `rejects: path`' });
  },
  async publish(sink, job) {
    const output = outputOf(pathOf(sink));
    const staging = stagingFolder(output, job);
    const names = await guarded(output.path, () => readdir(staging).catch(() => [] as string[]));
    // Every attempt that came to its end read the same records; one of each task is enough.
    const parts = new Map<number, string>();
    for (const name of names) {
      const attempt = attemptOf(name);
      if (attempt !== null && (await readdir(join(staging, name))).includes(partName)) parts.set(attempt.task, join(staging, name, partName));
    }
    if (names.length > 0) {
      await guarded(output.path, async () => {
        const { folder } = await openAttempt(output, { job, task: 0, attempt: 0 });
        const whole = await open(join(folder, wholeName), 'w');
        try {
          await whole.appendFile(header);
          for (const [, part] of [...parts].sort(([a], [b]) => a - b)) await whole.appendFile(await readFile(part));
          await whole.sync();
        } finally {
          await whole.close();
        }
      });
    }
    await publishOutput(output, job, [{ rows: 0, bytes: 0, files: [`0-0/${wholeName}`] }]);
  },
  discard: (sink, job) => discardOutput(outputOf(pathOf(sink)), job),
};

/** The records that one task leaves aside; the file is made with the first. */
export class Rejects {
  readonly #output: Output;
  readonly #task: TaskFolder;
  #handle: FileHandle | null = null;
  #folder = '';
  #kept = '';

  constructor(path: string, task: TaskFolder) {
    this.#output = outputOf(path);
    this.#task = task;
  }

  /** @throws OUTPUT_FAILED, NO_SPACE */
  async add(path: string, line: number, column: number, what: string, text: string): Promise<void> {
    this.#kept += record([quoted(path), String(line), String(column), quoted(what), quoted(text)]);
    if (this.#kept.length >= keptLength) await guarded(this.#output.path, () => this.#flush());
  }

  async #flush(): Promise<void> {
    if (this.#handle === null) {
      this.#folder = (await openAttempt(this.#output, this.#task)).folder;
      this.#handle = await open(join(this.#folder, 'part'), 'w');
    }
    await this.#handle.appendFile(this.#kept);
    this.#kept = '';
  }

  /** `whole`: all was read, so these are all. @throws OUTPUT_FAILED, NO_SPACE */
  async close(whole: boolean): Promise<void> {
    await guarded(this.#output.path, async () => {
      try {
        if (whole && this.#kept !== '') await this.#flush();
      } finally {
        await this.#handle?.close();
      }
      if (whole && this.#handle !== null) await rename(join(this.#folder, 'part'), join(this.#folder, partName));
      this.#handle = null;
      this.#kept = '';
    });
  }
}
