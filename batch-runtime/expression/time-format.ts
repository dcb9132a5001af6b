/**
 * Moments as text and back by patterns as of strftime: a subset of DuckDB's, with its meaning. `%Y %y %m %b %B %d %j %a %A %H %I %p
 * %M %S %f` (microseconds) `%g` (milliseconds) `%z %%`; a minus, as in `%-d`, leaves the zeros before a number out. Names are English.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { dayInYear, dayOf, daysOf, monthOf, weekdayOf, yearOf } from './calendar.ts';

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
  const found = new Float64Array(letters.length);
  return (text) => {
    found.fill(Number.NaN);
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
        found[letters.indexOf(field)] = value;
        at += named[value]!.length;
      } else {
        const start = at;
        const width = widths[field]!;
        let value = 0;
        for (; at < text.length && at < start + width; at++) {
          const digit = text.charCodeAt(at) - 48;
          if (digit < 0 || digit > 9) break;
          value = value * 10 + digit;
        }
        if (at === start) return null;
        found[letters.indexOf(field)] = field === 'f' || field === 'g' ? value * 10 ** (width - (at - start)) : value;
      }
    }
    while (space(text, at)) at++;
    return at === text.length ? momentOf(found, offset) : null;
  };
}

/** The fields that are kept of a text. */
const letters = 'YymbBdjHIpMSfgaA';

/** @param found  by the place of the field's letter in `letters`; NaN = not there */
function momentOf(found: Float64Array, offset: number): bigint | null {
  const of = (letter: string, other: number): number => {
    const value = found[letters.indexOf(letter)]!;
    return Number.isNaN(value) ? other : value;
  };
  const short = of('y', 0);
  const year = of('Y', short < 69 ? (Number.isNaN(found[letters.indexOf('y')]!) ? 1900 : 2000 + short) : 1900 + short);
  const month = of('m', of('b', of('B', 0)) + 1);
  const [day, ofYear] = [of('d', 1), of('j', -1)];
  const [minute, second, half] = [of('M', 0), of('S', 0), of('p', -1)];
  let hour = of('H', of('I', 0));
  const twelve = of('I', 12);
  if (twelve < 1 || twelve > 12) return null;
  if (half >= 0) {
    if (hour > 12) return null;
    hour = (hour % 12) + 12 * half;
  }
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 || ofYear === 0 || ofYear > 366) return null;
  const days = ofYear < 0 ? daysOf(year, month, day) : daysOf(year, 1, 1) + ofYear - 1;
  if (ofYear < 0 && monthOf(days) !== month) return null;
  const seconds = days * 86_400 + hour * 3600 + (minute - offset) * 60 + second;
  return BigInt(seconds) * 1_000_000n + BigInt(of('f', 1000 * of('g', 0)));
}
