/**
 * Moments as text and back by patterns as of strftime: a subset of DuckDB's, with its meaning. `%Y %y %m %b %B %d %j %a %A %H %I %p
 * %M %S %f` (microseconds) `%g` (milliseconds) `%z %%`; a minus, as in `%-d`, leaves the zeros before a number out. Names are English.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { dayInYear, dayOf, daysOf, microsPerDay, monthOf, weekdayOf, yearOf } from './calendar.ts';

/** Text as it stands, or a letter behind `%`. */
type Token = { readonly text: string } | { readonly field: string; readonly padded: boolean };

const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'] as const;
const weekdays = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'] as const;
const short = (names: readonly string[]): string[] => names.map((name) => name.slice(0, 3));

/** Digits a number may have, and how many are written. */
const widths: Readonly<Record<string, number>> = { Y: 4, y: 2, m: 2, d: 2, j: 3, H: 2, I: 2, M: 2, S: 2, f: 6, g: 3 };
const names: Readonly<Record<string, readonly string[]>> = { b: short(months), B: months, a: short(weekdays), A: weekdays, p: ['AM', 'PM'] };

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  for (const [piece, minus, letter] of pattern.matchAll(/%(-?)(.?)|[^%]+/gsu)) {
    if (!piece.startsWith('%')) tokens.push({ text: piece });
    else if (letter === '%' && minus === '') tokens.push({ text: '%' });
    else if (Object.hasOwn(widths, letter!) && (minus === '' || !'Yfg'.includes(letter!))) tokens.push({ field: letter!, padded: minus === '' });
    else if (minus === '' && (Object.hasOwn(names, letter!) || letter === 'z')) tokens.push({ field: letter!, padded: true });
    else
      throw new SluiceError('EXPRESSION_TYPE', {
        what: `'${piece}' is not known in the pattern '${pattern}': write %Y-%m-%d %H:%M:%S, or one of %y %b %B %j %a %A %I %p %f %g %z`,
      });
  }
  if (tokens.length === 0) throw new SluiceError('EXPRESSION_TYPE', { what: 'a pattern of time must not be empty' });
  return tokens;
}

/** What a field of a moment is: a number, or the number of a name. */
function fieldOf(field: string, days: number, micros: number): number {
  const hour = Math.floor(micros / 3.6e9);
  switch (field) {
    case 'Y':
      return yearOf(days);
    case 'y':
      return Math.abs(yearOf(days) % 100);
    case 'm':
      return monthOf(days);
    case 'b':
    case 'B':
      return monthOf(days) - 1;
    case 'd':
      return dayOf(days);
    case 'j':
      return dayInYear(days);
    case 'a':
    case 'A':
      return weekdayOf(days) - 1;
    case 'H':
      return hour;
    case 'I':
      return hour % 12 === 0 ? 12 : hour % 12;
    case 'p':
      return hour < 12 ? 0 : 1;
    case 'M':
      return Math.floor(micros / 6e7) % 60;
    case 'S':
      return Math.floor(micros / 1e6) % 60;
    case 'g':
      return Math.floor(micros / 1000) % 1000;
    default:
      return micros % 1e6;
  }
}

/**
 * Writes days and the microseconds in the day.
 * @throws EXPRESSION_TYPE when the pattern is none
 */
export function timeFormatter(pattern: string): (days: number, micros: number) => string {
  const tokens = tokensOf(pattern);
  return (days, micros) => {
    let out = '';
    for (const token of tokens) {
      if ('text' in token) out += token.text;
      else if (token.field === 'z') out += '+00';
      else {
        const value = fieldOf(token.field, days, micros);
        const named = names[token.field];
        out += named !== undefined ? named[value]! : token.padded && value >= 0 ? String(value).padStart(widths[token.field]!, '0') : String(value);
      }
    }
    return out;
  };
}

const space = (text: string, at: number): boolean => at < text.length && ' \t\n\v\f\r'.includes(text[at]!);

/** Where a text stands in the text at `at`; spaces stand for spaces, as many as there are. -1 when it does not. */
function afterText(text: string, at: number, wanted: string): number {
  for (let k = 0; k < wanted.length; ) {
    if (space(wanted, k)) {
      if (!space(text, at)) return -1;
      while (space(text, at)) at++;
      while (space(wanted, k)) k++;
    } else if (text[at++] !== wanted[k++]) return -1;
  }
  return at;
}

const offsetPattern = /([+-])(\d\d)(?::?(\d\d))?/y;

/**
 * Reads a text that fits the pattern to its end, space around it left out. What the pattern has not is that of 1900-01-01.
 * @returns microseconds, UTC; null when the text does not fit or there is no such moment
 * @throws  EXPRESSION_TYPE when the pattern is none
 */
export function timeParser(pattern: string): (text: string) => bigint | null {
  const tokens = tokensOf(pattern);
  return (text) => {
    const found: Record<string, number> = {};
    let offset = 0;
    let at = 0;
    while (space(text, at)) at++;
    for (const token of tokens) {
      if ('text' in token) {
        at = afterText(text, at, token.text);
        if (at < 0) return null;
        continue;
      }
      const { field } = token;
      const named = names[field];
      if (field === 'z') {
        offsetPattern.lastIndex = at;
        const match = offsetPattern.exec(text);
        if (match === null) return null;
        offset = (match[1] === '-' ? -1 : 1) * (60 * Number(match[2]) + Number(match[3] ?? 0));
        at = offsetPattern.lastIndex;
      } else if (named !== undefined) {
        const value = named.findIndex((name) => text.slice(at, at + name.length).toLowerCase() === name.toLowerCase());
        if (value < 0) return null;
        found[field] = value;
        at += named[value]!.length;
      } else {
        const start = at;
        let value = 0;
        while (at < text.length && at < start + widths[field]! && text[at]! >= '0' && text[at]! <= '9') value = value * 10 + Number(text[at++]);
        if (at === start) return null;
        found[field] = field === 'f' || field === 'g' ? value * 10 ** (widths[field]! - (at - start)) : value;
      }
    }
    while (space(text, at)) at++;
    return at === text.length ? momentOf(found, offset) : null;
  };
}

function momentOf(found: Readonly<Record<string, number>>, offset: number): bigint | null {
  const { Y, y, m, b, B, d, j, H, I, p, M = 0, S = 0, f, g } = found;
  const year = Y ?? (y === undefined ? 1900 : y < 69 ? 2000 + y : 1900 + y);
  const month = m ?? (b ?? B ?? 0) + 1;
  const day = d ?? 1;
  let hour = H ?? I ?? 0;
  if (I !== undefined && (I < 1 || I > 12)) return null;
  if (p !== undefined) {
    if (hour > 12) return null;
    hour = (hour % 12) + 12 * p;
  }
  if (month < 1 || month > 12 || day < 1 || hour > 23 || M > 59 || S > 59) return null;
  const days = j === undefined ? daysOf(year, month, day) : daysOf(year, 1, 1) + j - 1;
  if (j === undefined ? monthOf(days) !== month : j < 1 || j > 366) return null;
  const seconds = hour * 3600 + (M - offset) * 60 + S;
  return BigInt(days) * microsPerDay + BigInt(seconds) * 1_000_000n + BigInt(f ?? 1000 * (g ?? 0));
}
