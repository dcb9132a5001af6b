import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeText, encodeText, TextArena } from '#runtime/expression/text.ts';
import { findText, indexOfText, padText, repeatText, replaceText, reverseText, splitPart } from '#runtime/expression/text-edit.ts';

/** A text behind other bytes, as a column has it. */
const triple = (text: string): readonly [Uint8Array, number, number] => {
  const bytes = encodeText(`é${text}é`);
  return [bytes, 2, bytes.length - 2];
};
/** What a function writes to an arena that has something in it already. */
function written(write: (arena: TextArena) => void): string {
  const arena = new TextArena(1);
  arena.putString('before');
  write(arena);
  return decodeText(arena.bytes, 6, arena.top);
}
const word = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '😀', ','), maxLength: 8 });
const points = (text: string): string[] => [...text];

test('finding, counting and replacing are those of strings', () => {
  fc.assert(
    fc.property(word, fc.string({ unit: fc.constantFrom('a', 'é'), maxLength: 2 }), word, (text, part, by) => {
      const at = text.indexOf(part);
      assert.equal(indexOfText(...triple(text), ...triple(part)), at < 0 ? -1 : points(text.slice(0, at)).length);
      assert.equal(findText(...triple(text), ...triple(part)) >= 0, at >= 0);
      const replaced = written((arena) => replaceText(arena, ...triple(text), ...triple(part), ...triple(by)));
      assert.equal(replaced, part === '' ? text : text.split(part).join(by));
    }),
  );
});

test('parts between separators are those of split, also from the end', () => {
  const out = new Int32Array(2);
  fc.assert(
    fc.property(word, fc.constantFrom('', 'a', ',', 'é,'), fc.integer({ min: -10, max: 10 }), (text, by, index) => {
      const [bytes, start, end] = triple(text);
      splitPart(out, bytes, start, end, ...triple(by), index);
      const parts = by === '' ? points(text) : text.split(by);
      assert.equal(decodeText(bytes, out[0]!, out[1]!), parts.at(index) ?? '');
    }),
  );
});

test('repeated, turned round and padded by code points', () => {
  fc.assert(
    fc.property(word, fc.integer({ min: -2, max: 6 }), fc.constantFrom(' ', 'é-', '😀'), (text, count, fill) => {
      assert.equal(
        written((arena) => repeatText(arena, ...triple(text), count)),
        text.repeat(Math.max(0, count)),
      );
      assert.equal(
        written((arena) => reverseText(arena, ...triple(text))),
        points(text).reverse().join(''),
      );
      const length = count + 4;
      const filling = points(fill.repeat(20))
        .slice(0, Math.max(0, length - points(text).length))
        .join('');
      assert.equal(
        written((arena) => padText(arena, ...triple(text), length, fill, true)),
        filling + text,
      );
      assert.equal(
        written((arena) => padText(arena, ...triple(text), length, fill, false)),
        text + filling,
      );
    }),
  );
});

test('a text that no column can hold is refused before it is made', () => {
  assert.throws(() => written((arena) => repeatText(arena, ...triple('ab'), 2_000_000_000)), { code: 'MEMORY_EXCEEDED' });
});
