import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { openRoot, type Table, type TableValue, type Value, writeRoot } from '#runtime/batch/flatbuffer.ts';

type Node = (NodeValue | null)[];
type NodeValue =
  | { readonly kind: 'byte' | 'short' | 'int' | 'long'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'table'; readonly value: Node }
  | { readonly kind: 'tables'; readonly value: Node[] };

const { node } = fc.letrec<{ node: Node; value: NodeValue }>((tie) => ({
  node: fc.array(fc.option(tie('value')), { maxLength: 5 }),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ kind: fc.constant('byte' as const), value: fc.nat(255) }),
    fc.record({ kind: fc.constant('short' as const), value: fc.integer({ min: -32768, max: 32767 }) }),
    fc.record({ kind: fc.constant('int' as const), value: fc.integer() }),
    fc.record({ kind: fc.constant('long' as const), value: fc.maxSafeNat() }),
    fc.record({ kind: fc.constant('text' as const), value: fc.string({ unit: 'grapheme' }) }),
    fc.record({ kind: fc.constant('table' as const), value: tie('node') }),
    fc.record({ kind: fc.constant('tables' as const), value: fc.array(tie('node'), { maxLength: 3 }) }),
  ),
}));

function check(table: Table, expected: Node): void {
  expected.forEach((value, slot) => {
    assert.equal(table.has(slot), value !== null);
    if (value === null) return;
    if (value.kind === 'table') check(table.table(slot), value.value);
    else if (value.kind === 'tables') {
      const tables = table.tables(slot);
      assert.equal(tables.length, value.value.length);
      tables.forEach((one, i) => {
        check(one, value.value[i]!);
      });
    } else assert.equal(table[value.kind](slot), value.value);
  });
}

test('what is written is read back, in any nesting', () => {
  fc.assert(
    fc.property(node, (root) => {
      const bytes = writeRoot(root as TableValue);
      assert.equal(bytes.length % 8, 0);
      check(openRoot(bytes), root);
    }),
    { numRuns: 300 },
  );
});

test('structs stand on 8 bytes, whatever stands before them', () => {
  const structs = new BigInt64Array([1n, 0x77n, 3n, 4n, 5n, 6n]);
  for (const text of ['', 'a', 'abcdef']) {
    const bytes = writeRoot([
      { kind: 'text', value: text },
      { kind: 'structs', value: new Uint8Array(structs.buffer), width: 24 },
    ]);
    assert.equal((bytes.indexOf(0x77) - 8) % 8, 0);
    const read = openRoot(bytes).structs(1, 24);
    assert.deepEqual([read.length, read.long(0, 8), read.long(1, 16)], [2, 0x77, 6]);
    assert.equal(openRoot(bytes).text(0), text);
  }
});

test('a slot that is not there gives nothing', () => {
  const table = openRoot(writeRoot([{ kind: 'byte', value: 1 }]));
  assert.deepEqual(
    [table.has(7), table.byte(7), table.bool(7), table.short(7), table.int(7), table.long(7), table.text(7)],
    [false, 0, false, 0, 0, 0, ''],
  );
  assert.deepEqual(table.tables(7), []);
  assert.equal(table.structs(7, 16).length, 0);
  assert.throws(() => table.table(7), RangeError);
});

test('a text or a vector that would end outside is refused', () => {
  const bytes = writeRoot([{ kind: 'text', value: 'abcdef' }]);
  const view = new DataView(bytes.buffer);
  const at = bytes.indexOf(0x61) - 4;
  assert.equal(view.getUint32(at, true), 6);
  view.setUint32(at, 60, true);
  assert.throws(() => openRoot(bytes).text(0), RangeError);
  assert.throws(() => openRoot(bytes).structs(0, 16), RangeError);
});

test('whatever the bytes are, nothing outside of them is read', () => {
  const value: Value = { kind: 'tables', value: [[{ kind: 'text', value: 'abc' }], [{ kind: 'long', value: 5 }]] };
  const good = writeRoot([value, { kind: 'table', value: [{ kind: 'int', value: 3 }] }]);
  const walk = (table: Table): void => {
    table.structs(0, 16);
    for (const one of table.tables(0)) {
      one.text(0);
      one.long(0);
    }
    table.table(1).int(0);
  };
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, length) => {
      const bytes = good.slice(0, length);
      if (at < bytes.length) bytes[at] = byte;
      try {
        walk(openRoot(bytes));
      } catch (thrown) {
        assert(thrown instanceof RangeError, String(thrown));
      }
    }),
    { numRuns: 500 },
  );
});
