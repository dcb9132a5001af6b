/**
 * The configuration of one process: defaults, then a JSON file, then the environment, then flags, each over the one
 * before. One TypeBox schema per process is the type, the check, the defaults and docs/CONFIG.md. Called by the CLI's
 * verbs; nothing else reads the environment.
 */
import { readFileSync } from 'node:fs';
import type { Static, TObject, TProperties } from 'typebox';
import { Errors } from 'typebox/schema';
import { SluiceError } from '../protocol/errors.ts';

export interface ConfigSources {
  /** JSON file with some of the keys. */
  readonly file?: string | undefined;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Keys as they are in the schema; text from a command line, or values. */
  readonly flags?: Readonly<Record<string, unknown>>;
}

/** One key for --explain-config. */
export interface ConfigRow {
  readonly key: string;
  readonly value: unknown;
  /** `default`, the file's path, the variable's name, or `--flag`. */
  readonly source: string;
  readonly sentence: string;
}

export interface Loaded<T> {
  readonly config: Readonly<T>;
  readonly rows: readonly ConfigRow[];
}

/** A key as docs/CONFIG.md shows it. */
export interface ConfigKey {
  readonly key: string;
  readonly type: string;
  readonly default: unknown;
  readonly variable: string;
  readonly sentence: string;
}

interface KeySchema {
  readonly type?: string;
  readonly default?: unknown;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly { const?: unknown }[];
  readonly items?: unknown;
}

/** SLUICE_MANAGER + dataDir = SLUICE_MANAGER_DATA_DIR. */
const variableOf = (prefix: string, key: string): string => `${prefix}_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
const flagOf = (key: string): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** The keys of a schema, in its order. Every key has a default and a sentence: a schema without is a programmer's mistake. */
export function configKeys(schema: TObject, prefix: string): ConfigKey[] {
  return Object.entries(schema.properties as Record<string, KeySchema>).map(([key, row]) => {
    if (row.default === undefined || !row.description) throw new TypeError(`config key ${key} needs a default and a description`);
    return { key, type: typeOf(row), default: row.default, variable: variableOf(prefix, key), sentence: row.description };
  });
}

/**
 * Loads and checks a configuration; the answer is frozen.
 * @param prefix  of the environment's names, as SLUICE_MANAGER
 * @throws CONFIG_INVALID with every fault in one sentence: unknown keys, wrong types, values out of range, a file that is no JSON object
 */
export function loadConfig<P extends TProperties>(schema: TObject<P>, prefix: string, sources: ConfigSources = {}): Loaded<Static<TObject<P>>> {
  const keys = configKeys(schema, prefix);
  const properties = schema.properties as unknown as Record<string, KeySchema>;
  const faults: string[] = [];
  const values: Record<string, unknown> = {};
  const cameFrom: Record<string, string> = {};
  const put = (key: string, value: unknown, source: string, text: boolean) => {
    values[key] = text && typeof value === 'string' ? parse(properties[key] as KeySchema, value) : value;
    cameFrom[key] = source;
  };
  for (const { key, default: value } of keys) put(key, structuredClone(value), 'default', false);
  if (sources.file !== undefined) {
    for (const [key, value] of Object.entries(readJson(sources.file, faults))) {
      if (key in properties) put(key, value, sources.file, false);
      else faults.push(`${key} (${sources.file}) is not a key`);
    }
  }
  for (const { key, variable } of keys) {
    const value = sources.environment?.[variable];
    if (value !== undefined) put(key, value, variable, true);
  }
  for (const [key, value] of Object.entries(sources.flags ?? {})) {
    if (value === undefined) continue;
    if (key in properties) put(key, value, flagOf(key), true);
    else faults.push(`${flagOf(key)} is not a key`);
  }
  for (const error of Errors(schema, values)[1]) {
    const key = error.instancePath.split('/')[1] ?? '';
    const fault = `${key} (${cameFrom[key] ?? '?'}) ${error.message}`;
    if (!faults.some((known) => known.startsWith(`${key} (`))) faults.push(fault);
  }
  if (faults.length > 0) throw new SluiceError('CONFIG_INVALID', { what: faults.join('; ') });
  return {
    config: freeze(values) as Static<TObject<P>>,
    rows: keys.map(({ key, sentence }) => ({ key, value: values[key], source: cameFrom[key] as string, sentence })),
  };
}

/** The text of --explain-config: a line per key. */
export function explainConfig(rows: readonly ConfigRow[]): string {
  const lines = rows.map((row) => [row.key, JSON.stringify(row.value), row.source, row.sentence]);
  const width = (column: number) => Math.max(...lines.map((line) => (line[column] as string).length));
  const widths = [width(0), width(1), width(2)];
  return lines.map((line) => line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')).join('\n');
}

function typeOf(row: KeySchema): string {
  if (row.anyOf) return row.anyOf.map((one) => JSON.stringify(one.const)).join(' or ');
  if (row.enum) return row.enum.map((one) => JSON.stringify(one)).join(' or ');
  return row.type ?? 'any';
}

/** Text of the environment or the command line as the key's type; what does not parse stays text and fails the check. */
function parse(row: KeySchema, text: string): unknown {
  if (row.type === 'integer' || row.type === 'number') return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);
  if (row.type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  if (row.type === 'array') return text === '' ? [] : text.split(',');
  return text;
}

function readJson(path: string, faults: string[]): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    faults.push(`${path} is not a JSON object`);
  } catch (thrown) {
    faults.push(`${path}: ${(thrown as Error).message}`);
  }
  return {};
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) freeze(inner);
  return Object.freeze(value);
}
