import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ColumnType } from '#runtime/batch/batch.ts';
import type { FieldParser } from '#runtime/connectors/csv-values.ts';
import { NestedParser, valueParser } from '#runtime/connectors/nested-values.ts';
import { int32, list, struct, utf8 } from '#runtime/schema.ts';
import { plainValues } from '../batch/nested.ts';

const put = (parser: FieldParser, text: string): void => {
  const bytes = Buffer.from(text);
  assert.equal(parser.append(bytes, 0, bytes.length), null);
};
const nested = (type: ColumnType): NestedParser => {
  const parser = valueParser(type, 1);
  assert.ok(parser instanceof NestedParser);
  return parser;
};

test('lists grow beyond the room they had, and start anew', () => {
  const parser = nested(list(int32().nullable()).type);
  const items = parser.children[0] as FieldParser;
  for (const round of [1, 2]) {
    const expected: (number | null)[][] = [];
    for (let i = 0; i < 100; i++) {
      const own: (number | null)[] = [];
      for (let k = 0; k < i % 5; k++) {
        own.push(k === 3 ? null : i * round);
        if (k === 3) items.appendNull();
        else put(items, String(i * round));
      }
      parser.close();
      expected.push(own);
    }
    assert.deepEqual(plainValues(parser.finish()), expected);
  }
});

test('nulls, also far apart; a struct that is null has something in each field', () => {
  const parser = nested(struct({ a: int32(), tags: list(utf8()) }).type);
  const [a, tags] = parser.children as [FieldParser, NestedParser];
  const expected: unknown[] = [];
  for (let i = 0; i < 50; i++) {
    if (i === 3 || i === 40) {
      parser.appendNull();
      expected.push(null);
      continue;
    }
    put(a, String(i));
    put(tags.children[0] as FieldParser, `t${i % 3}`);
    tags.close();
    parser.close();
    expected.push({ a: i, tags: [`t${i % 3}`] });
  }
  assert.deepEqual(plainValues(parser.finish()), expected);
});

test('what is forgotten leaves nothing, not even the half of a value', () => {
  const parser = nested(list(struct({ a: int32().nullable() })).type);
  const item = parser.children[0] as NestedParser;
  const one = (value: number | null): void => {
    if (value === null) (item.children[0] as FieldParser).appendNull();
    else put(item.children[0] as FieldParser, String(value));
    item.close();
  };
  one(1);
  parser.close();
  parser.appendNull();
  one(2);
  one(null);
  parser.close();
  // One that was begun.
  one(9);
  put(item.children[0] as FieldParser, '10');
  parser.truncate(1);
  one(3);
  parser.close();
  assert.deepEqual(plainValues(parser.finish()), [[{ a: 1 }], [{ a: 3 }]]);
});
