/**
 * Pino behind the port Log: JSON lines on stderr or in a file, with the process's name, and with everything that looks
 * like a token or a secret cut out. Made by each main.ts; the cores only see the port.
 */
import { pino } from 'pino';
import type { Log } from './ports.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Names under which a secret could slip into a line's facts, at the top or one level down. */
const secretNames = ['token', 'secret', 'authorization', 'password'];

export interface LogOptions {
  /** Which process speaks: manager, worker, executor. */
  readonly name: string;
  readonly level: LogLevel;
  /** A file to append to instead of stderr. */
  readonly file?: string;
}

export interface OpenLog extends Log {
  /** Closes the file; what is said afterwards goes nowhere. */
  close(): void;
}

/** Lines are written at once, not buffered: what a process said last before it died is what one wants to read. */
export function openLog(options: LogOptions): OpenLog {
  const destination = pino.destination({ dest: options.file ?? 2, sync: true, mkdir: true });
  const line = pino(
    {
      name: options.name,
      level: options.level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: secretNames.flatMap((name) => [name, `*.${name}`]), censor: '[cut]' },
    },
    destination,
  );
  return {
    info: (facts, text) => line.info(facts, hide(text)),
    warn: (facts, text) => line.warn(facts, hide(text)),
    error: (facts, text) => line.error(facts, hide(text)),
    close() {
      line.level = 'silent';
      if (options.file !== undefined) destination.end();
    },
  };
}

/** Our tokens have one shape wherever they stand. */
const hide = (text: string): string => text.replace(/\bv1\.(job|cluster)\.\d+\.\d+\.[\w-]+/g, 'v1.[cut]');
