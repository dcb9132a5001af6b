/** Moments from text and to text by a pattern of strftime, written down; expression/time-format.ts says which there are. */

import { lanesToBigInt } from '../../batch/lanes.ts';
import { microsPerDay } from '../calendar.ts';
import { arena, type Code, type Lanes, scratch, takeScratch, takeText } from '../code.ts';
import type { Expression } from '../expression.ts';
import { checkInt64, floorLanes, outOfRange, putInt64 } from '../numbers.ts';
import { decodeText } from '../text.ts';
import { timeFormatter, timeParser } from '../time-format.ts';
import { always, literalText, text, time, timestamp, utf8, want } from './arguments.ts';
import type { FunctionRow, FunctionRows } from './row.ts';
import { daysOf } from './time-fields.ts';

const parsed =
  (mayFail: boolean): FunctionRow['resolve'] =>
  (name, args) => {
    want(name, args, text, text);
    timeParser(literalText(name, args[1]!));
    return { args, type: timestamp, nullable: mayFail || args[0]!.nullable };
  };

const shown = (value: string): string => `'${value.length > 100 ? `${value.slice(0, 100)}...` : value}'`;

/** @throws VALUE_OUT_OF_RANGE */
function momentOf(parse: (text: string) => bigint | null, pattern: string, value: string): bigint {
  return checkInt64(parse(value) ?? outOfRange(`${shown(value)} is not a time as ${pattern}`), value);
}

/** Puts the lanes of a moment to `out`. */
const readsMoment =
  (pattern: string) =>
  (out: Int32Array, bytes: Uint8Array, start: number, end: number, parse: (text: string) => bigint | null): void =>
    putInt64(out, momentOf(parse, pattern, decodeText(bytes, start, end)));
/** As readsMoment. @returns false when the text does not fit */
function triesMoment(out: Int32Array, bytes: Uint8Array, start: number, end: number, parse: (text: string) => bigint | null): boolean {
  const micros = parse(decodeText(bytes, start, end));
  if (micros !== null) putInt64(out, micros);
  return micros !== null;
}

/** Microseconds since the start of their day. */
const inDay = (micros: bigint): number => Number(micros - BigInt(daysOf(micros)) * microsPerDay);
function microsInDay(low: number, high: number): number {
  const days = floorLanes(low, high, 86_400_000_000);
  const micros = high * 4_294_967_296 + (low >>> 0);
  return Number.isSafeInteger(micros) ? micros - days * 86_400_000_000 : inDay(lanesToBigInt(low, high));
}

const patternOf = (fn: string, args: readonly Expression[]): string => literalText(fn, args[1]!);

export const timeTexts: FunctionRows = {
  parse: {
    doc: 'The moment that a text says in a pattern like %Y-%m-%d %H:%M:%S, in UTC; one that does not fit is VALUE_OUT_OF_RANGE.',
    nulls: 'strict',
    resolve: parsed(false),
    interpret: ([a, pattern]) => momentOf(timeParser(pattern as string), pattern as string, a as string),
    guarded: always,
    emit(code, [a], { args }) {
      const pattern = patternOf('parse', args);
      code.line(`${code.constant(readsMoment(pattern))}(${scratch}, ${a!.join(', ')}, ${code.constant(timeParser(pattern))});`);
      return takeScratch(code);
    },
  },
  tryParse: {
    doc: 'As parse; null where the text does not fit.',
    nulls: 'own',
    resolve: parsed(true),
    interpret(value, { args }) {
      const a = value(0);
      return a === null ? null : timeParser(patternOf('tryParse', args))(a as string);
    },
    guarded: always,
    emit(code, { args }) {
      const { lanes, isNull } = code.value(args[0]!);
      const parse = code.constant(timeParser(patternOf('tryParse', args)));
      const found = code.hold(`!${isNull} && ${code.kernel(triesMoment)}(${scratch}, ${lanes.join(', ')}, ${parse})`);
      return { lanes: takeScratch(code), isNull: code.hold(`!${found}`) };
    },
  },
  format: {
    doc: 'The day or moment as text, by a pattern like %Y-%m-%d %H:%M:%S.',
    nulls: 'strict',
    resolve(name, args) {
      want(name, args, time, text);
      timeFormatter(literalText(name, args[1]!));
      return { args, type: utf8, nullable: args[0]!.nullable };
    },
    interpret([a, pattern]) {
      const format = timeFormatter(pattern as string);
      return typeof a === 'bigint' ? format(daysOf(a), inDay(a)) : format(a as number, 0);
    },
    guarded: always,
    emit(code, [a], { args }) {
      const format = code.constant(timeFormatter(patternOf('format', args)));
      return takeText(code, `${arena}.putString(${format}(${dayAndTime(code, a!)}));`);
    },
  },
};

const dayAndTime = (code: Code, lanes: Lanes): string =>
  lanes.length === 1
    ? `${lanes[0]}, 0`
    : `${code.kernel(floorLanes)}(${lanes.join(', ')}, 86400000000), ${code.kernel(microsInDay)}(${lanes.join(', ')})`;
