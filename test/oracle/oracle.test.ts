import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { aggregates as aggregateTable } from '#runtime/aggregate/table.ts';
import { areas, functions } from '#runtime/expression/functions/table.ts';
import { rankings } from '#runtime/window/ranking.ts';
import { isDecimal } from './carried.ts';
import { type Expr, type Frame, type Output, used } from './case.ts';
import { difference, multisetHash } from './compare.ts';
import { drivers } from './drivers.ts';
import { openDuck } from './duckdb.ts';
import { planOf } from './engine.ts';
import { generate } from './generate.ts';
import { operators, runOracle, shortOf, type Verdict } from './oracle.ts';

const verdictKeys = ['seed', 'cases', 'nonEmpty', 'compared', 'regionsWritten', 'byOperator', 'wrong'];

test('50 random jobs are answered as DuckDB answers them, on all three drivers', async () => {
  const told: string[] = [];
  const verdict = await runOracle({ seed: 6, cases: 50, only: null, drivers, tell: (text) => told.push(text) });
  assert.deepEqual(told, []);
  assert.deepEqual(shortOf(verdict), []);
  assert.deepEqual(Object.keys(verdict), verdictKeys);
  assert.equal(verdict.cases, 50);
  assert.ok(verdict.compared >= 150);
});

/** Runs the program; its exit code, and its last line. */
const program = (...args: readonly string[]): Promise<{ code: number; verdict: Verdict; out: string }> =>
  new Promise((settle, refuse) => {
    execFile(process.execPath, [fileURLToPath(new URL('./main.ts', import.meta.url)), ...args], (error, out, errors) => {
      const last = out.trim().split('\n').at(-1) ?? '';
      if (!last.startsWith('{')) return refuse(new Error(`${out}\n${errors}`));
      settle({ code: error === null ? 0 : Number(error.code), verdict: JSON.parse(last) as Verdict, out });
    });
  });

test('an operator that is broken on purpose is found, and the case can be run again by itself', async () => {
  const planted = await program('--seed', '2', '--cases', '9', '--drivers', 'memory', '--plant');
  assert.equal(planted.code, 1);
  assert.ok(planted.verdict.wrong > 0);
  assert.deepEqual(Object.keys(planted.verdict), verdictKeys);
  const replay = /npm run oracle -- (--seed 2 --case \d+)/.exec(planted.out)?.[1];
  assert.ok(replay, planted.out);
  const right = await program(...replay.split(' '), '--drivers', 'memory');
  assert.equal(right.code, 0, right.out);
});

test('a case is a function of its seed, and plain JSON', () => {
  for (let number = 0; number < 20; number++) {
    const one = generate(5, number);
    assert.deepEqual(JSON.parse(JSON.stringify(one)), one);
    assert.deepEqual(generate(5, number), one);
    assert.notDeepEqual(generate(5, number, 1), one);
  }
});

test('a plan in words is the same every time, has every stage, and is small whatever the number of partitions', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-oracle-plans-'));
  const duck = await openDuck();
  try {
    for (let number = 0; number < 8; number++) {
      const one = { ...generate(4, number), partitions: 5000 };
      const at = join(folder, String(number));
      const prepared = { folder: at, values: await duck.prepare(one, at) };
      const { text, stages } = await planOf(one, prepared);
      assert.equal((await planOf(one, prepared)).text, text);
      assert.equal(text.match(/^stage \d+, one task /gm)?.length, stages.stages.length);
      assert.doesNotMatch(text, /undefined|\[object/);
      assert.ok(JSON.stringify(stages).length < 100_000 && text.length < 20_000, `${text.length} characters`);
    }
  } finally {
    duck.close();
    rmSync(folder, { recursive: true });
  }
});

test('whatever the seed, 50 cases have every verb', () => {
  const verbs = ['read', 'filter', 'derive', 'select', 'drop', 'rename', 'dropNulls', 'aggregate', 'join', 'orderBy', 'limit', 'topN'];
  for (let seed = 0; seed < 100; seed++) {
    const counts = new Map<string, number>();
    for (let number = 0; number < 50; number++) {
      const one = generate(seed, number);
      for (const at of used(one)) {
        const step = one.steps[at]!;
        const verb = step.op === 'limit' && one.steps[step.input]!.op === 'orderBy' ? 'topN' : step.op;
        counts.set(verb, (counts.get(verb) ?? 0) + 1);
      }
    }
    for (const verb of ['window', 'subtotals', 'unpivot', 'repartition', 'union', 'open', 'gather'])
      assert.ok((counts.get(verb) ?? 0) >= 2, `${verb} with seed ${seed}`);
    for (const verb of verbs) assert.ok((counts.get(verb) ?? 0) >= 5, `${verb} occurs ${counts.get(verb) ?? 0} times with seed ${seed}`);
  }
});

test('every function of the table is in random jobs, but for the hash, which DuckDB has not', () => {
  const seen = new Set<string>();
  const look = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    const { op, fn } = value as { op?: string; fn?: string };
    if (op === 'call') seen.add(fn!);
    for (const each of Object.values(value)) look(each);
  };
  for (let number = 0; number < 4000; number++) look(generate(3, number).steps);
  assert.deepEqual(
    new Set(Object.keys(functions).filter((fn) => !seen.has(fn))),
    // Of lists and structs there are steps of their own.
    new Set(['hash', ...Object.keys(areas['Lists and structs']!)]),
  );
});

test('every aggregate, window function, kind of join and operation of decimals is in random jobs', () => {
  const seen = new Set<string>();
  const look = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    const { op, fn, args, frame } = value as { op?: string; fn?: string; args?: readonly Expr[]; frame?: Frame };
    if (op === 'call' && args!.some(({ kind }) => isDecimal(kind))) seen.add(`${fn} of decimals`);
    else if (op !== 'call' && fn !== undefined) seen.add(fn).add(frame === undefined ? fn : `${frame.unit} of ${fn}`);
    for (const each of Object.values(value)) look(each);
  };
  for (let number = 0; number < 3000; number++) {
    const { steps } = generate(3, number);
    look(steps);
    for (const step of steps) {
      seen.add(step.op);
      if (step.op === 'rows' || step.op === 'subtotals') seen.add(step.verb);
      if (step.op !== 'join' || step.asOf !== null) continue;
      seen.add(`${step.how} join ${step.on.length === 0 ? 'without' : 'with'} keys ${step.where === null ? 'without' : 'with'} a condition`);
    }
  }
  // For lists, texts in order and sketches there are steps of their own.
  const ownSteps = ['toList', 'joinText', 'approxCountDistinct', 'approxQuantile'];
  const joins = (['inner', 'left', 'right', 'full', 'semi', 'anti'] as const).flatMap((how) => [
    `${how} join with keys without a condition`,
    `${how} join with keys with a condition`,
    `${how} join without keys with a condition`,
  ]);
  const wanted = [
    ...Object.keys(aggregateTable).filter((fn) => !ownSteps.includes(fn)),
    ...Object.keys(rankings),
    ...['count', 'sum', 'avg', 'min', 'max'].flatMap((fn) => [`rows of ${fn}`, `range of ${fn}`]),
    ...['first', 'last', 'countDistinct'].map((fn) => `rows of ${fn}`),
    ...joins,
    'inner join without keys without a condition',
    ...['add', 'sub', 'mul', 'div', 'mod', 'neg', 'abs', 'round', 'floor', 'ceil', 'cast', 'lt', 'eq', 'between', 'in'].map(
      (fn) => `${fn} of decimals`,
    ),
    ...['map', 'flatMap', 'filterRows', 'deriveRows', 'rollup', 'cube', 'groupingSets'],
    ...['pivot', 'distinct', 'intersect', 'except', 'inOrder', 'topGroups', 'approximate', 'sample'],
  ];
  assert.deepEqual(
    wanted.filter((each) => !seen.has(each)),
    [],
  );
});

test('a verdict falls short of its bounds by what is missing', () => {
  const byOperator = Object.fromEntries(operators.map((name) => [name, 5]));
  const enough: Verdict = { seed: 1, cases: 50, nonEmpty: 40, compared: 150, regionsWritten: 10, byOperator, wrong: 0 };
  assert.deepEqual(shortOf(enough), []);
  assert.equal(shortOf({ ...enough, wrong: 1 }).length, 1);
  assert.equal(shortOf({ ...enough, nonEmpty: 39 }).length, 1);
  assert.equal(shortOf({ ...enough, regionsWritten: 9 }).length, 1);
  assert.equal(shortOf({ ...enough, byOperator: { ...byOperator, topN: 4 } }).length, 1);
});

const output: Output = {
  step: 0,
  to: 'result',
  partitionBy: [],
  columns: [
    { name: 'k', kind: 'int32', inexact: false },
    { name: 'mean', kind: 'float64', inexact: true },
  ],
  order: [],
  any: null,
};
const ordered: Output = { ...output, order: [{ name: 'k', descending: false }] };

test('tables differ by a row, by how often it is there, by a value, and in order where they have one', () => {
  const table = [
    ['1', 0.5],
    ['1', 0.5],
    ['2', null],
  ];
  assert.equal(difference(output, table, [...table].reverse()), null);
  assert.equal(multisetHash(table), multisetHash([...table].reverse()));
  assert.match(difference(output, table, table.slice(1)) ?? '', /2 rows, expected 3/);
  assert.match(difference(output, table, [...table.slice(1), ['2', null]]) ?? '', /missing:\n {2}\["1",0.5\]/);
  assert.match(difference(output, table, [['1', 0.25], ...table.slice(1)]) ?? '', /not expected:\n {2}\["1",0.25\]/);
  assert.equal(difference(ordered, table, table), null);
  assert.match(difference(ordered, table, [...table].reverse()) ?? '', /out of order at row 0/);
});

test('an average may round either way in its twelfth digit, not in its eleventh', () => {
  const of = (mean: number) => [['7', mean]];
  assert.equal(difference(output, of(0.123456789012), of(0.123456789013)), null);
  assert.notEqual(difference(output, of(0.123456789012), of(0.123456789033)), null);
});

test('any rows will do for a limit without an order, if they are there and enough', () => {
  const any: Output = { ...output, any: 2 };
  const table = [
    ['1', 0.5],
    ['2', 0.5],
    ['3', 0.5],
  ];
  assert.equal(difference(any, table, table.slice(1)), null);
  assert.match(difference(any, table, table.slice(2)) ?? '', /1 rows, not 2/);
  assert.match(difference(any, table, [table[0]!, table[0]!]) ?? '', /not in the table/);
});
