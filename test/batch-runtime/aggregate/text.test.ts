import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { callOf, createAccumulator } from '#runtime/aggregate/table.ts';
import { joinedTexts } from '#runtime/aggregate/text.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import { columnOf, valuesOf } from '../batch/columns.ts';

const argument = columnRef({ name: 'x', type: { kind: 'utf8' }, nullable: true });
const of = (separator: string) => createAccumulator({ name: 'a', ...callOf('joinText', { argument, options: [separator], filter: null }, false) });

test('texts are joined in the order they come, empty ones too, through states that are merged', () => {
  assert.deepEqual(Object.keys(joinedTexts), ['joinText']);
  const partsArb = fc.array(fc.array(fc.tuple(fc.integer({ min: -1, max: 2 }), fc.constantFrom('', 'a', 'bc', '日本')), { maxLength: 20 }), {
    maxLength: 4,
  });
  fc.assert(
    fc.property(partsArb, fc.constantFrom('', ',', ' 😀 '), fc.boolean(), (parts, separator, dictionary) => {
      const merged = of(separator);
      merged.grow(3);
      for (const part of parts) {
        const one = of(separator);
        one.grow(3);
        one.update(
          Int32Array.from(part, ([g]) => g),
          part.length,
          columnOf(
            'utf8',
            part.map(([, text]) => text),
            { dictionary },
          ),
          [],
        );
        merged.merge(Int32Array.of(0, 1, 2), 3, one.partial(3));
      }
      const expected = [0, 1, 2].map((g) => {
        const texts = parts.flat().flatMap(([of, text]) => (of === g ? [text] : []));
        return texts.length === 0 ? null : texts.join(separator);
      });
      assert.deepEqual(valuesOf(merged.final(3)), expected);
    }),
    { numRuns: 200 },
  );
});

test('only text is joined, by text', () => {
  const number = columnRef({ name: 'x', type: { kind: 'int32' }, nullable: true });
  assert.throws(() => callOf('joinText', { argument: number, options: [','], filter: null }, false), { code: 'EXPRESSION_TYPE', message: /cast it/ });
  assert.throws(() => callOf('joinText', { argument, options: [], filter: null }, false), { code: 'EXPRESSION_TYPE' });
});
