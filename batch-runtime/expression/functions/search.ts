/** What is in a text, where, and with what in its place. */
import { arena, scratch, takeScratch, takeText } from '../code.ts';
import { likeMatcher } from '../text.ts';
import { indexOfText, replaceText, splitPart } from '../text-edit.ts';
import { always, bool, fixed, int32, literalText, text, utf8, want } from './arguments.ts';
import type { FunctionRows, Strict } from './row.ts';

const inText = (doc: string, ofStrings: (value: string, part: string) => boolean, kernel: string): Strict => ({
  doc,
  nulls: 'strict',
  resolve: fixed(bool, text, text),
  interpret: ([a, b]) => ofStrings(a as string, b as string),
  guarded: always,
  emit: (_, [a, b]) => [`${kernel}(${a!.join(', ')}, ${b!.join(', ')})`],
});

export const searches: FunctionRows = {
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
  indexOf: {
    doc: 'How many code points stand before the first place where the other text is in it; -1 when it is not.',
    nulls: 'strict',
    resolve: fixed(int32, text, text),
    interpret([a, part]) {
      const at = (a as string).indexOf(part as string);
      return at < 0 ? -1 : [...(a as string).slice(0, at)].length;
    },
    guarded: always,
    emit: (code, [a, b]) => [`${code.kernel(indexOfText)}(${a!.join(', ')}, ${b!.join(', ')})`],
  },
  replace: {
    doc: 'With every occurrence of the second text replaced by the third; an empty one occurs nowhere.',
    nulls: 'strict',
    resolve: fixed(utf8, text, text, text),
    interpret: ([a, part, by]) => (part === '' ? a! : (a as string).replaceAll(part as string, () => by as string)),
    guarded: always,
    emit: (code, [a, part, by]) => takeText(code, `${code.kernel(replaceText)}(${arena}, ${a!.join(', ')}, ${part!.join(', ')}, ${by!.join(', ')});`),
  },
  splitPart: {
    doc: 'What stands between the separators: part 0 is the first, -1 the last, one that is not there is empty. An empty separator stands between all code points.',
    nulls: 'strict',
    resolve: fixed(utf8, text, text, ['int32']),
    interpret: ([a, by, index]) => (by === '' ? [...(a as string)] : (a as string).split(by as string)).at(index as number) ?? '',
    guarded: always,
    emit(code, [a, by, index]) {
      code.line(`${code.kernel(splitPart)}(${scratch}, ${a!.join(', ')}, ${by!.join(', ')}, ${index![0]});`);
      return [a![0]!, ...takeScratch(code)];
    },
  },
};
