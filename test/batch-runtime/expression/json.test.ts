import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jsonField, parsePath } from '#runtime/expression/json.ts';
import { decodeText, encodeText, TextArena } from '#runtime/expression/text.ts';

function field(text: string, path: string): string | null {
  const bytes = encodeText(`[${text}]`);
  const arena = new TextArena(0);
  return jsonField(arena, bytes, 1, bytes.length - 1, parsePath(path)) ? decodeText(arena.bytes, 0, arena.top) : null;
}

test('a path is steps to members and elements', () => {
  const steps = (path: string) => parsePath(path).map((step) => ('name' in step ? step.name : step.index));
  assert.deepEqual(steps('$'), []);
  assert.deepEqual(steps('$.a.b[0][12]'), ['a', 'b', 0, 12]);
  assert.deepEqual(steps('$."a.b".c d[-1][#-2]'), ['a.b', 'c d', -1, -2]);
  assert.deepEqual(steps('$."q\\"x"'), ['q"x']);
  for (const path of ['', 'a', '$.', '$a', '$.a.', '$[', '$[x]', '$[*]', '$.*', '$..a', '$.""', '$.a[0'])
    assert.throws(() => parsePath(path), { code: 'EXPRESSION_TYPE' }, path);
});

test('on any JSON, in any layout, it gives what JSON.parse leads to', () => {
  const key = fc.constantFrom('a', 'b', 'é"', 'x.y', '\n');
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, false, 0, -1.5, 1e21, '', 'text', 'é\n"\\', '😀'),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(key, tie('tree'), { maxKeys: 3 }),
    ),
  }));
  const step = fc.oneof(key, fc.integer({ min: -2, max: 2 }));
  let found = 0;
  fc.assert(
    fc.property(tree, fc.array(step, { maxLength: 3 }), fc.constantFrom(0, 1, '\t'), (value, steps, indent) => {
      const path = `$${steps.map((each) => (typeof each === 'number' ? `[${each}]` : `."${each.replace(/["\\]/g, '\\$&')}"`)).join('')}`;
      let expected: unknown = value;
      for (const each of steps) {
        if (typeof each === 'number') expected = Array.isArray(expected) ? expected.at(each) : undefined;
        else
          expected =
            typeof expected === 'object' && expected !== null && !Array.isArray(expected) && Object.hasOwn(expected, each)
              ? (expected as Record<string, unknown>)[each]
              : undefined;
      }
      const text = expected === undefined || expected === null ? null : typeof expected === 'string' ? expected : JSON.stringify(expected);
      assert.equal(field(JSON.stringify(value, null, indent), path), text);
      if (text !== null) found++;
    }),
    { numRuns: 500 },
  );
  assert(found > 50, `${found} found`);
});

test('what JSON.parse refuses is refused, also behind what the path leads to', () => {
  const bits = ['{', '}', '[', ']', '"a"', ':', ',', '1', '-', '0', '.5', 'e1', 'true', 'nul', 'null', ' ', '\\', '"\\u00e9"', '"\\x"', '\u0001'];
  const counts = { valid: 0, not: 0 };
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...bits), { maxLength: 7 }), (parts) => {
      const text = parts.join('');
      let valid = true;
      try {
        JSON.parse(text);
      } catch {
        valid = false;
      }
      counts[valid ? 'valid' : 'not']++;
      if (valid) field(text, '$.a');
      else assert.throws(() => field(text, '$.a'), { code: 'VALUE_OUT_OF_RANGE' }, text);
    }),
    { numRuns: 3000 },
  );
  assert(counts.valid > 50 && counts.not > 500, JSON.stringify(counts));
  assert.throws(() => field('{"a":1} x', '$.a'), { code: 'VALUE_OUT_OF_RANGE' });
  assert.throws(() => field('['.repeat(5000), '$'), { code: 'VALUE_OUT_OF_RANGE' });
});

test('the first of members with one name counts; escapes in names are read; numbers keep their digits', () => {
  assert.equal(field('{"a":1,"a":2}', '$.a'), '1');
  assert.equal(field('{"\\u0061":{"b":12345678901234567890.10}}', '$.a.b'), '12345678901234567890.10');
  assert.equal(field('"\\ud83d\\ude00"', '$'), '😀');
  assert.throws(() => field('"\\ud83d"', '$'), { code: 'VALUE_OUT_OF_RANGE' });
});
