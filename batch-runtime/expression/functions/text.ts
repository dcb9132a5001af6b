/** Text made of text: case, ends, parts, length. Lengths and positions count code points. */
import { arena, takeText } from '../code.ts';
import { lowerText, upperText } from '../text.ts';
import { padText, repeatText, reverseText } from '../text-edit.ts';
import { always, anyNullable, fixed, int32, literalText, text, utf8, want, wantCount } from './arguments.ts';
import { type FunctionRows, type Strict, wrong } from './row.ts';

/** utf8 in, utf8 out. */
const onText = (doc: string, ofString: (value: string) => string, emit: Strict['emit']): Strict => ({
  doc,
  nulls: 'strict',
  resolve: fixed(utf8, text),
  interpret: ([a]) => ofString(a as string),
  guarded: always,
  emit,
});

/** Padding at one end: how long the text shall be at least, and with what, both written down. */
const pad = (before: boolean, doc: string): Strict => ({
  doc,
  nulls: 'strict',
  resolve(name, args) {
    want(name, args, text, ['int32'], text);
    if (args[1]!.op !== 'literal') wrong(`${name} takes a length written down, not an expression`);
    if (literalText(name, args[2]!) === '') wrong(`${name} takes a text to fill with, not an empty one`);
    return { args, type: utf8, nullable: args[0]!.nullable };
  },
  interpret([a, length, fill]) {
    const points = Number(length) - [...(a as string)].length;
    const filling = Array.from({ length: Math.max(0, points) }, (_, k) => [...(fill as string)].at(k % [...(fill as string)].length)).join('');
    return before ? filling + a : a + filling;
  },
  guarded: always,
  emit: (code, [a, length], node) => {
    const fill = code.constant(literalText('pad', node.args[2]!));
    return takeText(code, `${code.kernel(padText)}(${arena}, ${a!.join(', ')}, ${length![0]}, ${fill}, ${before});`);
  },
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
  trimStart: onText(
    "Without Unicode's space separators at the start.",
    (value) => value.replace(/^\p{Zs}+/u, ''),
    (code, [a]) => [a![0]!, code.hold(`$trimStart(${a!.join(', ')})`), a![2]!],
  ),
  trimEnd: onText(
    "Without Unicode's space separators at the end.",
    (value) => value.replace(/\p{Zs}+$/u, ''),
    (code, [a]) => [a![0]!, a![1]!, code.hold(`$trimEnd(${a!.join(', ')})`)],
  ),
  padStart: pad(true, 'Made so many code points long, if it is shorter, by the other text before it.'),
  padEnd: pad(false, 'Made so many code points long, if it is shorter, by the other text behind it.'),
  reverse: onText(
    'The code points in the opposite order.',
    (value) => [...value].reverse().join(''),
    (code, [a]) => takeText(code, `${code.kernel(reverseText)}(${arena}, ${a!.join(', ')});`),
  ),
  repeat: {
    doc: 'The text so many times; empty for 0 and less.',
    nulls: 'strict',
    resolve: fixed(utf8, text, ['int32']),
    interpret: ([a, count]) => (a as string).repeat(Math.max(0, count as number)),
    guarded: always,
    emit: (code, [a, count]) => takeText(code, `${code.kernel(repeatText)}(${arena}, ${a!.join(', ')}, ${count![0]});`),
  },
  length: {
    doc: 'Number of code points.',
    nulls: 'strict',
    resolve: fixed(int32, text),
    interpret: ([a]) => [...(a as string)].length,
    guarded: always,
    emit: (_, [a]) => [`$codePoints(${a!.join(', ')})`],
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
