/**
 * What columns a file has, for people who have not declared them yet: read from Parquet and Arrow files, guessed from the values
 * of CSV and NDJSON by the very parsers that will read them. A guess is a guess, so it says how many rows it has seen; jobs
 * never use it. Called by `sluice peek` and `sluice types`.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { type ColumnType, columnTypeText, type Field, type Schema } from '../batch/batch.ts';
import { bitAt } from '../batch/bitmap.ts';
import { textAt } from '../batch/rows.ts';
import type { SourceSpec } from '../graph/plan.ts';
import { openArrow } from './arrow-file.ts';
import { declaredType, foundText } from './arrow-schema.ts';
import { arrowEndings } from './arrow-source.ts';
import { BadLines } from './bad-lines.ts';
import { csvColumns, csvSource } from './csv-source.ts';
import { type FieldParser, fieldParser } from './csv-values.ts';
import { openBytes, packingOf, unpackedName } from './input-bytes.ts';
import { findFiles, type InputFile } from './input-files.ts';
import { jsonEndings } from './json-source.ts';
import { columnOf, declaredOf, openInput, readFooter } from './parquet-file.ts';
import type { ParquetShape } from './parquet-shape.ts';

export interface InspectedColumn extends Field {
  /** What a reader of the report should know: how it was guessed, why it cannot be read. */
  readonly note: string;
  readonly readable: boolean;
}

export interface Inspected {
  readonly path: string;
  readonly source: SourceSpec;
  readonly columns: readonly InspectedColumn[];
  /** Rows the types were guessed from; null: the file says them. */
  readonly guessedFrom: number | null;
  /** Records among them that could not be read. */
  readonly bad: BadLines;
}

const guessRows = 100_000;
const guessBytes = 16 * 1024 * 1024;

/** @throws FILE_MISSING, FILE_CORRUPT, CSV_INVALID, PLAN_UNSUPPORTED when nobody reads such files */
export async function inspectFile(path: string): Promise<Inspected> {
  const [file] = await findFiles(path, '.parquet', '.csv', ...jsonEndings, ...arrowEndings);
  if (file === undefined) throw new SluiceError('FILE_MISSING', { path });
  const name = unpackedName(file.path);
  if (name.endsWith('.parquet')) return inspectParquet(file);
  if (name.endsWith('.csv')) return inspectCsv(file);
  if (jsonEndings.some((ending) => name.endsWith(ending))) return inspectJson(file);
  if (arrowEndings.some((ending) => name.endsWith(ending))) return inspectArrow(file);
  throw new SluiceError('PLAN_UNSUPPORTED', {
    what: `${path}: its name says none of the formats that are read: .parquet, .csv, ${[...jsonEndings, ...arrowEndings].join(', ')}`,
  });
}

/** Undefined: it cannot be read. */
function parquetType(name: string, shape: ParquetShape): ColumnType | undefined {
  if (shape.kind === 'leaf') return declaredOf(columnOf(name, shape)) ?? undefined;
  if (shape.kind === 'list') {
    const item = parquetType(name, shape.item);
    return item && { kind: 'list', item: { type: item, nullable: shape.item.nullable } };
  }
  const fields = [...shape.fields].map(([field, of]) => ({ name: field, type: parquetType(field, of), nullable: of.nullable }));
  return fields.every((each): each is Field => each.type !== undefined) ? { kind: 'struct', fields } : undefined;
}

async function inspectParquet({ path }: InputFile): Promise<Inspected> {
  const { columns } = await readFooter(path);
  const inspected = [...columns.values()].map((column): InspectedColumn => {
    const { name, found, optional, shape } = column;
    const type = parquetType(name, shape) ?? null;
    return {
      name,
      type: type ?? { kind: 'utf8' },
      nullable: optional,
      note: type === null ? `${found}: cannot be read` : columnTypeText(type) === found ? '' : found,
      readable: type !== null,
    };
  });
  return { path, source: { connector: 'parquet', path }, columns: inspected, guessedFrom: null, bad: new BadLines() };
}

async function inspectArrow({ path }: InputFile): Promise<Inspected> {
  const { fields } = await openArrow(path);
  const columns = fields.map((field): InspectedColumn => {
    const type = declaredType(field);
    const found = foundText(field);
    return {
      name: field.name,
      type: type ?? { kind: 'utf8' },
      nullable: field.nullable,
      note: type === null ? `${found}: cannot be read` : columnTypeText(type) === found ? '' : found,
      readable: type !== null,
    };
  });
  return { path, source: { connector: 'arrow', path }, columns, guessedFrom: null, bad: new BadLines() };
}

async function inspectCsv(file: InputFile): Promise<Inspected> {
  const { path } = file;
  const source = { connector: 'csv', path, rejects: null };
  const schema: Schema = (await csvColumns(file)).map((name) => ({ name, type: { kind: 'utf8' }, nullable: true }));
  const guesses = schema.map(() => new Guess());
  const bad = new BadLines();
  const request = { source, schema, predicate: null, rejects: bad };
  let rows = 0;
  scan: for (const split of await csvSource.plan(request)) {
    for await (const batch of csvSource.read(request, split, { job: 'inspect', task: 0, attempt: 0 })) {
      for (let i = 0; i < batch.length; i++, rows++) {
        if (rows === guessRows) break scan;
        batch.columns.forEach((column, c) => {
          guesses[c]!.add(column.validity !== null && bitAt(column.validity, i) === 0 ? null : textAt(column, i));
        });
      }
    }
  }
  return { path, source, columns: schema.map(({ name }, c) => guesses[c]!.column(name)), guessedFrom: rows, bad };
}

async function inspectJson(file: InputFile): Promise<Inspected> {
  const { path } = file;
  const guesses = new Map<string, Guess>();
  const bad = new BadLines();
  let rows = 0;
  for (const [at, line] of (await firstLines(file)).entries()) {
    if (line.trim() === '') continue;
    const record = objectOf(line);
    if (typeof record === 'string') {
      await bad.add(path, at + 1, 1, record);
      continue;
    }
    for (const [name, value] of Object.entries(record)) {
      const guess = guesses.get(name) ?? new Guess(rows);
      guesses.set(name, guess);
      guess.addJson(value);
    }
    rows++;
    for (const guess of guesses.values()) guess.upTo(rows);
  }
  return {
    path,
    source: { connector: 'json', path, rejects: null },
    columns: [...guesses].map(([name, guess]) => guess.column(name)),
    guessedFrom: rows,
    bad,
  };
}

/** The record on a line, or what is wrong with it. */
function objectOf(line: string): object | string {
  try {
    const record: unknown = JSON.parse(line);
    const isObject = typeof record === 'object' && record !== null && !Array.isArray(record);
    return isObject ? record : 'a record is an object: it begins with {';
  } catch (thrown) {
    return (thrown as Error).message;
  }
}

async function firstLines(file: InputFile): Promise<string[]> {
  const handle = await openInput(file.path);
  const packing = await packingOf(file.path, handle).finally(() => handle.close());
  const input = await openBytes({ file, from: 0, to: packing === null ? file.size : null, packing });
  try {
    const bytes = new Uint8Array(packing === null ? Math.min(guessBytes, file.size + 1) : guessBytes);
    const got = await input.read(bytes, 0, bytes.length);
    const lines = Buffer.from(bytes.buffer, 0, got).toString().split('\n');
    // The last one may be cut where we stopped.
    return lines.slice(0, Math.min(guessRows, got === bytes.length ? lines.length - 1 : lines.length));
  } finally {
    await input.close();
  }
}

/** From the narrowest; the first that takes every value. */
const candidates: readonly ColumnType['kind'][] = ['bool', 'int32', 'integer', 'int64', 'float64', 'date', 'timestamp'];
const encoder = new TextEncoder();
/** Fields that a struct may have. */
const fieldsMost = 100;

/** The type of a column from its values, one after the other. */
class Guess {
  #parsers: readonly { readonly kind: ColumnType['kind']; readonly parser: FieldParser }[] = candidates.map((kind) => ({
    kind,
    parser: fieldParser({ kind } as ColumnType, 1),
  }));
  #values = 0;
  #nulls: number;
  #lists = 0;
  #structs = 0;
  /** Of all values of all arrays. */
  #items: Guess | null = null;
  readonly #fields = new Map<string, Guess>();
  #zeros = false;

  /** @param missed  rows before the first that has it */
  constructor(missed = 0) {
    this.#nulls = missed;
  }

  /** @param isText  it stood in quotes in JSON, so it is no number */
  add(text: string | null, isText = false): void {
    if (text === null) {
      this.#nulls++;
      return;
    }
    this.#values++;
    const bytes = encoder.encode(text);
    // A number that begins with 0, as a postcode does, would lose it.
    const padded = /^-?0\d/.test(text);
    this.#zeros ||= padded;
    this.#parsers = this.#parsers.filter(({ kind, parser }) => {
      const isTime = kind === 'date' || kind === 'timestamp';
      if (!isTime && (padded || isText)) return false;
      if (parser.append(bytes, 0, bytes.length) !== null) return false;
      parser.truncate(0);
      return true;
    });
  }

  /** A value as JSON has it. */
  addJson(value: unknown): void {
    if (typeof value !== 'object' || value === null) {
      this.add(value === null ? null : String(value), typeof value === 'string');
      return;
    }
    this.#parsers = [];
    const before = this.#values++;
    if (Array.isArray(value)) {
      this.#lists++;
      this.#items ??= new Guess();
      for (const item of value) this.#items.addJson(item);
      return;
    }
    this.#structs++;
    for (const [name, field] of Object.entries(value)) {
      const guess = this.#fields.get(name) ?? new Guess(before);
      // An object with no end of keys is a map, not a struct.
      if (this.#fields.size >= fieldsMost && !this.#fields.has(name)) continue;
      this.#fields.set(name, guess);
      guess.addJson(field);
    }
    for (const guess of this.#fields.values()) guess.upTo(this.#structs);
  }

  /** A list where all values are arrays, a struct where all are objects; null: neither, or nothing is known of what is in it. */
  #nestedType(): ColumnType | null {
    if (this.#values === 0) return null;
    if (this.#lists === this.#values && this.#items!.#values > 0) {
      const { type, nullable } = this.#items!.column('');
      return { kind: 'list', item: { type, nullable } };
    }
    if (this.#structs !== this.#values || this.#fields.size === 0 || this.#fields.size >= fieldsMost) return null;
    const fields = [...this.#fields].map(([name, guess]) => guess.column(name)).map(({ name, type, nullable }) => ({ name, type, nullable }));
    return { kind: 'struct', fields };
  }

  /** Of so many records; one that had no such key counts as null. */
  upTo(records: number): void {
    if (this.#values + this.#nulls < records) this.#nulls = records - this.#values;
  }

  column(name: string): InspectedColumn {
    const nested = this.#nestedType();
    const kind = this.#values === 0 ? 'utf8' : (this.#parsers[0]?.kind ?? 'utf8');
    const why = nested
      ? ''
      : this.#lists + this.#structs > 0
        ? 'nested, as its JSON'
        : this.#values === 0
          ? 'no value seen'
          : kind === 'utf8' && this.#zeros
            ? 'numbers that begin with 0'
            : '';
    const nulls = this.#nulls === 0 ? '' : `${this.#nulls} nulls seen`;
    return {
      name,
      type: nested ?? ({ kind } as ColumnType),
      nullable: this.#nulls > 0,
      note: [nulls, why].filter(Boolean).join('; '),
      readable: true,
    };
  }
}
