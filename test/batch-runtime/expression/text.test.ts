import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  changeCase,
  codePoints,
  compareText,
  decodeText,
  encodeText,
  endsWith,
  equalText,
  includes,
  likeMatcher,
  lowerText,
  positionOf,
  startsWith,
  TextArena,
  trimEnd,
  trimStart,
  upperText,
} from '#runtime/expression/text.ts';

const textArb = fc
  .oneof(
    fc.string({
      unit: fc.constantFrom('a', 'b', 'A', 'é', 'ß', '😀', ' ', '\u00a0', '\u3000', '\u2009', '%', '_', '.', '\ufeff', '\n'),
      maxLength: 12,
    }),
    fc.string({ unit: 'grapheme', maxLength: 40 }),
  )
  .filter((text) => text.isWellFormed());
/** As a triple with something around it. */
const triple = (text: string, behind = 'z'): [Uint8Array, number, number] => {
  const bytes = encodeText(`é${text}${behind}`);
  return [bytes, 2, bytes.length - 1];
};

test('texts go to bytes and back', () => {
  fc.assert(fc.property(textArb, (text) => assert.equal(decodeText(...triple(text)), text)));
});

test('texts are compared and searched as their bytes', () => {
  fc.assert(
    fc.property(textArb, textArb, fc.nat(12), (text, other, from) => {
      // A part that is there, too, or few would be found.
      for (const part of [other, [...text].slice(from, from + 3).join(''), text]) {
        const [a, b] = [triple(text), triple(part, 'y')];
        assert.equal(equalText(...a, ...b), text === part);
        assert.equal(Math.sign(compareText(...a, ...b)), Buffer.compare(Buffer.from(text), Buffer.from(part)));
        assert.equal(startsWith(...a, ...b), text.startsWith(part));
        assert.equal(endsWith(...a, ...b), text.endsWith(part));
        assert.equal(includes(...a, ...b), text.includes(part));
      }
    }),
    { numRuns: 300 },
  );
});

test('lengths and positions count code points', () => {
  fc.assert(
    fc.property(textArb, fc.integer({ min: -15, max: 15 }), (text, index) => {
      const points = [...text];
      const [bytes, start, end] = triple(text);
      assert.equal(codePoints(bytes, start, end), points.length);
      const at = Math.min(points.length, Math.max(0, index < 0 ? points.length + index : index));
      assert.equal(positionOf(bytes, start, end, index), start + encodeText(points.slice(0, at).join('')).length);
    }),
    { numRuns: 300 },
  );
});

test("Unicode's space separators are trimmed, nothing else", () => {
  fc.assert(
    fc.property(textArb, (text) => {
      const [bytes, start, end] = triple(text);
      const from = trimStart(bytes, start, end);
      assert.equal(decodeText(bytes, from, trimEnd(bytes, from, end)), text.replace(/^\p{Zs}+|\p{Zs}+$/gu, ''));
    }),
    { numRuns: 300 },
  );
  for (let point = 1; point < 0x1_1000; point++) {
    if (point >= 0xd800 && point < 0xe000) continue;
    const character = String.fromCodePoint(point);
    const bytes = encodeText(character);
    assert.equal(trimStart(bytes, 0, bytes.length) === bytes.length, /\p{Zs}/u.test(character), point.toString(16));
  }
});

test('case changes code point by code point, in bytes as in strings', () => {
  fc.assert(
    fc.property(textArb, fc.boolean(), (text, upper) => {
      const arena = new TextArena(0);
      const from = changeCase(arena, ...triple(text), upper);
      const changed = (upper ? upperText : lowerText)(text);
      assert.equal(decodeText(arena.bytes, from, arena.top), changed);
      assert.equal([...changed].length, [...text].length);
    }),
  );
  assert.equal(upperText('straße'), 'STRA\u1e9eE');
  assert.equal(lowerText('İ'), 'i');
});

test('like: % any text, _ one code point, the rest itself', () => {
  const patternArb = fc.string({ unit: fc.constantFrom('a', 'b', '%', '_', '😀', '.', '\\'), maxLength: 8 });
  const subjectArb = fc.string({ unit: fc.constantFrom('a', 'b', '😀', '.', '\\', '\n'), maxLength: 10 });
  const matches = (pattern: readonly string[], text: readonly string[]): boolean => {
    const [first, ...rest] = pattern;
    if (first === undefined) return text.length === 0;
    if (first === '%') return matches(rest, text) || (text.length > 0 && matches(pattern, text.slice(1)));
    return text.length > 0 && (first === '_' || first === text[0]) && matches(rest, text.slice(1));
  };
  fc.assert(
    fc.property(patternArb, subjectArb, (pattern, text) => {
      assert.equal(likeMatcher(pattern)(...triple(text)), matches([...pattern], [...text]));
    }),
    { numRuns: 500 },
  );
});

test('what an arena gave stays when it grows', () => {
  const arena = new TextArena(4);
  arena.put(encodeText('ab'), 0, 2);
  const [bytes, end] = [arena.bytes, arena.top];
  arena.putString('é'.repeat(1000));
  arena.put(encodeText('c'), 0, 1);
  assert.equal(decodeText(bytes, 0, end), 'ab');
  assert.equal(decodeText(arena.bytes, 0, arena.top), `ab${'é'.repeat(1000)}c`);
  const full = new TextArena(0);
  full.top = 2 ** 31 - 10;
  assert.throws(() => full.reserve(11), { code: 'MEMORY_EXCEEDED' });
});
