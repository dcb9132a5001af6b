import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asSluiceError, codeOfWire, type ErrorCode, errors, fromJson, SluiceError, toJson } from '#manager/protocol/errors.ts';

test('numbers on the data plane are used once and lead back to their code', () => {
  const wired = Object.entries(errors).filter(([, row]) => row.wire > 0);
  assert.equal(new Set(wired.map(([, row]) => row.wire)).size, wired.length);
  for (const [code, row] of wired) assert.equal(codeOfWire(row.wire), code);
  assert.equal(codeOfWire(9999), 'INTERNAL');
});

test('facts fill the sentence, lists are cut, and the rest says ?', () => {
  assert.equal(new SluiceError('PORT_IN_USE', { port: 7, host: 'h' }).message, 'Port 7 on h is in use: choose another, or 0 for any');
  const maps = Array.from({ length: 30 }, (_, i) => i);
  assert.match(new SluiceError('MISSING', { shuffle: '1', maps }).message, /18, 19 and 10 more \(\?\)/);
  assert.equal(new SluiceError('MISSING').remedy, 'recompute');
});

test('an error survives JSON; an unknown one becomes INTERNAL with its words', () => {
  for (const code of Object.keys(errors) as ErrorCode[]) {
    const there = new SluiceError(code, { what: 'x', maps: [1, 2] });
    const back = fromJson(JSON.parse(JSON.stringify(toJson(there))));
    assert.deepEqual([back.code, back.message, back.facts], [there.code, there.message, there.facts]);
  }
  assert.match(fromJson({ code: 'NEW', message: 'of tomorrow', facts: {} }).message, /of tomorrow/);
  const cause = new Error('boom');
  assert.equal(asSluiceError(cause).cause, cause);
  assert.equal(asSluiceError('text').code, 'INTERNAL');
});
