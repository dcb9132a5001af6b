/** What a regular expression finds in text. Patterns are written down; expression/regexp.ts says which there are. */
import { arena, takeText } from '../code.ts';
import type { Expression } from '../expression.ts';
import { compilePattern, extractOf, extractsText, groupsOf, matchesText, replacesText } from '../regexp.ts';
import { isWhole } from '../values.ts';
import { always, bool, literalText, text, utf8, want, wantCount } from './arguments.ts';
import { type FunctionRows, wrong } from './row.ts';

/** The pattern of a call, whose second and third arguments are its source and flags. */
const patternOf = (fn: string, args: readonly Expression[], also = ''): RegExp =>
  compilePattern(literalText(fn, args[1]!), literalText(fn, args[2]!), also);

export const regexps: FunctionRows = {
  matches: {
    doc: 'Has a part that fits the regular expression; write ^ and $ for the whole.',
    nulls: 'strict',
    resolve(name, args) {
      want(name, args, text, text, text);
      patternOf(name, args);
      return { args, type: bool, nullable: args[0]!.nullable };
    },
    interpret: ([a], { args }) => patternOf('matches', args).test(a as string),
    guarded: always,
    emit: (code, [a], { args }) => [`${code.constant(matchesText(patternOf('matches', args)))}(${a!.join(', ')})`],
  },
  extract: {
    doc: 'The first part that fits the regular expression, or a group of it (0 = all); empty when there is none.',
    nulls: 'strict',
    resolve(name, args) {
      wantCount(name, args, 4);
      want(name, args.slice(0, 3), text, text, text);
      const [group] = args.slice(3) as [Expression];
      const number = group.op === 'literal' && isWhole(group.type) ? Number(group.value) : -1;
      const groups = groupsOf(patternOf(name, args));
      if (!(number >= 0 && number <= groups)) wrong(`${name} takes the number of a group, 0 to ${groups}, written down`);
      return { args, type: utf8, nullable: args[0]!.nullable };
    },
    interpret: ([a, , , group], { args }) => extractOf(patternOf('extract', args), Number(group), a as string),
    guarded: always,
    emit: (code, [a, , , group], { args }) =>
      takeText(code, `${code.constant(extractsText(patternOf('extract', args), Number(group![0])))}(${arena}, ${a!.join(', ')});`),
  },
  replaceMatches: {
    doc: "With every part that fits the regular expression replaced; $1, $<name> and $& in the replacement are what the match has, as in JavaScript's replace.",
    nulls: 'strict',
    resolve(name, args) {
      want(name, args, text, text, text, text);
      patternOf(name, args, 'g');
      literalText(name, args[3]!);
      return { args, type: utf8, nullable: args[0]!.nullable };
    },
    interpret: ([a], { args }) => (a as string).replace(patternOf('replaceMatches', args, 'g'), literalText('replaceMatches', args[3]!)),
    guarded: always,
    emit(code, [a], { args }) {
      const replace = replacesText(patternOf('replaceMatches', args, 'g'), literalText('replaceMatches', args[3]!));
      return takeText(code, `${code.constant(replace)}(${arena}, ${a!.join(', ')});`);
    },
  },
};
