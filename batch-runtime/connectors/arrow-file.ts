/**
 * Where in an Arrow IPC file things lie: its fields, its record batches and the dictionaries that stand before each. The file format
 * says so in its foot; in the stream format the messages are walked from one to the next, bodies passed over. Both are checked before
 * they are believed. Reads bytes of bodies too, of the columns wanted alone; what they mean is arrow-values.ts. Called by arrow-source.ts.
 */
import type { FileHandle } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { SluiceError } from '#manager/protocol/errors.ts';
import { openRoot, type Table } from '../batch/flatbuffer.ts';
import { codecs, unpackBuffer } from './arrow-compression.ts';
import { type ArrowField, buffersOf, readFields } from './arrow-schema.ts';
import type { BodyReader } from './arrow-values.ts';
import { corrupt, openInput, readRange } from './parquet-file.ts';

/** A message of a file: where its metadata starts, behind mark and length, and its body. */
export interface ArrowMessage {
  readonly at: number;
  readonly metadataBytes: number;
  readonly bodyAt: number;
  readonly bodyBytes: number;
  readonly rows: number;
}
export interface ArrowDictionary extends ArrowMessage {
  readonly id: number;
  /** It adds to the one before it; else it takes its place. */
  readonly isDelta: boolean;
  /** Record batches that stand before it and do not mean it; 0 in the file format. */
  readonly after: number;
}

export interface ArrowFile {
  readonly path: string;
  readonly size: number;
  readonly modified: number;
  readonly fields: readonly ArrowField[];
  /** By the number of a dictionary, a field that is coded by it, as what the dictionary has: without it. */
  readonly coded: ReadonlyMap<number, ArrowField>;
  readonly batches: readonly ArrowMessage[];
  readonly dictionaries: readonly ArrowDictionary[];
}

const magic = 'ARROW1';
const schemaHeader = 1;
const dictionaryHeader = 2;
const recordHeader = 3;
/** MetadataVersion V4. */
const oldestVersion = 3;
/** Row numbers, and 4 bytes of each, stay within 32 bits. */
const maxRows = 2 ** 29 - 1;

/** Files that were looked through, so that the splits of one need not do it again. */
const known = new Map<string, ArrowFile>();
const knownLimit = 64;

/**
 * @returns looked through again only if the file's size or time has changed
 * @throws FILE_MISSING, FILE_CORRUPT
 */
export async function openArrow(path: string, handle?: FileHandle): Promise<ArrowFile> {
  const file = handle ?? (await openInput(path));
  try {
    const { size, mtimeMs } = await file.stat();
    const before = known.get(path);
    if (before?.size === size && before.modified === mtimeMs) return before;
    const found = await understood(path, () => look(file, path, size, mtimeMs));
    if (known.size >= knownLimit) known.delete(known.keys().next().value!);
    known.set(path, found);
    return found;
  } finally {
    if (handle === undefined) await file.close();
  }
}

/** Runs `work`; what is thrown for what a file holds is FILE_CORRUPT of that file. */
export async function understood<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof SluiceError || !(thrown instanceof Error)) throw thrown;
    throw corrupt(path, thrown instanceof RangeError ? `its metadata points outside of it (${thrown.message})` : thrown.message, thrown);
  }
}

async function look(file: FileHandle, path: string, size: number, modified: number): Promise<ArrowFile> {
  const start = await readRange(file, path, 0, Math.min(8, size));
  const isFile = Buffer.from(start.subarray(0, magic.length)).toString('latin1') === magic;
  if (!isFile && !(start.length === 8 && new DataView(start.buffer).getUint32(0, true) === 0xffff_ffff))
    throw new Error('it begins neither as an Arrow file nor as an Arrow stream does');
  const found = isFile ? await footOf(file, path, size) : await streamOf(file, path, size);
  return { path, size, modified, coded: codedFields(found.fields), ...found };
}

type Found = Pick<ArrowFile, 'fields' | 'batches' | 'dictionaries'>;

async function footOf(file: FileHandle, path: string, size: number): Promise<Found> {
  const tail = await readRange(file, path, Math.max(0, size - 10), Math.min(10, size));
  if (size < 18 || Buffer.from(tail.subarray(4)).toString('latin1') !== magic)
    throw new Error('it begins as an Arrow file and does not end as one: it is cut off, or still being written');
  const length = new DataView(tail.buffer).getInt32(0, true);
  if (!(length > 0 && length <= size - 18)) throw new Error(`its foot says to be ${length} bytes long in a file of ${size}`);
  const foot = openRoot(await readRange(file, path, size - 10 - length, length));
  checkVersion(foot.short(0));
  const fields = readFields(foot.table(1));
  const batches: ArrowMessage[] = [];
  const dictionaries: ArrowDictionary[] = [];
  for (const at of blocksOf(foot, 2)) {
    const message = await readMessage(file, path, at, size);
    if (message === null || message.header !== dictionaryHeader) throw new Error(`no dictionary at byte ${at}, where its foot says one is`);
    dictionaries.push(dictionaryOf(message, 0));
  }
  for (const [i, { id, isDelta }] of dictionaries.entries())
    if (!isDelta && dictionaries.findIndex((other) => other.id === id) < i) throw new Error(`two dictionaries have the number ${id}`);
  for (const at of blocksOf(foot, 3)) {
    const message = await readMessage(file, path, at, size);
    if (message === null || message.header !== recordHeader) throw new Error(`no record batch at byte ${at}, where its foot says one is`);
    batches.push(placed(message, message.table));
  }
  return { fields, batches, dictionaries };
}

/** Where the messages start that a list of the foot names. */
function blocksOf(foot: Table, slot: number): number[] {
  const blocks = foot.structs(slot, 24);
  return Array.from({ length: blocks.length }, (_, i) => blocks.long(i, 0));
}

async function streamOf(file: FileHandle, path: string, size: number): Promise<Found> {
  const first = await readMessage(file, path, 0, size);
  if (first?.header !== schemaHeader) throw new Error('its first message is no schema');
  const fields = readFields(first.table);
  const batches: ArrowMessage[] = [];
  const dictionaries: ArrowDictionary[] = [];
  for (let at = first.bodyAt + first.bodyBytes; at < size; ) {
    const message = await readMessage(file, path, at, size);
    if (message === null) break;
    if (message.header === dictionaryHeader) dictionaries.push(dictionaryOf(message, batches.length));
    else if (message.header === recordHeader) batches.push(placed(message, message.table));
    else throw new Error(`a message of kind ${message.header} at byte ${at}`);
    at = message.bodyAt + message.bodyBytes;
  }
  return { fields, batches, dictionaries };
}

interface Message extends Omit<ArrowMessage, 'rows'> {
  readonly header: number;
  readonly table: Table;
}

const dictionaryOf = (message: Message, after: number): ArrowDictionary => ({
  ...placed(message, message.table.table(1)),
  id: message.table.long(0),
  isDelta: message.table.bool(2),
  after,
});

function placed({ at, metadataBytes, bodyAt, bodyBytes }: Message, record: Table): ArrowMessage {
  const rows = record.long(0);
  if (rows > maxRows) throw new Error(`a record batch of ${rows} rows: write at most ${maxRows} into one`);
  return { at, metadataBytes, bodyAt, bodyBytes, rows };
}

function checkVersion(version: number): void {
  if (version < oldestVersion) throw new Error('it was written before Arrow 0.8: read it with the program that wrote it and write it again');
}

/** Read at once; metadata of more columns takes a second time. */
const metadataGuess = 8192;

/** The message at a byte; null at the mark of the end. */
async function readMessage(file: FileHandle, path: string, at: number, size: number): Promise<Message | null> {
  if (at + 8 > size) throw new Error(`it ends in the middle of a message, at byte ${size}`);
  const guess = await readRange(file, path, at, Math.min(metadataGuess, size - at));
  const view = new DataView(guess.buffer);
  const length = view.getUint32(4, true);
  if (view.getUint32(0, true) !== 0xffff_ffff) throw new Error(`no message at byte ${at}`);
  if (length === 0) return null;
  if (length > size - at - 8) throw new Error(`a message at byte ${at} of ${length} bytes, ${size - at - 8} are left: it is cut off`);
  const metadata = length + 8 <= guess.length ? guess.subarray(8, 8 + length) : await readRange(file, path, at + 8, length);
  const root = openRoot(metadata);
  checkVersion(root.short(0));
  const bodyAt = at + 8 + length;
  const bodyBytes = root.long(3);
  if (bodyBytes > size - bodyAt)
    throw new Error(`a message at byte ${at} has a body of ${bodyBytes} bytes, ${size - bodyAt} are left: it is cut off`);
  return { header: root.byte(1), table: root.table(2), at, metadataBytes: length, bodyAt, bodyBytes };
}

/** A record batch that is read column by column. */
export interface RecordReader {
  readonly rows: number;
  /** The bytes of one column of it, read and, as they are asked for, unpacked. */
  column(index: number): Promise<BodyReader>;
}

/** @param fields  those of the record batch: of a dictionary, its values alone */
export async function openRecord(
  file: FileHandle,
  path: string,
  message: ArrowMessage,
  fields: readonly ArrowField[],
  isDictionary = false,
): Promise<RecordReader> {
  const root = openRoot(await readRange(file, path, message.at + 8, message.metadataBytes));
  const record = isDictionary ? root.table(2).table(1) : root.table(2);
  const nodes = record.structs(1, 16);
  const buffers = record.structs(2, 16);
  const viewed = record.structs(4, 8);
  const codec = record.has(3) ? codecs[record.table(3).byte(0)] : null;
  if (codec === undefined) throw new Error('it is compressed in a way that is newer than this program');
  const starts: Cursor[] = [];
  const cursor: Cursor = { node: 0, buffer: 0, viewed: 0 };
  for (const field of fields) {
    starts.push({ ...cursor });
    pass(field, cursor, (i) => viewed.long(i, 0));
  }
  if (cursor.node !== nodes.length || cursor.buffer !== buffers.length)
    throw new Error(`a record batch has ${nodes.length} columns in ${buffers.length} buffers, by the schema ${cursor.node} in ${cursor.buffer}`);
  starts.push(cursor);
  return {
    rows: message.rows,
    async column(index) {
      const from = starts[index]!;
      const to = starts[index + 1]!;
      // What one column has lies together.
      let least = Number.POSITIVE_INFINITY;
      let most = 0;
      for (let b = from.buffer; b < to.buffer; b++) {
        const at = buffers.long(b, 0);
        const bytes = buffers.long(b, 8);
        if (at > message.bodyBytes || bytes > message.bodyBytes - at) throw new Error(`buffer ${b} reaches outside of its record batch`);
        if (bytes === 0) continue;
        least = Math.min(least, at);
        most = Math.max(most, at + bytes);
      }
      const base = most === 0 ? 0 : least;
      const bytes = most === 0 ? new Uint8Array(0) : await readRange(file, path, message.bodyAt + base, most - base);
      const at = { ...from };
      return {
        node() {
          const i = at.node++;
          const rows = nodes.long(i, 0);
          if (rows > maxRows) throw new Error(`a column of ${rows} values in one record batch`);
          return { rows, nulls: nodes.long(i, 8) };
        },
        buffer() {
          const b = at.buffer++;
          const length = buffers.long(b, 8);
          if (length === 0) return new Uint8Array(0);
          const start = buffers.long(b, 0) - base;
          const raw = bytes.subarray(start, start + length);
          return aligned(codec === null ? raw : unpackBuffer(codec, raw));
        },
        skip(count) {
          at.buffer += count;
        },
        viewed: () => viewed.long(at.viewed++, 0),
      };
    },
  };
}

/** Typed arrays of any width start on 8 bytes. */
const aligned = (bytes: Uint8Array): Uint8Array => ((bytes.byteOffset & 7) === 0 ? bytes : bytes.slice());

interface Cursor {
  node: number;
  buffer: number;
  viewed: number;
}

/** Goes behind the nodes and buffers of a field. */
function pass(field: ArrowField, cursor: Cursor, viewedAt: (i: number) => number): void {
  const { type } = field;
  cursor.node++;
  if (field.dictionary !== null) {
    cursor.buffer += 2;
    return;
  }
  cursor.buffer += buffersOf(type, () => viewedAt(cursor.viewed++));
  for (const child of field.children) pass(child, cursor, viewedAt);
}

/** The fields of a file by the number of the dictionary they are coded by, children too; without that dictionary. @throws Error */
function codedFields(fields: readonly ArrowField[]): ReadonlyMap<number, ArrowField> {
  const found = new Map<number, ArrowField>();
  const walk = (field: ArrowField): void => {
    if (field.dictionary !== null) {
      const { id } = field.dictionary;
      const { type, children } = found.get(id) ?? field;
      if (!isDeepStrictEqual([type, children], [field.type, field.children])) throw new Error(`dictionary ${id} is of two types`);
      found.set(id, { ...field, dictionary: null });
    }
    field.children.forEach(walk);
  };
  fields.forEach(walk);
  return found;
}
