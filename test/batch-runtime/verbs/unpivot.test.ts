import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ours, planOf, theirs } from './plans.ts';

test('columns become rows, nulls give none', async () => {
  assert.deepEqual(
    ours((t) => t.unpivot({ columns: ['v', 'w'], name: 'which', value: 'number' })),
    await theirs('from (unpivot t on v, w into name which value number)'),
  );
  assert.deepEqual(
    planOf((t) => t.unpivot({ columns: ['v', 'w'], name: 'which', value: 'number' }))
      .nodes.at(-1)!
      .schema.map(({ name, nullable }) => `${name}${nullable ? '?' : ''}`),
    ['a?', 'b', 'which', 'number'],
  );
});

test('what makes no sense is refused', () => {
  const refused = (columns: readonly string[], name: string, message: RegExp) =>
    assert.throws(() => planOf((t) => t.unpivot({ columns: columns as ['v'], name, value: 'number' })), { message });
  refused(['v', 'a'], 'which', /cast one of them/);
  refused([], 'which', /no columns/);
  refused(['v'], 'b', /two columns named b/);
  refused(['z'], 'which', /z/);
});
