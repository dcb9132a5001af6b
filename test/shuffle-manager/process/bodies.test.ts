import assert from 'node:assert/strict';
import { test } from 'node:test';
import fastify from 'fastify';
import { Type } from 'typebox';
import { bodies } from '#manager/process/bodies.ts';

test('a body that fits reaches its route as it is, one that does not is refused with its deepest fault', async () => {
  const app = fastify({ schemaController: bodies });
  const body = Type.Object({ inner: Type.Object({ n: Type.Integer() }) }, { additionalProperties: false });
  app.post('/', { schema: { body, response: { 200: Type.Object({}) } } }, (request) => request.body);
  const post = (payload: object) => app.inject({ method: 'POST', url: '/', payload });
  const fits = await post({ inner: { n: 1 } });
  // Answers are not cut to their schema.
  assert.deepEqual([fits.statusCode, fits.json()], [200, { inner: { n: 1 } }]);
  for (const [payload, words] of [
    [{ inner: { n: '1' } }, /inner\.n must be integer/],
    [{ inner: { n: 1 }, more: 1 }, /more schema is false/],
    [{}, /the body must have required properties inner/],
  ] as const) {
    const refused = await post(payload);
    assert.equal(refused.statusCode, 400);
    assert.match(refused.json().message, words);
  }
  await app.close();
});
