/** Text: case, ends, parts, and what is in it. Lengths and positions count code points. */
import { arena, takeText } from '../code.ts';
import { likeMatcher, lowerText, upperText } from '../text.ts';
import { always, anyNullable, bool, fixed, int32, literalText, text, utf8, want, wantCount } from './arguments.ts';
import type { FunctionRows, Strict } from './row.ts';

/** utf8 in, utf8 out. */
const onText = (doc: string, ofString: (value: string) => string, emit: Strict['emit']): Strict => ({
  doc,
  nulls: 'strict',
  resolve: fixed(utf8, text),
  interpret: ([a]) => ofString(a as string),
  guarded: always,
  emit,
});

const inText = (doc: string, ofStrings: (value: string, part: string) => boolean, kernel: string): Strict => ({
  doc,
  nulls: 'strict',
  resolve: fixed(bool, text, text),
  interpret: ([a, b]) => ofStrings(a as string, b as string),
  guarded: always,
  emit: (_, [a, b]) => [`${kernel}(${a!.join(', ')}, ${b!.join(', ')})`],
});

const spaces = /^\p{Zs}+|\p{Zs}+$/gu;

export const texts: FunctionRows = {
  lower: onText('In lower case, code point by code point.', lowerText, (code, [a]) =>
    takeText(code, `$changeCase(${arena}, ${a!.join(', ')}, false);`),
  ),
  upper: onText('In upper case, code point by code point.', upperText, (code, [a]) =>
    takeText(code, `$changeCase(${arena}, ${a!.join(', ')}, true);`),
  ),
  trim: onText(
    "Without Unicode's space separators at both ends; tabs and line ends stay.",
    (value) => value.replace(spaces, ''),
    (code, [a]) => {
      const start = code.hold(`$trimStart(${a!.join(', ')})`);
      return [a![0]!, start, `$trimEnd(${a![0]}, ${start}, ${a![2]})`];
    },
  ),
  length: {
    doc: 'Number of code points.',
    nulls: 'strict',
    resolve: fixed(int32, text),
    interpret: ([a]) => [...(a as string)].length,
    guarded: always,
    emit: (_, [a]) => [`$codePoints(${a!.join(', ')})`],
  },
  startsWith: inText('Begins with the other text.', (value, part) => value.startsWith(part), '$startsWith'),
  endsWith: inText('Ends with the other text.', (value, part) => value.endsWith(part), '$endsWith'),
  includes: inText('Has the other text in it.', (value, part) => value.includes(part), '$includes'),
  like: {
    doc: "Fits SQL's pattern: % any text, _ one code point; there is no escape. The pattern is written down.",
    nulls: 'strict',
    resolve(name, args) {
      want(name, args, text, text);
      literalText(name, args[1]!);
      return { args, type: bool, nullable: args[0]!.nullable };
    },
    interpret([a, pattern]) {
      const escaped = (pattern as string).replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
      return new RegExp(`^${escaped.replaceAll('%', '.*').replaceAll('_', '.')}$`, 'su').test(a as string);
    },
    guarded: always,
    emit: (code, [a], node) => [`${code.constant(likeMatcher(literalText('like', node.args[1]!)))}(${a!.join(', ')})`],
  },
  slice: {
    doc: 'Code points from start (0 = first) up to end, not included; negative ones count from the end; without end, to the end.',
    nulls: 'strict',
    resolve(name, args) {
      wantCount(name, args, 2, 3);
      want(name, args, text, ...args.slice(1).map(() => ['int32'] as const));
      return { args, type: utf8, nullable: anyNullable(args) };
    },
    interpret: ([a, start, end]) => [...(a as string)].slice(start as number, end as number | undefined).join(''),
    guarded: always,
    emit(code, [a, from, to]) {
      const [bytes, start, end] = a as readonly [string, string, string];
      const first = code.hold(`$positionOf(${a!.join(', ')}, ${from![0]})`);
      return [bytes, first, to === undefined ? end : `Math.max(${first}, $positionOf(${bytes}, ${start}, ${end}, ${to[0]}))`];
    },
  },
  concat: {
    doc: 'The texts one after the other; null when one is.',
    nulls: 'strict',
    resolve(name, args) {
      wantCount(name, args, 1, Number.POSITIVE_INFINITY);
      return fixed(utf8, ...args.map(() => text))(name, args, undefined);
    },
    interpret: (values) => values.join(''),
    guarded: always,
    emit: (code, args) => takeText(code, args.map((arg) => `${arena}.put(${arg.join(', ')});`).join(' ')),
  },
};
