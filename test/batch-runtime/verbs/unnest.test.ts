import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldsOf, int32, integer, list, utf8 } from '#runtime/schema.ts';
import { unnested } from '#runtime/verbs/unnest.ts';

const fields = fieldsOf({ a: int32(), tags: list(utf8()).nullable(), z: utf8() });
const tags = fields[1]!;

test('the value stands where the list stood, its place behind all', () => {
  assert.deepEqual(unnested('u', fields, tags, {}), {
    column: 'tags',
    item: 'tags',
    ordinality: null,
    outer: false,
    schema: fieldsOf({ a: int32(), tags: utf8(), z: utf8() }),
  });
  const all = unnested('u', fields, tags, { as: 'tag', ordinality: 'n', outer: true });
  assert.deepEqual(all.schema, fieldsOf({ a: int32(), tag: utf8().nullable(), z: utf8(), n: integer().nullable() }));
});

test('what is no list, and a name that is there, are refused', () => {
  const refused = (options: object, message: RegExp, field = tags): void => {
    assert.throws(() => unnested('u-1', fields, field, options), { code: 'PLAN_UNSUPPORTED', message });
  };
  refused({}, /u-1: a is a int32, not a list/, fields[0]!);
  refused({ as: 'z' }, /u-1 gives two columns named z/);
  refused({ ordinality: 'tags' }, /two columns named tags/);
});
