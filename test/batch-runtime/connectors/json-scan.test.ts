import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { plainValue } from '#runtime/batch/rows.ts';
import { scanSlack } from '#runtime/connectors/csv-scan.ts';
import { fieldParser } from '#runtime/connectors/csv-values.ts';
import { JsonScanner } from '#runtime/connectors/json-scan.ts';

const kinds = { a: 'float64', b: 'utf8', c: 'bool', d: 'int64' } as const;
const names = Object.keys(kinds) as (keyof typeof kinds)[];

/** Rows and faults of a text, given to the scanner in pieces that end anywhere. */
function scanned(text: string | Uint8Array, cut = 1e9) {
  const parsers = names.map((name) => fieldParser({ kind: kinds[name] }, 1000));
  const scanner = new JsonScanner({ names, parsers, nullable: names.map((name) => name !== 'a'), isText: names.map((name) => name === 'b') });
  const all = Buffer.from(text as string);
  const faults: { at: number; reason: string }[] = [];
  let from = 0;
  for (let end = Math.min(cut, all.length); ; end = Math.min(all.length, end + cut)) {
    const last = end === all.length;
    const bytes = new Uint8Array(end + scanSlack);
    bytes.set(all.subarray(0, end));
    const found = scanner.scan(bytes, from, end, last, 1e9, false);
    faults.push(...found.bad.map(({ at, reason }) => ({ at, reason })));
    from = found.next;
    if (last) break;
  }
  assert.equal(from, all.length);
  const columns = parsers.map((parser) => parser.finish());
  return { rows: Array.from({ length: columns[0]!.length }, (_, i) => columns.map((column) => plainValue(column, i))), faults };
}

const record = fc.record(
  {
    a: fc.double({ noNaN: true, noDefaultInfinity: true }),
    b: fc.option(fc.string({ unit: 'binary' })),
    c: fc.option(fc.boolean()),
    d: fc.option(fc.integer()),
    'x "y"': fc.jsonValue(),
    z: fc.jsonValue(),
  },
  { requiredKeys: ['a'] },
);

test('what JSON.stringify writes is read as JSON.parse reads it, in any order of keys and any pieces', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(record, fc.nat(), fc.constantFrom('', ' ', '\t ')), { maxLength: 8 }),
      fc.integer({ min: 1, max: 60 }),
      (rows, cut) => {
        const lines = rows.map(([row, turn, blank]) => {
          const keys = Object.keys(row).filter((key) => key in row);
          const turned = [...keys.slice(turn % (keys.length || 1)), ...keys.slice(0, turn % (keys.length || 1))];
          const fields = turned.map(
            (key) => `${blank}${JSON.stringify(key)}${blank}:${blank}${JSON.stringify(row[key as keyof typeof row])}${blank}`,
          );
          return `${blank}{${fields.join(',')}}${blank}\n`;
        });
        const { rows: given, faults } = scanned(lines.join(''), cut);
        assert.deepEqual(faults, []);
        assert.deepEqual(
          given,
          rows.map(([row]) => [row.a + 0, row.b ?? null, row.c ?? null, row.d == null ? null : String(row.d)]),
        );
      },
    ),
    { numRuns: 300 },
  );
});

test('a record that is none is left out, with the place and the reason; those beside it are read', () => {
  const good = '{"a":1}';
  for (const [line, at, reason] of [
    ['[1]', 0, /begins with \{/],
    ['{"a":1', 6, /cut off/],
    ['{"a":1,"b":"x', 11, /text is broken off/],
    ['{"a":1} {', 8, /something follows/],
    ['{"a":1,"a":2}', 7, /the key a stands twice/],
    ['{a:1}', 1, /key in quotes/],
    ['{"a" 1}', 5, /colon/],
    ['{"a":1 "b":2}', 7, /comma or \}/],
    ['{"a":"x"}', 5, /column a: 'x' is not a number/],
    ['{"a":01}', 5, /none/],
    ['{"a":1.}', 5, /none/],
    ['{"a":+1}', 5, /none/],
    ['{"a":nul}', 5, /no JSON value/],
    ['{"a":null}', 5, /column a: it is null, declare it \.nullable\(\)/],
    ['{"b":"x"}', 9, /column a: it is missing/],
    ['{"a":{"n":1}}', 5, /column a: an object is no value of it/],
    ['{"a":1,"d":1.5}', 11, /column d/],
    ['{"a":1,"b":"\\x"}', 11, /no JSON text/],
    ['{"a":1,"b":"\\ud800"}', 11, /half a surrogate/],
    ['{"a":1,"z":[1,{"y":2}', 21, /broken off/],
  ] as const) {
    const { rows, faults } = scanned(`${good}\n${line}\n${good}\n`);
    assert.equal(rows.length, 2, line);
    assert.equal(faults.length, 1, line);
    assert.match(faults[0]!.reason, reason, line);
    assert.equal(faults[0]!.at - 8, at, line);
  }
});

test('bytes that are no UTF-8, and control characters in a text, are refused', () => {
  const bytes = Buffer.from('{"a":1,"b":"xyz"}\n{"a":2,"b":"ok"}\n');
  bytes[13] = 0xff;
  const { rows, faults } = scanned(bytes);
  assert.deepEqual(rows, [[2, 'ok', null, null]]);
  assert.match(faults[0]!.reason, /UTF-8/);
  assert.match(scanned('{"a":1,"b":"x\ty"}\n').faults[0]!.reason, /no JSON text/);
});

test('a nested value, or a bare one, is its JSON in a text column; blank lines are no records', () => {
  const { rows, faults } = scanned('\n{"a":1,"b":{"x":[1, "}"]}}\n  \r\n{"a":"2","b":true,"c":"true","d":"9223372036854775807"}\r\n');
  assert.deepEqual(faults, []);
  assert.deepEqual(rows, [
    [1, '{"x":[1, "}"]}', null, null],
    [2, 'true', true, '9223372036854775807'],
  ]);
});
