import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arithmetics } from '#runtime/expression/functions/arithmetic.ts';
import { choices } from '#runtime/expression/functions/choice.ts';
import { comparisons } from '#runtime/expression/functions/compare.ts';
import { conversions } from '#runtime/expression/functions/conversion.ts';
import { hashes } from '#runtime/expression/functions/hash.ts';
import { jsons } from '#runtime/expression/functions/json.ts';
import { logics } from '#runtime/expression/functions/logic.ts';
import { maths } from '#runtime/expression/functions/math.ts';
import { regexps } from '#runtime/expression/functions/regexp.ts';
import { roundings } from '#runtime/expression/functions/rounding.ts';
import { searches } from '#runtime/expression/functions/search.ts';
import { functions, rowOf } from '#runtime/expression/functions/table.ts';
import { texts } from '#runtime/expression/functions/text.ts';
import { times } from '#runtime/expression/functions/time.ts';
import { timeFields } from '#runtime/expression/functions/time-fields.ts';
import { timeTexts } from '#runtime/expression/functions/time-text.ts';
import { cases } from './cases.ts';

test('no name is in two areas, and every function has a case that compares it with DuckDB', () => {
  const areas = [
    comparisons,
    choices,
    conversions,
    logics,
    arithmetics,
    roundings,
    maths,
    texts,
    searches,
    regexps,
    jsons,
    times,
    timeFields,
    timeTexts,
    hashes,
  ];
  assert.deepEqual(areas.flatMap((area) => Object.keys(area)).sort(), Object.keys(functions).sort());
  assert.deepEqual(
    Object.keys(functions).filter((fn) => !cases.some((one) => one.fn === fn)),
    [],
  );
});

test('a name that is not there is refused, and so is one of an object', () => {
  assert.equal(rowOf('eq'), functions['eq']);
  for (const fn of ['equals', 'constructor', '']) assert.throws(() => rowOf(fn), { code: 'EXPRESSION_TYPE' });
});
