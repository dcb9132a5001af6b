import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Code, nullLanes, takeScratch, takeText } from '#runtime/expression/code.ts';
import { kinds, typeOf } from './random.ts';

/** Writes down what is written. */
function recorder(): { readonly code: Code; readonly lines: string[] } {
  const lines: string[] = [];
  const code: Pick<Code, 'line' | 'hold'> = {
    line: (text) => void lines.push(text),
    hold: (text) => {
      lines.push(`hold ${text}`);
      return `h${lines.length}`;
    },
  };
  return { code: code as Code, lines };
}

test('a null has as many lanes as a value of its kind', () => {
  assert.deepEqual(
    kinds.map((kind) => nullLanes(typeOf(kind).kind).length),
    kinds.map((kind) => (kind === 'utf8' ? 3 : kind === 'int64' || kind === 'timestamp' ? 2 : 1)),
  );
  assert.deepEqual(nullLanes('bool'), ['false']);
});

test('what a kernel wrote is held before another writes over it', () => {
  const { code, lines } = recorder();
  assert.deepEqual(takeScratch(code), ['h1', 'h2']);
  assert.deepEqual(lines, ['hold $scratch[0]', 'hold $scratch[1]']);
});

test('a text starts where the arena stood before it was written', () => {
  const { code, lines } = recorder();
  takeText(code, '$arena.put(b, 0, 1);');
  assert.deepEqual(lines, ['hold $arena.top', '$arena.put(b, 0, 1);', 'hold $arena.bytes', 'hold $arena.top']);
});
