import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Operator } from '#runtime/operators/operator.ts';
import { elementsOf } from './run.ts';

test('an operator is a generator: it is not asked for more than is pulled', () => {
  let made = 0;
  const endless: Operator = {
    *process(element) {
      for (;;) {
        made++;
        yield element;
      }
    },
  };
  const elements = endless.process({ kind: 'end' }, 0)[Symbol.iterator]();
  elements.next();
  elements.next();
  assert.equal(made, 2);
  const passing: Operator = {
    *process(element) {
      yield element;
    },
  };
  assert.deepEqual(elementsOf(passing, []), [{ kind: 'end' }]);
});
