import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Decimal } from '#runtime/batch/decimal.ts';
import { csvLine, digits, size, table, valueText } from '#runtime/cli/table.ts';

test('columns of numbers stand to the right, others to the left', () => {
  assert.equal(
    table(
      ['name', 'n', 'time'],
      [
        ['a', '1,000', '0.1 s'],
        ['longer', '2', '12.0 s'],
      ],
    ),
    ['name        n    time', '------  -----  ------', 'a       1,000   0.1 s', 'longer      2  12.0 s'].join('\n'),
  );
  assert.equal(table(['a'], []), 'a\n-');
});

test('a CSV line quotes what needs it; null is empty, an empty text is not', () => {
  assert.equal(csvLine(['a', 'b,c', 'd"e', 'f\ng', '', null]), 'a,"b,c","d""e","f\ng","",');
});

test('numbers for people', () => {
  assert.equal(digits(1234567), '1,234,567');
  assert.deepEqual([0, 1023, 1024, 1536 * 1024, 3 * 1024 ** 4].map(size), ['0 B', '1023 B', '1.0 KiB', '1.5 MiB', '3.0 TiB']);
});

test('lists and structs are JSON, all else its text', () => {
  assert.equal(valueText([1n, { a: 'x', at: Decimal.from('1.50') }, null]), '["1",{"a":"x","at":"1.50"},null]');
  assert.deepEqual([valueText(5), valueText('x'), valueText(Decimal.from('1.50'))], ['5', 'x', '1.50']);
});
