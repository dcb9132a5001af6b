import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compilePattern, extractOf, extractsText, groupsOf, matchesText, replacesText } from '#runtime/expression/regexp.ts';
import { decodeText, encodeText, TextArena } from '#runtime/expression/text.ts';

test('what looks around or back is refused, and what is no pattern', () => {
  for (const pattern of ['(?=a)', 'a(?!b)', '(?<=a)b', '(?<!a)b', '(a)\\1', '(?<x>a)\\k<x>', '[a](?=b)'])
    assert.throws(() => compilePattern(pattern, ''), { code: 'EXPRESSION_TYPE', message: /looks around or back/ }, pattern);
  for (const pattern of ['(', '[a', 'a**', '\\A', '(?i)a', '[[:alpha:]]'])
    assert.throws(() => compilePattern(pattern, ''), { code: 'EXPRESSION_TYPE', message: /not a pattern/ }, pattern);
  assert.throws(() => compilePattern('a', 'y'), { code: 'EXPRESSION_TYPE', message: /i, m and s/ });
});

test('what only seems to look around is a pattern', () => {
  for (const pattern of ['[(?=]', '\\(\\?=', '(?<name>a)', '(?:a)', '[\\]]', '\\\\1', '[\\\\](a)', '\\(?=a'])
    assert(compilePattern(pattern, '').unicode, pattern);
});

test('groups are counted, and a match is found in the middle of bytes', () => {
  assert.deepEqual(
    ['a', '(a)(?:b)(?<c>d)', '\\(a', '[(]'].map((pattern) => groupsOf(compilePattern(pattern, 'i'))),
    [0, 2, 0, 0],
  );
  const bytes = encodeText('xxAbéxx');
  assert.equal(matchesText(compilePattern('^abé$', 'i'))(bytes, 2, 6), true);
  assert.equal(matchesText(compilePattern('^abé$', ''))(bytes, 2, 6), false);
  assert.equal(extractOf(compilePattern('(b)|(c)', ''), 2, 'b'), '');
  const arena = new TextArena(0);
  extractsText(compilePattern('b(.)', ''), 1)(arena, bytes, 2, 6);
  replacesText(compilePattern('[a-z]', 'i', 'g'), '[$&]')(arena, bytes, 2, 6);
  assert.equal(decodeText(arena.bytes, 0, arena.top), 'é[A][b]é');
});
