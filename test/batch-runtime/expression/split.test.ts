import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bitmapBytes, setBit } from '#runtime/batch/bitmap.ts';
import { makeColumn } from '#runtime/batch/column.ts';
import { textAt } from '#runtime/batch/rows.ts';
import { splitText } from '#runtime/expression/split.ts';

const textColumn = (texts: readonly string[]) => {
  const parts = texts.map((text) => Buffer.from(text));
  const offsets = Int32Array.of(0, ...parts.map((_, i) => parts.slice(0, i + 1).reduce((sum, part) => sum + part.length, 0)));
  return makeColumn({ kind: 'utf8' }, texts.length, new Uint8Array(Buffer.concat(parts)), null, offsets);
};

test('the parts are those of strings, row by row; a null row has none', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', ',', 'é', '😀'), maxLength: 12 });
  const separator = fc.string({ unit: fc.constantFrom('a', 'b', ',', 'é'), maxLength: 2 });
  fc.assert(
    fc.property(fc.array(fc.tuple(text, separator, fc.boolean()), { maxLength: 100 }), fc.boolean(), (rows, hasNulls) => {
      const validity = hasNulls ? new Uint8Array(bitmapBytes(rows.length)) : null;
      rows.forEach(([, , isThere], i) => {
        if (validity !== null && isThere) setBit(validity, i);
      });
      const { offsets, items } = splitText(textColumn(rows.map(([a]) => a)), textColumn(rows.map(([, b]) => b)), validity, rows.length);
      rows.forEach(([a, b, isThere], i) => {
        const expected = hasNulls && !isThere ? [] : b === '' && a !== '' ? [...a] : a.split(b || ',');
        const given = Array.from({ length: offsets[i + 1]! - offsets[i]! }, (_, k) => textAt(items, offsets[i]! + k));
        assert.deepEqual(given, expected);
      });
    }),
    { numRuns: 200 },
  );
});
