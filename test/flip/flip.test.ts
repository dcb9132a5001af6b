import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flip, isRight } from './flip.ts';

test('what is harmed in files and frames comes out right, or as an error that names maps', async () => {
  const said: string[] = [];
  const tally = await flip(7, 20, (text) => said.push(text));
  assert.ok(isRight(tally), `${JSON.stringify(tally)}\n${said.join('\n')}`);
  assert.equal(tally.right + tally.typed, tally.hit);
});

test('the bounds: nothing wrong, nothing crashed, four of five runs hit, half of the hits right', () => {
  const good = { seed: 1, n: 10, hit: 8, right: 4, typed: 4, wrong: 0, crashed: 0 };
  assert.ok(isRight(good));
  for (const bad of [{ wrong: 1 }, { crashed: 1 }, { hit: 7 }, { right: 3 }]) assert.ok(!isRight({ ...good, ...bad }), JSON.stringify(bad));
});
