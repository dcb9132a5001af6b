/**
 * Regular expressions: JavaScript's, in Unicode mode, less what takes more than one pass to match and RE2 therefore has not:
 * looking around and back. A pattern is written down, and compiled once. Text is decoded for each match, of a column with a
 * dictionary once per entry.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { decodeText, type TextArena } from './text.ts';

/** Flags that say something here: without case, `^` and `$` at lines, `.` for line ends too. */
const flagsPattern = /^[ims]*$/;

/**
 * @param flags  of `i`, `m`, `s`
 * @throws       EXPRESSION_TYPE when it is no pattern, or looks around or back
 */
export function compilePattern(pattern: string, flags: string, also = ''): RegExp {
  const refuse = (why: string): never => {
    throw new SluiceError('EXPRESSION_TYPE', { what: `/${pattern}/${flags} is not a pattern here: ${why}` });
  };
  if (!flagsPattern.test(flags)) refuse('its flags may be i, m and s');
  const look = lookIn(pattern);
  if (look !== null) refuse(`${look} looks around or back, which takes more than one pass over the text`);
  try {
    return new RegExp(pattern, `u${flags}${also}`);
  } catch (thrown) {
    return refuse((thrown as Error).message);
  }
}

/** The first piece of a pattern that looks around or back: `(?=`, `(?<!`, `\1`, `\k<`. */
function lookIn(pattern: string): string | null {
  let inClass = false;
  for (let i = 0; i < pattern.length; i++) {
    const rest = pattern.slice(i, i + 4);
    if (rest[0] === '\\') {
      if (!inClass && /^\\(?:[1-9]|k)/.test(rest)) return rest.slice(0, 2);
      i++;
    } else if (rest[0] === '[') inClass = true;
    else if (rest[0] === ']') inClass = false;
    else if (!inClass) {
      const look = /^\(\?<?[=!]/.exec(rest);
      if (look) return look[0];
    }
  }
  return null;
}

/** How many groups a pattern has. */
export const groupsOf = (pattern: RegExp): number => new RegExp(`${pattern.source}|`, pattern.flags).exec('')!.length - 1;

export const matchesText =
  (pattern: RegExp) =>
  (bytes: Uint8Array, start: number, end: number): boolean =>
    pattern.test(decodeText(bytes, start, end));

/** What a group of the first match has; empty when nothing matches, or not that group. */
export const extractOf = (pattern: RegExp, group: number, text: string): string => pattern.exec(text)?.[group] ?? '';

export const extractsText =
  (pattern: RegExp, group: number) =>
  (arena: TextArena, bytes: Uint8Array, start: number, end: number): void =>
    arena.putString(extractOf(pattern, group, decodeText(bytes, start, end)));

/** @param pattern  with the flag `g` */
export const replacesText =
  (pattern: RegExp, by: string) =>
  (arena: TextArena, bytes: Uint8Array, start: number, end: number): void =>
    arena.putString(decodeText(bytes, start, end).replace(pattern, by));
