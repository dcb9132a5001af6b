/**
 * Time, network, disk and randomness as arguments. Manager, worker, writer and reader use the world only through
 * these; the adapters over node:fs, net and undici are made in main.ts and nowhere else, the simulator makes its own.
 * Nothing here reads a clock, opens a socket or touches a file.
 */

/** Monotonic milliseconds: for time-outs and leases. Never a date. */
export type Millis = number;

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic, from an arbitrary start. */
  now(): Millis;
  /** Milliseconds since 1970, for logs and the expiry of tokens only. */
  wall(): number;
  /** Calls `run` once after `delayMs`; does not keep the process alive by itself. */
  after(delayMs: Millis, run: () => void): Timer;
}

export interface Random {
  /** Fills and returns `into`. */
  fill(into: Uint8Array): Uint8Array;
  /** Uniform in [0, 1). */
  next(): number;
}

/** One open file. Offsets and lengths are bytes. Errors are SluiceErrors: NO_SPACE, DISK_FAILED. */
export interface DiskFile {
  /** Reads up to into.length bytes at `offset`; answers how many; fewer only at the end of the file. */
  read(offset: number, into: Uint8Array): Promise<number>;
  /** Writes all parts, one behind the other; they must not change before the promise settles. At most 1,000. */
  write(offset: number, ...parts: readonly Uint8Array[]): Promise<void>;
  /** fdatasync. A failed sync is final for the file: what was written since the last one is lost. */
  sync(): Promise<void>;
  size(): Promise<number>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

/** A folder tree of one process. Paths are relative to its root and made by the process, never by a peer. */
export interface Disk {
  /** read: an existing file · write: an existing file, read and write · create: a new or emptied file, read and write. An absent file or folder is DISK_FAILED with the fact `code: 'ENOENT'`. */
  open(path: string, mode: 'read' | 'create' | 'write'): Promise<DiskFile>;
  /** Names in a folder, sorted; an absent folder is empty. */
  list(folder: string): Promise<string[]>;
  /** A file, or a folder with all that is in it; an absent one is no error. */
  remove(path: string): Promise<void>;
  /** Replaces `to` at once and durably. */
  rename(from: string, to: string): Promise<void>;
  makeFolder(path: string): Promise<void>;
  /** Free bytes of the file system. */
  free(): Promise<number>;
}

/** One side of a data connection after the upgrade. */
export interface Channel {
  /** Hands the parts over in order; resolves when they may be reused. Rejects with CONNECTION_LOST. */
  send(parts: readonly Uint8Array[]): Promise<void>;
  close(): void;
}

export interface ChannelHandlers {
  /** `bytes` is a reused buffer, valid only during the call, or the beginning of what `place` last answered. */
  data(bytes: Uint8Array): void;
  /** Where what comes next belongs: a transport that can reads to there, and spares a copy. Asked after each `data`; it holds until the channel is closed. */
  place?(): Uint8Array | null;
  /** Called once, whoever closed. */
  closed(): void;
}

/** What the client says in the upgrade request. */
export interface Hello {
  readonly token: string;
  readonly client: string;
  /** The incarnation the client expects; 32 hex digits. */
  readonly incarnation: string;
}

/** What the worker says in the 101. */
export interface Welcome {
  readonly version: number;
  readonly cluster: string;
  readonly incarnation: string;
  readonly maxBlockBytes: number;
  readonly idleGrantBytes: number;
}

export interface DataTransport {
  /** One data connection. Rejects with UNAUTHORIZED, WRONG_INCARNATION, VERSION_UNSUPPORTED, CONNECTION_LOST. */
  connect(to: { host: string; port: number }, hello: Hello, handlers: ChannelHandlers): Promise<{ channel: Channel; welcome: Welcome }>;
}

/** Structured log lines; pino fits. Tokens and secrets never go in. */
export interface Log {
  info(facts: object, text: string): void;
  warn(facts: object, text: string): void;
  error(facts: object, text: string): void;
}

export const silent: Log = { info() {}, warn() {}, error() {} };
