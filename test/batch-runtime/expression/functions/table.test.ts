import assert from 'node:assert/strict';
import { test } from 'node:test';
import { areas, functions, rowOf } from '#runtime/expression/functions/table.ts';
import { columnRef } from '#runtime/expression/functions.ts';
import { typeOf } from '../random.ts';
import { caseCall, cases } from './cases.ts';
import { compare, withDuckDb } from './duckdb.ts';
import { formCases, refusedCases } from './form-cases.ts';
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

test('numbers and moments of a form give what they give as what they are computed as, and what every type has is as in DuckDB', async () => {
  const rows = await withDuckDb(async (duck) => {
    let compared = 0;
    for (const one of formCases) compared += await compare(duck, one);
    return compared;
  });
  assert(rows > 30_000, `${rows} rows`);
  // Each function of numbers and of moments is among them.
  const ofKinds = cases.filter(({ kinds }) => kinds.some((kind) => ['int32', 'float64', 'timestamp'].includes(kind))).map(({ fn }) => fn);
  assert.deepEqual(
    ofKinds.filter((fn) => fn !== 'cast' && fn !== 'tryCast' && !formCases.some((one) => one.fn === fn)),
    [],
  );
});

test('nothing is computed from bytes, times of day and nanoseconds, though their kind could be', () => {
  for (const one of refusedCases) {
    const args = one.kinds.map((kind, k) => columnRef({ name: `c${k}`, type: typeOf(kind), nullable: true }));
    assert.throws(() => caseCall(one, args), { code: 'EXPRESSION_TYPE' }, `${one.fn}(${one.kinds.join()})`);
  }
  assert(refusedCases.length > 100, `${refusedCases.length}`);
});
