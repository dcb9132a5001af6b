import assert from 'node:assert/strict';
import { test } from 'node:test';
import { areas, functions, rowOf } from '#runtime/expression/functions/table.ts';
import { cases } from './cases.ts';
import { nestedCases } from './nested-cases.ts';

test('no name is in two areas, and every function has a case that compares it with DuckDB', () => {
  assert.deepEqual(
    Object.values(areas)
      .flatMap((area) => Object.keys(area))
      .sort(),
    Object.keys(functions).sort(),
  );
  assert.deepEqual(
    Object.keys(functions).filter((fn) => ![...cases, ...nestedCases].some((one) => one.fn === fn)),
    [],
  );
});

test('a name that is not there is refused, and so is one of an object', () => {
  assert.equal(rowOf('eq'), functions['eq']);
  for (const fn of ['equals', 'constructor', '']) assert.throws(() => rowOf(fn), { code: 'EXPRESSION_TYPE' });
});
