/**
 * The twelve messages of a data connection: one table says their fields, from which the types, the encoder and the
 * decoder follow. FrameParser takes the bytes of a connection in any cut; bodies with blocks go straight to a place the
 * sink names, once. It knows nothing of sockets, grants or what a stream may do.
 *
 *   off size field
 *     0  u32 bodyLength, a multiple of 8, checked before anything is allocated
 *     4  u8  type
 *     5  u8  flags, 0
 *     6  u16 0
 *     8  u32 stream, chosen by the client; 0 = the connection
 *    12  u32 check: low half of xxh64 over this header (check = 0) and the body; for BLOCKS over the header only
 *    16  body
 */
import { codeOfWire, type ErrorCode, errors, type Facts, SluiceError } from '#manager/protocol/errors.ts';
import { KiB, MiB, maxBlockBytes } from '#manager/protocol/ids.ts';
import { xxh64Words } from './xxh64.ts';

export const frameHeaderBytes = 16;
/** A BLOCKS body: the largest block, and room to send small ones behind it. */
export const maxBlocksBytes = maxBlockBytes + 64 * KiB;
/** Every other body. */
export const maxControlBytes = 4 * MiB;

/** flags of OPEN_READ. follow: stay after the last block · uncommitted: also what nobody has committed · ordered: map by map. */
export const readFlags = { follow: 1, uncommitted: 2, ordered: 4 } as const;
export const closeReasons = { done: 0, abort: 1 } as const;

/**
 * One row a message: its number and its fields in their order. `of:x` is the length in bytes (or the count, of u32s) of
 * the field x further on; `zero` is four bytes that must be 0. A body is filled up to 8 with zeros.
 */
const messages = {
  openWrite: {
    type: 1,
    fields: {
      shuffle: 'u64',
      map: 'u32',
      attempt: 'u32',
      section: 'u32',
      location: 'u32',
      partitionFrom: 'u32',
      partitionTo: 'u32',
      level: 'u32',
      _: 'zero',
    },
  },
  openRead: {
    type: 2,
    fields: {
      shuffle: 'u64',
      location: 'u32',
      partitionFrom: 'u32',
      partitionTo: 'u32',
      mapFrom: 'u32',
      mapTo: 'u32',
      sectionFrom: 'u32',
      ledgerVersion: 'u32',
      flags: 'u32',
      grantBytes: 'u32',
      'of:skip': 'length',
      cursor: 'u64',
      skip: 'bytes',
    },
  },
  opened: { type: 3, fields: { accepted: 'u32', grantBytes: 'u32', ledgerVersion: 'u32', _: 'zero', backlogBytes: 'u64' } },
  ack: { type: 5, fields: { accepted: 'u32', level: 'u32', grantBytes: 'u32', final: 'u32' } },
  credit: { type: 6, fields: { grantBytes: 'u32', wantedBytes: 'u32' } },
  end: { type: 7, fields: { section: 'u32', more: 'u32', cursor: 'u64', 'of:counts': 'length', _: 'zero', counts: 'bytes' } },
  close: { type: 8, fields: { reason: 'u32', _: 'zero' } },
  error: { type: 9, fields: { code: 'u32', retryAfterMs: 'u32', 'of:maps': 'length', 'of:text': 'length', maps: 'u32s', text: 'utf8' } },
  ping: { type: 10, fields: { nonce: 'u64' } },
  pong: { type: 11, fields: { nonce: 'u64' } },
  goaway: { type: 12, fields: { deadlineMs: 'u32', _: 'zero' } },
} as const;
const blocksType = 4;

interface Kinds {
  u32: number;
  u64: bigint;
  bytes: Uint8Array;
  u32s: readonly number[];
  utf8: string;
}
type Fields<F> = { readonly [K in keyof F as F[K] extends keyof Kinds ? K : never]: F[K] extends keyof Kinds ? Kinds[F[K]] : never };
export type MessageName = keyof typeof messages;
/** A control message as a value: `{ type, stream, ...fields }`. */
export type Message = {
  [N in MessageName]: { readonly type: N; readonly stream: number } & Fields<(typeof messages)[N]['fields']>;
}[MessageName];
export type MessageOf<N extends MessageName> = Extract<Message, { type: N }>;

interface Row {
  readonly name: MessageName;
  readonly type: number;
  readonly fields: readonly (readonly [name: string, kind: keyof Kinds | 'zero' | 'length'])[];
  /** Bytes of the fields whose width does not vary. */
  readonly fixedBytes: number;
  readonly varies: boolean;
}
const widths: Record<string, number> = { u32: 4, u64: 8, zero: 4, length: 4, bytes: 0, u32s: 0, utf8: 0 };
const rows: readonly Row[] = Object.entries(messages).map(([name, row]) => {
  const fields = Object.entries(row.fields) as [string, keyof Kinds | 'zero' | 'length'][];
  let fixedBytes = 0;
  for (const [, kind] of fields) fixedBytes += widths[kind]!;
  return { name: name as MessageName, type: row.type, fields, fixedBytes, varies: fields.some(([, kind]) => widths[kind] === 0) };
});
const rowByName = new Map(rows.map((row) => [row.name, row]));
const rowByType = new Map(rows.map((row) => [row.type, row]));

const corrupt = (what: string): SluiceError => new SluiceError('CORRUPT_FRAME', { what });
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A frame as new bytes, header and body. Cost: O(fields); for control messages, not for blocks. */
export function encodeMessage(message: Message): Uint8Array {
  const row = rowByName.get(message.type)!;
  const values = message as unknown as Readonly<Record<string, unknown>>;
  const tails = new Map<string, Uint8Array>();
  let length = row.fixedBytes;
  for (const [name, kind] of row.fields) {
    if (widths[kind] !== 0) continue;
    const tail = tailBytes(kind, values[name]);
    tails.set(name, tail);
    length += tail.length;
  }
  length = (length + 7) & ~7;
  if (length > maxControlBytes) throw new RangeError(`a ${message.type} message of ${length} bytes is too long`);
  const frame = new Uint8Array(frameHeaderBytes + length);
  const view = new DataView(frame.buffer);
  let at = frameHeaderBytes;
  for (const [name, kind] of row.fields) {
    if (kind === 'u32') view.setUint32(at, values[name] as number, true);
    else if (kind === 'u64') view.setBigUint64(at, values[name] as bigint, true);
    else if (kind === 'length') {
      const of = name.slice(3);
      view.setUint32(at, lengthOf(values[of], tails.get(of)!), true);
    } else if (kind !== 'zero') {
      const tail = tails.get(name)!;
      frame.set(tail, at);
      at += tail.length;
    }
    at += widths[kind]!;
  }
  writeFrameHeader(frame, length, row.type, message.stream, frame.length);
  return frame;
}

const tailBytes = (kind: string, value: unknown): Uint8Array => {
  if (kind === 'bytes') return value as Uint8Array;
  if (kind === 'utf8') return encoder.encode(value as string);
  const numbers = value as readonly number[];
  const bytes = new Uint8Array(numbers.length * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < numbers.length; i++) view.setUint32(i * 4, numbers[i]!, true);
  return bytes;
};
const lengthOf = (value: unknown, tail: Uint8Array): number => (Array.isArray(value) ? value.length : tail.length);

/** Writes a header at into[0..16); `checked` is how many bytes from 0 the check covers. */
function writeFrameHeader(into: Uint8Array, bodyLength: number, type: number, stream: number, checked: number): void {
  const view = new DataView(into.buffer, into.byteOffset, frameHeaderBytes);
  view.setUint32(0, bodyLength, true);
  view.setUint32(4, type, true);
  view.setUint32(8, stream, true);
  view.setUint32(12, 0, true);
  const words = new Uint32Array(2);
  xxh64Words(into, 0, checked, words);
  view.setUint32(12, words[0]!, true);
}

/** The 16 bytes that go before `bodyLength` bytes of whole blocks. */
export function blocksFrameHeader(stream: number, bodyLength: number): Uint8Array {
  if (bodyLength % 8 !== 0 || bodyLength > maxBlocksBytes) throw new RangeError(`a BLOCKS body cannot have ${bodyLength} bytes`);
  const header = new Uint8Array(frameHeaderBytes);
  writeFrameHeader(header, bodyLength, blocksType, stream, frameHeaderBytes);
  return header;
}

function decodeBody(row: Row, stream: number, body: Uint8Array): Message {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const values: Record<string, unknown> = { type: row.name, stream };
  const lengths = new Map<string, number>();
  const need = (bytes: number): void => {
    if (bytes > body.length - at) throw corrupt(`${row.name} is cut off`);
  };
  let at = 0;
  for (const [name, kind] of row.fields) {
    need(widths[kind]!);
    if (kind === 'u32') values[name] = view.getUint32(at, true);
    else if (kind === 'u64') values[name] = view.getBigUint64(at, true);
    else if (kind === 'length') lengths.set(name.slice(3), view.getUint32(at, true));
    else if (kind === 'zero') {
      if (view.getUint32(at, true) !== 0) throw corrupt(`${row.name} has bits set that must be 0`);
    } else {
      const length = lengths.get(name)! * (kind === 'u32s' ? 4 : 1);
      need(length);
      values[name] = tailValue(kind, body, view, at, length);
      at += length;
    }
    at += widths[kind]!;
  }
  if (((at + 7) & ~7) !== body.length) throw corrupt(`${row.name} has ${body.length} bytes, ${at} expected`);
  for (; at < body.length; at++) if (body[at] !== 0) throw corrupt(`${row.name} is not filled up with zeros`);
  return values as unknown as Message;
}

function tailValue(kind: string, body: Uint8Array, view: DataView, at: number, length: number): unknown {
  if (kind === 'bytes') return body.slice(at, at + length);
  if (kind === 'utf8') return decoder.decode(body.subarray(at, at + length));
  const numbers: number[] = [];
  for (let i = at; i < at + length; i += 4) numbers.push(view.getUint32(i, true));
  return numbers;
}

/** Who takes what the parser finds. What it throws leaves `push`; the connection is then done for. */
export interface FrameSink {
  message(message: Message): void;
  /**
   * A body of `bodyLength` bytes (a multiple of 8, at most maxBlocksBytes) comes for `stream`: answers exactly as many
   * bytes to put it in, or null to let it pass by unread (a stream that has ended here). Called before anything of the body.
   */
  beginBlocks(stream: number, bodyLength: number): Uint8Array | null;
  /** The target is full: whole blocks, not verified. Not called for null. */
  endBlocks(stream: number, target: Uint8Array): void;
}

/**
 * Turns the bytes of one connection into messages and blocks. Memory: 16 bytes, and while a control frame is being
 * received a buffer that grows with what has arrived, not with what the header claims.
 */
export class FrameParser {
  readonly #header = new Uint8Array(frameHeaderBytes);
  readonly #view = new DataView(this.#header.buffer);
  #headerFilled = 0;
  #row: Row | null = null;
  #stream = 0;
  #bodyLength = 0;
  #filled = 0;
  /** A control frame as far as it has come, its header included. */
  #control = new Uint8Array(256);
  #target: Uint8Array | null = null;

  /** True between frames: a connection may end here. */
  get idle(): boolean {
    return this.#headerFilled === 0;
  }

  /** True while the body of a control frame is waited for. Its header is not checked before all of it is there, so it may never end. */
  get inControl(): boolean {
    return this.#headerFilled === frameHeaderBytes && this.#row !== null;
  }

  /** The rest of the place of the BLOCKS body that is coming: bytes that are there already when they are pushed are not copied. */
  get place(): Uint8Array | null {
    return this.#headerFilled === frameHeaderBytes && this.#target ? this.#target.subarray(this.#filled) : null;
  }

  /** @throws CORRUPT_FRAME, and what the sink throws. `bytes` may be reused after the call. */
  push(bytes: Uint8Array, sink: FrameSink): void {
    let at = 0;
    for (;;) {
      if (this.#headerFilled < frameHeaderBytes) {
        if (at === bytes.length) return;
        const take = Math.min(frameHeaderBytes - this.#headerFilled, bytes.length - at);
        for (let i = 0; i < take; i++) this.#header[this.#headerFilled + i] = bytes[at + i]!;
        this.#headerFilled += take;
        at += take;
        if (this.#headerFilled < frameHeaderBytes) return;
        this.#begin(sink);
      }
      const take = Math.min(this.#bodyLength - this.#filled, bytes.length - at);
      if (take > 0) {
        if (this.#row) this.#keep(bytes, at, take);
        else if (this.#target) put(this.#target, this.#filled, bytes, at, take);
        this.#filled += take;
        at += take;
      }
      if (this.#filled < this.#bodyLength) return;
      this.#finish(sink);
    }
  }

  #begin(sink: FrameSink): void {
    const bodyLength = this.#view.getUint32(0, true);
    const type = this.#header[4]!;
    this.#stream = this.#view.getUint32(8, true);
    this.#bodyLength = bodyLength;
    this.#filled = 0;
    this.#target = null;
    this.#row = rowByType.get(type) ?? null;
    if (bodyLength % 8 !== 0) throw corrupt(`a body of ${bodyLength} bytes`);
    if (this.#header[5] !== 0 || this.#view.getUint16(6, true) !== 0) throw corrupt('bits set that must be 0');
    if (type === blocksType) {
      if (bodyLength > maxBlocksBytes) throw corrupt(`a BLOCKS body of ${bodyLength} bytes`);
      checkHash(this.#header, frameHeaderBytes);
      this.#target = sink.beginBlocks(this.#stream, bodyLength);
      if (this.#target && this.#target.length !== bodyLength) throw new RangeError('the target has another length than the body');
      return;
    }
    const row = this.#row;
    if (!row) throw corrupt(`there is no message ${type}`);
    const fixed = (row.fixedBytes + 7) & ~7;
    if (row.varies ? bodyLength < fixed || bodyLength > maxControlBytes : bodyLength !== fixed) {
      throw corrupt(`a ${row.name} body of ${bodyLength} bytes`);
    }
    this.#control.set(this.#header);
  }

  #keep(bytes: Uint8Array, at: number, take: number): void {
    const from = frameHeaderBytes + this.#filled;
    if (from + take > this.#control.length) {
      const larger = new Uint8Array(Math.max(from + take, Math.min(this.#control.length * 2, frameHeaderBytes + this.#bodyLength)));
      larger.set(this.#control.subarray(0, from));
      this.#control = larger;
    }
    this.#control.set(bytes.subarray(at, at + take), from);
  }

  #finish(sink: FrameSink): void {
    this.#headerFilled = 0;
    const row = this.#row;
    if (!row) {
      const target = this.#target;
      this.#target = null;
      if (target) sink.endBlocks(this.#stream, target);
      return;
    }
    const length = frameHeaderBytes + this.#bodyLength;
    checkHash(this.#control, length);
    const message = decodeBody(row, this.#stream, this.#control.subarray(frameHeaderBytes, length));
    if (this.#control.length > 64 * KiB) this.#control = new Uint8Array(256);
    sink.message(message);
  }
}

function put(target: Uint8Array, to: number, bytes: Uint8Array, at: number, length: number): void {
  const isThere = bytes.buffer === target.buffer && bytes.byteOffset + at === target.byteOffset + to;
  if (!isThere) target.set(bytes.subarray(at, at + length), to);
}

/** Compares the check word of the frame at bytes[0..length); leaves it 0. */
function checkHash(bytes: Uint8Array, length: number): void {
  const stated = (bytes[12]! | (bytes[13]! << 8) | (bytes[14]! << 16) | (bytes[15]! << 24)) >>> 0;
  bytes.fill(0, 12, 16);
  const words = new Uint32Array(2);
  xxh64Words(bytes, 0, length, words);
  if (words[0] !== stated) throw corrupt('the check word differs');
}

/** An error as a message: its code by number, facts.maps, and facts.what (or its sentence) as the text. */
export function errorMessage(stream: number, error: SluiceError, retryAfterMs = 0): MessageOf<'error'> {
  const { maps, what } = error.facts;
  return {
    type: 'error',
    stream,
    code: errors[error.code].wire,
    retryAfterMs,
    maps: Array.isArray(maps) ? (maps as number[]) : [],
    text: typeof what === 'string' ? what : error.message,
  };
}

/** The error a peer sent; `facts` are what this side knows besides (shuffle, map). A number without a row becomes INTERNAL. */
export function errorOfMessage(message: MessageOf<'error'>, facts: Facts = {}): SluiceError {
  const code: ErrorCode = codeOfWire(message.code);
  return new SluiceError(code, { ...facts, ...(message.maps.length > 0 ? { maps: message.maps } : {}), what: message.text });
}
