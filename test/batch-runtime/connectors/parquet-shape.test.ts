import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SchemaElement } from 'hyparquet';
import { type ParquetShape, shapeAt } from '#runtime/connectors/parquet-shape.ts';

const leaf = (name: string, repetition_type: 'OPTIONAL' | 'REQUIRED' | 'REPEATED'): SchemaElement => ({ name, repetition_type, type: 'INT32' });
const group = (
  name: string,
  repetition_type: 'OPTIONAL' | 'REQUIRED' | 'REPEATED',
  num_children: number,
  converted_type?: 'LIST' | 'MAP',
): SchemaElement => ({
  name,
  repetition_type,
  num_children,
  ...(converted_type === undefined ? {} : { converted_type }),
});
/** In words: `?` may be null, then the level at which it is there. */
const words = (shape: ParquetShape): string => {
  const own = `${shape.nullable ? '?' : ''}${shape.def}`;
  if (shape.kind === 'leaf') return `${own} leaf ${shape.chunk} in ${shape.rep}`;
  if (shape.kind === 'list') return `${own} list of (${words(shape.item)})`;
  return `${own} struct of (${[...shape.fields].map(([name, field]) => `${name}: ${words(field)}`).join(', ')})`;
};
const read = (...schema: SchemaElement[]): string => words(shapeAt(schema, { at: 0, leaf: 0 }));

test('lists of three levels, as they are written today', () => {
  assert.equal(read(group('l', 'OPTIONAL', 1, 'LIST'), group('list', 'REPEATED', 1), leaf('element', 'OPTIONAL')), '?1 list of (?3 leaf 0 in 1)');
  assert.equal(read(group('l', 'REQUIRED', 1, 'LIST'), group('list', 'REPEATED', 1), leaf('element', 'REQUIRED')), '0 list of (1 leaf 0 in 1)');
});

test('lists of older writers', () => {
  assert.equal(read(group('l', 'OPTIONAL', 1, 'LIST'), leaf('array', 'REPEATED')), '?1 list of (2 leaf 0 in 1)');
  const pair = [leaf('a', 'REQUIRED'), leaf('b', 'OPTIONAL')];
  const expected = '?1 list of (2 struct of (a: 2 leaf 0 in 1, b: ?3 leaf 1 in 1))';
  assert.equal(read(group('l', 'OPTIONAL', 1, 'LIST'), group('element', 'REPEATED', 2), ...pair), expected);
  const one = '?1 list of (2 struct of (a: 2 leaf 0 in 1))';
  for (const name of ['array', 'l_tuple'])
    assert.equal(read(group('l', 'OPTIONAL', 1, 'LIST'), group(name, 'REPEATED', 1), leaf('a', 'REQUIRED')), one);
  assert.equal(read(leaf('l', 'REPEATED')), '0 list of (1 leaf 0 in 1)');
});

test('maps are lists of keys and values, structs count no level of their own when they are there', () => {
  assert.equal(
    read(group('m', 'OPTIONAL', 1, 'MAP'), group('key_value', 'REPEATED', 2), leaf('key', 'REQUIRED'), leaf('value', 'OPTIONAL')),
    '?1 list of (2 struct of (key: 2 leaf 0 in 1, value: ?3 leaf 1 in 1))',
  );
  assert.equal(read(group('s', 'REQUIRED', 2), leaf('a', 'REQUIRED'), leaf('b', 'OPTIONAL')), '0 struct of (a: 0 leaf 0 in 0, b: ?1 leaf 1 in 0)');
});

test('a schema that ends early or has no end is refused', () => {
  assert.throws(() => read(group('s', 'REQUIRED', 2), leaf('a', 'REQUIRED')), /cut short/);
  assert.throws(() => read(...Array.from({ length: 80 }, () => group('s', 'REQUIRED', 1))), /nested deeper/);
});
