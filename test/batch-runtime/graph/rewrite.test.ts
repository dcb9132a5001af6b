import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, columnRef, literal } from '#runtime/expression/functions.ts';
import type { JoinKind } from '#runtime/graph/plan.ts';
import { inputsOf } from '#runtime/graph/plan.ts';
import { allOf, columnsIn, conjuncts, consumersOf, joinSchema, reference, replaceColumns, rewrite, rowBytes } from '#runtime/graph/rewrite.ts';
import { plans } from './jobs.ts';

const field = (name: string, nullable = false) => ({ name, type: { kind: 'int32' as const }, nullable });
const above = (name: string) => call('gt', [columnRef(field(name)), literal(1, { kind: 'int32' })]);

test('rebuilding with nothing changed changes nothing', () => {
  for (const plan of Object.values(plans)) {
    assert.deepEqual(
      rewrite(plan, (node, _, add) => add(node)),
      plan,
    );
  }
});

test('inputs follow nodes that move', () => {
  const plan = plans['groups']!;
  const shifted = rewrite(plan, (node, id, add) => {
    if (id === 0) add({ kind: 'values', uid: 'extra', rows: [], schema: [] });
    return add(node);
  });
  assert.deepEqual(
    shifted.nodes.slice(1).map(inputsOf),
    plan.nodes.map((node) => inputsOf(node).map((input) => input + 1)),
  );
  assert.equal(shifted.result, plan.result! + 1);
});

test('consumers are who names a node, and the result', () => {
  const plan = plans['joins']!;
  const consumers = consumersOf(plan);
  plan.nodes.forEach((node, id) => {
    for (const input of inputsOf(node)) assert.ok(consumers[input]!.includes(id));
  });
  assert.deepEqual(consumers[plan.result!], [-1]);
  assert.equal(consumers.flat().length, plan.nodes.flatMap(inputsOf).length + 1);
});

test('conditions come apart and together again', () => {
  const parts = [above('a'), above('b'), above('c')];
  assert.deepEqual(conjuncts(allOf(parts)), parts);
  assert.deepEqual(conjuncts(above('a')), [above('a')]);
});

test('columns of an expression are found and replaced', () => {
  const condition = allOf([above('a'), above('b')]);
  assert.deepEqual([...columnsIn(condition)], ['a', 'b']);
  const replaced = replaceColumns(condition, (name) => reference(field(name === 'a' ? 'z' : name)));
  assert.deepEqual([...columnsIn(replaced)], ['z', 'b']);
});

test('a join gives the left side, then the right one without its keys', () => {
  const left = [field('a'), field('k')];
  const right = [field('id'), field('x')];
  const names = (how: JoinKind) =>
    joinSchema(left, right, { how, leftKeys: ['k'], rightKeys: ['id'], prefix: 'r_' }).map(({ name, nullable }) => [name, nullable]);
  assert.deepEqual(names('inner'), [
    ['a', false],
    ['k', false],
    ['r_x', false],
  ]);
  assert.deepEqual(names('left')[2], ['r_x', true]);
  // A key that only the right side has is given, so it is not null.
  assert.deepEqual(names('right'), [
    ['a', true],
    ['k', false],
    ['r_x', false],
  ]);
  assert.deepEqual(
    names('full').map(([, nullable]) => nullable),
    [true, false, true],
  );
  for (const how of ['semi', 'anti'] as const) assert.equal(names(how).length, 2);
});

test('the width of a row is the sum of its columns', () => {
  assert.equal(rowBytes([field('a'), { name: 'b', type: { kind: 'float64' }, nullable: true }]), 12);
});
