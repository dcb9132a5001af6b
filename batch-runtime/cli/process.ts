/**
 * What the verbs manager, worker and executor have in common: read the configuration (a file, or `-` for one line of
 * stdin), explain it, start, say that they are ready in one line of JSON on stdout, and end on a signal, or when the stdin
 * they were configured by closes. SIGTERM lets a worker serve what it holds for a while, SIGINT does not.
 */
import { createInterface } from 'node:readline';
import type { Static, TObject, TProperties } from 'typebox';
import { explainConfig, type Loaded, loadConfig } from '#manager/process/load-config.ts';
import { asSluiceError, type SluiceError, toJson } from '#manager/protocol/errors.ts';
import { fail } from './fail.ts';
import { aborted, interruption, isTermination, readArgs, signalledAgain } from './verb.ts';

interface Running {
  readonly says: object;
  readonly ended?: Promise<SluiceError | null>;
  drained?(): Promise<void>;
  close(): Promise<void>;
}

interface Program<P extends TProperties> {
  readonly schema: TObject<P>;
  readonly prefix: string;
  readonly args: readonly string[];
  /** What can be done while the parent has not said what it is yet but by flags. */
  warm?(flags: Readonly<Record<string, string | boolean | undefined>>): void;
  /**
   * Starts it; answers what it says when it is ready, and how to end it: SIGTERM waits for `drained` first, where there is one. What `ended`
   * settles with has ended it from within: nothing is placed there any more, and whoever watches the process starts it anew.
   */
  start(config: Readonly<Static<TObject<P>>>): Promise<Running>;
}

export async function runProcess<P extends TProperties>({ schema, prefix, args, warm, start }: Program<P>): Promise<number> {
  const flags = Object.keys(schema.properties).map((key) => ({ key, flag: key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`) }));
  const options = Object.fromEntries(flags.map(({ flag }) => [flag, { type: 'string' as const }]));
  const { values } = readArgs(args, { ...options, config: { type: 'string' }, 'explain-config': { type: 'boolean' } });
  const given = values as Readonly<Record<string, string | boolean | undefined>>;
  // A key that no flag names must not hide what stdin says.
  const flagged = Object.fromEntries(flags.flatMap(({ key, flag }) => (given[flag] === undefined ? [] : [[key, given[flag]]])));
  const piped = values.config === '-';
  const signal = interruption();
  if (piped) warm?.(given);
  const stdin = piped ? await firstLine(signal) : null;
  if (stdin !== null && stdin.line === null) return 0;
  let loaded: Loaded<Static<TObject<P>>>;
  try {
    const fromStdin = stdin?.line == null ? {} : (JSON.parse(stdin.line) as Record<string, unknown>);
    const file = piped || values.config === undefined ? {} : { file: values.config as string };
    loaded = loadConfig(schema, prefix, { ...file, environment: process.env, flags: { ...fromStdin, ...flagged } });
    if (values['explain-config'] === true) {
      process.stdout.write(`${explainConfig(loaded.rows)}\n`);
      return 0;
    }
    const running = await start(loaded.config);
    process.stdout.write(`${JSON.stringify(running.says)}\n`);
    const left = stdin === null ? [] : [stdin.closed];
    const error = await Promise.race([aborted(signal), ...left, ...(running.ended ? [running.ended] : [])]);
    if (error) {
      await running.close();
      return fail(error);
    }
    // A second signal, or a parent that goes away, does not wait for that.
    if (isTermination() && running.drained) await Promise.race([running.drained(), signalledAgain(), ...left]);
    await running.close();
    return 0;
  } catch (thrown) {
    // On stdout for the parent that waits for the ready line, on stderr for people and logs.
    process.stdout.write(`${JSON.stringify({ error: toJson(asSluiceError(thrown)) })}\n`);
    return fail(thrown);
  } finally {
    process.stdin.destroy();
  }
}

/** The first line of stdin, null when it closed before; `closed` settles when the other side goes away. */
async function firstLine(signal: AbortSignal): Promise<{ line: string | null; closed: Promise<void> }> {
  const lines = createInterface({ input: process.stdin });
  const closed = new Promise<void>((resolve) => lines.once('close', () => resolve()));
  const line = await Promise.race([
    new Promise<string>((resolve) => lines.once('line', resolve)),
    closed.then(() => null),
    aborted(signal).then(() => null),
  ]);
  return { line, closed };
}
