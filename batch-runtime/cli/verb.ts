/**
 * What a verb of `sluice` is, and how its arguments are read. One verb, one file; a new one is a file and a line in main.ts.
 */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { SluiceError } from '#manager/protocol/errors.ts';

export interface Verb {
  /** Shown by --help: the line of usage, what it does, its options, an example. */
  readonly help: string;
  /** @returns the exit code. @throws SluiceError, printed by main.ts */
  run(args: readonly string[]): Promise<number>;
}

type Options = NonNullable<ParseArgsConfig['options']>;

/** Like util.parseArgs, with USAGE for what it refuses. */
export function readArgs<const O extends Options>(args: readonly string[], options: O) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (thrown) {
    throw usage((thrown as Error).message);
  }
}

/** A whole number from the command line. @throws USAGE */
export function count(name: string, text: string | undefined, least: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least)
    throw usage(`--${name} takes a whole number from ${least}, not '${text}'`);
  return value;
}

/** Bytes from the command line: 512MiB, 2g, 1048576. @throws USAGE */
export function bytes(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, digits = '', unit = ''] = /^(\d+)\s*(?:([kmg])(?:i?b)?)?$/i.exec(text) ?? [];
  const value = Number(digits) * 1024 ** ['', 'k', 'm', 'g'].indexOf(unit.toLowerCase());
  if (digits === '' || value < 1 || !Number.isSafeInteger(value)) throw usage(`--${name} takes a size like 512MiB or 2GiB, not '${text}'`);
  return value;
}

export const usage = (what: string): SluiceError => new SluiceError('USAGE', { what });

let interrupted: AbortSignal | null = null;
let first: 'SIGINT' | 'SIGTERM' | null = null;
const again = Promise.withResolvers<void>();

/** Aborted at the first SIGINT or SIGTERM; a second SIGINT ends the process at once. One per process. */
export function interruption(): AbortSignal {
  if (interrupted !== null) return interrupted;
  const abort = new AbortController();
  interrupted = abort.signal;
  process.on('SIGINT', () => {
    if (abort.signal.aborted) process.exit(130);
    first = 'SIGINT';
    abort.abort();
  });
  process.on('SIGTERM', () => {
    if (abort.signal.aborted) again.resolve();
    first ??= 'SIGTERM';
    abort.abort();
  });
  return abort.signal;
}

/** Whether it was SIGTERM that came first. */
export const isTermination = (): boolean => first === 'SIGTERM';

/** Settles when SIGTERM has come after another signal. */
export const signalledAgain = (): Promise<void> => again.promise;

export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
