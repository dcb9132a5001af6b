import assert from 'node:assert/strict';
import { test } from 'node:test';
import { absent, Memo, there, unset } from '#runtime/expression/memo.ts';
import { encodeText } from '#runtime/expression/text.ts';
import { valueAt } from '#runtime/expression/values.ts';
import { columnOf, kinds, typeOf } from './random.ts';

test('results are kept for one dictionary and forgotten for another', () => {
  const [a, b] = [columnOf('utf8', ['x', 'y']), columnOf('utf8', ['x', 'y', 'z'])];
  const memo = new Memo('int32');
  memo.bind(a);
  memo.state[1] = there;
  memo.bind(a);
  assert.equal(memo.state[1], there);
  memo.bind(b);
  assert.deepEqual([...memo.state], [unset, unset, unset, unset]);
  assert.equal(memo.size, 3);
  memo.state[memo.size] = absent;
  assert.equal(memo.state.at(-1), absent);
});

test('there is room for a value of every kind and for the null row', () => {
  for (const kind of kinds) {
    const memo = new Memo(typeOf(kind).kind);
    memo.bind(columnOf('utf8', ['x', 'y']));
    assert.equal(memo.values.length, kind === 'int64' || kind === 'timestamp' ? 6 : 3);
    assert.equal(memo.values instanceof Float64Array, kind === 'float64' || kind === 'integer');
  }
});

test('texts are a dictionary that later ones do not change, and never an empty one', () => {
  const memo = new Memo('utf8');
  memo.bind(columnOf('utf8', ['x', 'y', 'z']));
  assert.equal(memo.toDictionary().length, 1);
  const keep = (code: number, text: string): void => {
    const bytes = encodeText(`.${text}`);
    memo.keep(code, bytes, 1, bytes.length);
  };
  keep(2, 'first');
  const early = memo.toDictionary();
  assert.equal(memo.toDictionary(), early);
  keep(1, 'b');
  assert.equal(valueAt(memo.toDictionary(), 1), 'b');
  keep(0, 'c'.repeat(5000));
  const late = memo.toDictionary();
  assert.deepEqual([valueAt(early, 0), valueAt(late, 0), valueAt(late, 2)], ['first', 'first', 'c'.repeat(5000)]);
  assert.deepEqual([memo.values[2], memo.values[1], memo.values[0]], [0, 1, 2]);
});
