/**
 * What every program of `npm run` shares: flags from the command line, a line about the machine, one JSON line last on stdout
 * whose keys are never absent, and an exit code that says whether the result was right. Not a test: speed never fails it.
 */
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { asSluiceError, SluiceError } from '#manager/protocol/errors.ts';

type FlagValue = number | string | boolean;

/** A flag's default, which is also its type, and its sentence for --help. */
export type FlagTable = Readonly<Record<string, { readonly default: FlagValue; readonly sentence: string }>>;
type Widened<V> = V extends number ? number : V extends boolean ? boolean : string;
export type Flags<T extends FlagTable> = { readonly [N in keyof T]: Widened<T[N]['default']> };

const dashed = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/**
 * Parses `argv` (without node and the script) against the table; keys in camelCase are flags with dashes.
 * @throws USAGE for an unknown flag, a stray word or a number that is none
 */
export function parseFlags<T extends FlagTable>(argv: readonly string[], table: T): Flags<T> {
  const options = Object.fromEntries(
    Object.entries(table).map(([key, flag]) => [dashed(key), { type: typeof flag.default === 'boolean' ? 'boolean' : 'string' } as const]),
  );
  let given: Record<string, unknown>;
  try {
    given = parseArgs({ args: [...argv], options, strict: true, allowPositionals: false }).values;
  } catch (thrown) {
    throw new SluiceError('USAGE', { what: (thrown as Error).message });
  }
  const flags = Object.entries(table).map(([key, flag]): [string, FlagValue] => {
    const value = given[dashed(key)];
    if (value === undefined) return [key, flag.default];
    if (typeof flag.default !== 'number') return [key, value as FlagValue];
    const number = Number(value);
    if (!Number.isFinite(number) || value === '') throw new SluiceError('USAGE', { what: `--${dashed(key)} ${String(value)} is not a number` });
    return [key, number];
  });
  return Object.fromEntries(flags) as Flags<T>;
}

/** The flags as --help shows them. */
export function flagHelp(table: FlagTable): string {
  return Object.entries(table)
    .map(([key, flag]) => `  --${dashed(key)} ${typeof flag.default === 'boolean' ? '' : String(flag.default)}`.padEnd(32) + flag.sentence)
    .join('\n');
}

/** What it ran on: figures without it mean nothing. */
export function machineLine(): string {
  const model = cpus()[0]?.model ?? 'unknown processor';
  const memoryGiB = (totalmem() / 2 ** 30).toFixed(0);
  return `${availableParallelism()} x ${model.trim()}, ${memoryGiB} GiB, ${process.platform} ${release()}, Node ${process.versions.node}`;
}

/** What a program found. `right` decides the exit code; every value is there, null when it was not measured. */
export interface Finding {
  readonly right: boolean;
  readonly result: Readonly<Record<string, unknown>>;
}

/**
 * Runs a program: the machine on stderr, what the program says on its own, then the result as the last line of stdout.
 * @returns the exit code: 0 right, 1 wrong or failed (then every key is null and `error` says why), 2 bad usage
 */
export async function runProgram<T extends FlagTable>(
  name: string,
  argv: readonly string[],
  table: T,
  keys: readonly string[],
  program: (flags: Flags<T>) => Promise<Finding>,
): Promise<number> {
  if (argv.includes('--help')) {
    console.error(`${name}\n${flagHelp(table)}`);
    return 0;
  }
  const nothing = Object.fromEntries(keys.map((key) => [key, null]));
  try {
    const flags = parseFlags(argv, table);
    console.error(machineLine());
    const { right, result } = await program(flags);
    console.log(JSON.stringify({ ...nothing, ...result }));
    return right ? 0 : 1;
  } catch (thrown) {
    const error = asSluiceError(thrown);
    console.error(error.code === 'USAGE' ? `${error.message}\n${flagHelp(table)}` : `${error.code}: ${error.message}\n${error.stack ?? ''}`);
    console.log(JSON.stringify({ ...nothing, error: error.code }));
    return error.code === 'USAGE' ? 2 : 1;
  }
}
