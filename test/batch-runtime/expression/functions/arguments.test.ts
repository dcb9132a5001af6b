import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SimpleKind } from '#runtime/batch/batch.ts';
import type { Expression } from '#runtime/expression/expression.ts';
import { castTo, fixed, int32, literalText, numericArgs, text, unify, utf8, want, wantCount } from '#runtime/expression/functions/arguments.ts';
import { literal } from '#runtime/expression/functions/literal.ts';

const column = (kind: SimpleKind, nullable = false): Expression => ({ op: 'column', name: kind, type: { kind }, nullable });
const refused = (work: () => unknown, message: RegExp): void => assert.throws(work, { code: 'EXPRESSION_TYPE', message });

test('arguments are widened to one type: literals at once, others by a cast', () => {
  const { args, type } = unify('eq', [column('int64', true), literal(5, int32), column('int32')]);
  assert.equal(type.kind, 'int64');
  assert.deepEqual(args[1], { op: 'literal', value: '5', type, nullable: false });
  assert.deepEqual(args[2], { op: 'call', fn: 'cast', args: [column('int32')], type, nullable: false });
  assert.equal(castTo(column('date'), { kind: 'date' }).op, 'column');
  refused(() => unify('eq', [column('utf8'), column('int32')]), /eq cannot take utf8, int32: cast one of them/);
});

test('text written down beside a time is read as one', () => {
  assert.deepEqual(unify('lt', [column('date'), literal('1970-01-02', utf8)]).args[1], literal(1, { kind: 'date' }));
});

test('how many arguments there are and of which kinds is checked', () => {
  refused(() => wantCount('f', [], 1), /f takes 1 arguments, not 0/);
  refused(() => wantCount('f', [], 1, 2), /f takes 1 to 2 arguments/);
  refused(() => wantCount('f', [], 1, Number.POSITIVE_INFINITY), /any number of/);
  refused(() => want('f', [column('int32')], text), /f takes \(utf8\), not \(int32\)/);
  refused(() => numericArgs('f', [column('bool')], 1), /f takes numbers, not bool/);
  refused(() => literalText('f', column('utf8')), /written down/);
  assert.equal(literalText('f', literal('a', utf8)), 'a');
  const signature = fixed(int32, text)('f', [column('utf8', true)], undefined);
  assert.deepEqual([signature.type, signature.nullable], [int32, true]);
});
