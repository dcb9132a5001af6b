/** Every row of docs/SEMANTICS.md's table: that DuckDB does the one thing and this engine the other. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { SluiceError } from '#manager/protocol/errors.ts';
import { callOf, createAccumulator } from '#runtime/aggregate/table.ts';
import { type ColumnType, type SimpleKind, typeOfForm } from '#runtime/batch/batch.ts';
import { fromPlain, type PlainValue, plainValue } from '#runtime/batch/rows.ts';
import { end } from '#runtime/element.ts';
import type { Expression } from '#runtime/expression/expression.ts';
import { call, columnRef, literal } from '#runtime/expression/functions.ts';
import { interpret } from '#runtime/expression/interpret.ts';
import { bool, count, type Flow, int32, job, schema } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';
import { createAggregate } from '#runtime/operators/aggregate.ts';
import { runPlan } from './batch-runtime/graph/reference.ts';

let instance: DuckDBInstance;
let duck: DuckDBConnection;
before(async () => {
  instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  duck = await instance.connect();
});
after(() => {
  duck.closeSync();
  instance.closeSync();
});

const theirs = async (sql: string): Promise<unknown> => {
  try {
    const value = (await duck.runAndReadAll(`SELECT ${sql}`)).getRows()[0]![0];
    return typeof value === 'bigint' ? String(value) : value;
  } catch {
    return 'error';
  }
};

const value = (of: string | number | boolean, kind: SimpleKind): Expression => literal(of, { kind });
const cast = (of: Expression, kind: SimpleKind): Expression => ({ ...call('cast', [of], { kind }) });
const nothing = fromPlain([], [[]]);
/** What an expression gives, or the code of its error. */
const ours = (expression: () => Expression): unknown => {
  try {
    const given = interpret(expression(), nothing, 0);
    return typeof given === 'bigint' ? String(given) : given;
  } catch (thrown) {
    return (thrown as SluiceError).code;
  }
};

function sumOf(kind: SimpleKind, values: readonly PlainValue[]): unknown {
  const type = { kind } as ColumnType;
  const field = { name: 'x', type, nullable: false };
  const aggregate = { name: 's', fn: 'sum', argument: columnRef(field), filter: null, type, nullable: true } as const;
  const operator = createAggregate(
    { uid: 'sum', kind: 'aggregate', input: 0, phase: 'complete', keys: [], aggregates: [aggregate], schema: [{ name: 's', type, nullable: true }] },
    [field],
    [],
  );
  try {
    const given: unknown[] = [];
    const batch = fromPlain(
      [field],
      values.map((one) => [one]),
    );
    for (const element of [{ kind: 'batch', batch } as const, end]) {
      for (const out of operator.process(element, 0)) if (out.kind === 'batch') given.push(plainValue(out.batch.columns[0]!, 0));
    }
    return given[0];
  } catch (thrown) {
    return (thrown as SluiceError).code;
  }
}

const matched = (text: string, pattern: string): unknown =>
  ours(() => call('matches', [value(text, 'utf8'), value(pattern, 'utf8'), value('', 'utf8')]));

const least = '-9223372036854775808';
const most = '9223372036854775807';
const cases: Readonly<Record<string, () => Promise<void>>> = {
  async 'mod-zero'() {
    assert.equal(await theirs('7 % 0'), null);
    assert.equal(
      ours(() => call('mod', [value(7, 'int32'), value(0, 'int32')])),
      'DIVISION_BY_ZERO',
    );
  },
  async 'mod-minus-one'() {
    assert.equal(await theirs(`(${least})::BIGINT % (-1)::BIGINT`), 'error');
    assert.equal(
      ours(() => call('mod', [value(least, 'int64'), value('-1', 'int64')])),
      '0',
    );
  },
  async 'integer-limit'() {
    assert.equal(await theirs('9007199254740991::BIGINT + 1'), '9007199254740992');
    assert.equal(
      ours(() => call('add', [value('9007199254740991', 'integer'), value('1', 'integer')])),
      'VALUE_OUT_OF_RANGE',
    );
    assert.equal(
      ours(() => call('add', [value('9007199254740991', 'int64'), value('1', 'int64')])),
      '9007199254740992',
    );
  },
  async 'sum-limit'() {
    assert.equal(await theirs(`sum(x) FROM (VALUES (${most}), (1)) t(x)`), '9223372036854775808');
    assert.equal(sumOf('int64', [most, '1']), 'VALUE_OUT_OF_RANGE');
    assert.equal(sumOf('int64', [most, '1', '-1']), most);
  },
  async 'variance-infinite'() {
    assert.equal(await theirs("var_pop(x) FROM (VALUES ('inf'::DOUBLE), (1)) t(x)"), 'error');
    const argument = columnRef({ name: 'x', type: { kind: 'float64' }, nullable: false });
    const variance = createAccumulator({ name: 'v', ...callOf('variancePop', { argument, filter: null }, true) });
    variance.grow(1);
    variance.update(
      new Int32Array(2),
      2,
      fromPlain([{ name: 'x', type: { kind: 'float64' }, nullable: false }], [['Infinity'], [1]]).columns[0]!,
      [],
    );
    assert.deepEqual(plainValue(variance.final(1), 0), 'NaN');
  },
  async 'grouping-empty'() {
    assert.equal(await theirs('count(*) FROM (SELECT a FROM (SELECT 1 a WHERE false) GROUP BY ROLLUP (a))'), '1');
    const build = (flow: Flow) =>
      flow
        .rows(schema({ x: bool() }), [])
        .groupBy('x')
        .rollup()
        .aggregate(() => ({ n: count() }));
    const { plan } = buildGraph(job({ name: 'none', build }));
    assert.deepEqual(runPlan(plan, {})['result'], []);
  },
  async 'as-of-null'() {
    const joined = (rows: number) =>
      `count(*) FROM (SELECT NULL::INTEGER a, range % 3 k FROM range(${rows})) l ASOF JOIN (SELECT 1 b, range % 3 k FROM range(${rows})) r ON l.k = r.k AND l.a >= r.b`;
    assert.equal(await theirs(joined(4)), '0');
    assert.equal(await theirs(joined(5000)), '5000');
    const numbers = schema({ a: int32().nullable() });
    const build = (flow: Flow) =>
      flow.rows(numbers, [{ a: null }]).join(flow.rows(numbers, [{ a: 1 }, { a: null }]), { asOf: { left: 'a', right: 'a' }, prefix: 'r_' });
    const { plan } = buildGraph(job({ name: 'none', build }));
    assert.deepEqual(runPlan(plan, {})['result'], []);
  },
  async 'decimal-text'() {
    assert.equal(await theirs('0.5::DECIMAL(1,1)::VARCHAR'), '.5');
    const half = literal('0.5', { kind: 'decimal', precision: 1, scale: 1 });
    assert.equal(
      ours(() => cast(half, 'utf8')),
      '0.5',
    );
  },
  async 'decimal-float'() {
    assert.equal(await theirs('typeof(0.5::DECIMAL(1,1) + 1::DOUBLE)'), 'DOUBLE');
    const half = literal('0.5', { kind: 'decimal', precision: 1, scale: 1 });
    assert.equal(
      ours(() => call('add', [half, value(1, 'float64')])),
      'EXPRESSION_TYPE',
    );
  },
  async 'narrow-sum'() {
    assert.equal(await theirs('100::TINYINT + 100::TINYINT'), 'error');
    const small = literal(100, typeOfForm('int8'));
    assert.equal(
      ours(() => call('add', [small, small])),
      200,
    );
    assert.deepEqual(call('add', [small, small]).type, { kind: 'int32' });
  },
  async 'narrow-float'() {
    assert.equal(await theirs('(0.1::FLOAT + 0.2::FLOAT)::DOUBLE'), Math.fround(Math.fround(0.1) + Math.fround(0.2)));
    const single = (of: number): Expression => literal(Math.fround(of), typeOfForm('float32'));
    assert.equal(
      ours(() => call('add', [single(0.1), single(0.2)])),
      Math.fround(0.1) + Math.fround(0.2),
    );
  },
  async units() {
    assert.equal(await theirs("TIMESTAMP_MS '2020-01-01 00:00:00.9'::TIMESTAMP_S"), 'error');
    const millis = literal('2020-01-01 00:00:00.9', typeOfForm('timestamp(ms)'));
    assert.equal(
      ours(() => call('cast', [call('cast', [millis], typeOfForm('timestamp(s)'))], { kind: 'utf8' })),
      '2020-01-01 00:00:01',
    );
  },
  async 'time-of-text'() {
    assert.equal(await theirs("'2020-01-02 03:04:05'::TIME::VARCHAR"), '03:04:05');
    assert.equal(
      ours(() => call('cast', [value('2020-01-02 03:04:05', 'utf8')], typeOfForm('time'))),
      'VALUE_OUT_OF_RANGE',
    );
  },
  async 'max-of-bool'() {
    assert.equal(await theirs('max(x) FROM (VALUES (true), (false)) t(x)'), true);
    const flags = schema({ x: bool() });
    const build = () =>
      buildGraph(
        job({
          name: 'max',
          build: (flow) =>
            flow.rows(flags, [{ x: true }]).aggregate((t) => ({ m: (t.x as unknown as { max(): ReturnType<typeof t.x.count> }).max() })),
        }),
      );
    assert.throws(build, { code: 'EXPRESSION_TYPE' });
  },
  async 'cast-text-to-whole'() {
    for (const [text, whole] of [
      ['1.5', 2],
      ['1e3', 1000],
    ] as const) {
      assert.equal(await theirs(`'${text}'::INTEGER`), whole);
      assert.equal(
        ours(() => cast(value(text, 'utf8'), 'int32')),
        'VALUE_OUT_OF_RANGE',
      );
      assert.equal(
        ours(() => cast(cast(value(text, 'utf8'), 'float64'), 'int32')),
        whole,
      );
    }
  },
  async 'cast-text-to-date'() {
    const text = '2024-02-29 23:59:59.5';
    assert.equal(await theirs(`('${text}'::DATE)::VARCHAR`), '2024-02-29');
    assert.equal(
      ours(() => cast(value(text, 'utf8'), 'date')),
      'VALUE_OUT_OF_RANGE',
    );
    assert.equal(
      ours(() => cast(cast(cast(value(text, 'utf8'), 'timestamp'), 'date'), 'utf8')),
      '2024-02-29',
    );
  },
  async 'cast-float-edge'() {
    assert.equal(await theirs('(2147483647.5::DOUBLE)::INTEGER'), -2147483648);
    assert.equal(
      ours(() => cast(value(2147483647.5, 'float64'), 'int32')),
      'VALUE_OUT_OF_RANGE',
    );
  },
  async 'epoch-millis'() {
    assert.equal(await theirs('epoch_ms(make_timestamp(-1500))'), '-1');
    assert.equal(
      ours(() => call('epochMillis', [value('-1500', 'timestamp')])),
      -2,
    );
  },
  async 'case-newer'() {
    // Latin capital letter s with diagonal stroke and its small partner, of Unicode 16.
    assert.equal(await theirs('unicode(lower(chr(42956)))'), 42956);
    assert.equal(
      ours(() => call('lower', [value('\u{a7cc}', 'utf8')])),
      '\u{a7cd}',
    );
  },
  async 'date-edge'() {
    assert.equal(await theirs("isinf('infinity'::DATE) AND date_diff('day', DATE '1970-01-01', DATE '5881580-07-10') = 2147483646"), true);
    assert.equal(
      ours(() => call('plusDays', [value(2147483646, 'date'), value(1, 'int32')])),
      2147483647,
    );
  },
  async 'pad-long'() {
    assert.equal(await theirs("lpad('abc', 2, ' ')"), 'ab');
    assert.equal(
      ours(() => call('padStart', [value('abc', 'utf8'), value(2, 'int32'), value(' ', 'utf8')])),
      'abc',
    );
  },
  async reverse() {
    assert.equal(await theirs("reverse('e' || chr(769) || 'x')"), 'xe\u0301');
    assert.equal(
      ours(() => call('reverse', [value('e\u0301x', 'utf8')])),
      'x\u0301e',
    );
  },
  async 'split-null'() {
    assert.equal(String(await theirs("string_split('a', NULL)")), "['a']");
    assert.equal(
      ours(() => call('split', [value('a', 'utf8'), literal(null, { kind: 'utf8' })])),
      null,
    );
  },
  async 'json-text'() {
    assert.equal(await theirs(`json_extract_string('{"a":1e2}', '$.a')`), '100.0');
    assert.equal(
      ours(() => call('json', [value('{"a":1e2}', 'utf8'), value('$.a', 'utf8')])),
      '1e2',
    );
  },
  async 'json-nan'() {
    assert.equal(await theirs("json_extract_string('nan', '$')"), 'nan');
    assert.equal(
      ours(() => call('json', [value('nan', 'utf8'), value('$', 'utf8')])),
      'VALUE_OUT_OF_RANGE',
    );
  },
  async 'regexp-space'() {
    assert.equal(await theirs("regexp_matches(chr(160), '\\s')"), false);
    assert.equal(matched('\u00a0', '\\s'), true);
  },
  async 'regexp-dot'() {
    for (const [code, dot] of [
      [10, false],
      [13, true],
      [0x2028, true],
    ] as const) {
      assert.equal(await theirs(`regexp_matches(chr(${code}), '.')`), dot);
      assert.equal(matched(String.fromCharCode(code), '.'), false);
    }
  },
  async 'regexp-group'() {
    assert.equal(await theirs("regexp_extract('ba', '(a|(b))+', 2)"), 'b');
    assert.equal(
      ours(() => call('extract', [value('ba', 'utf8'), value('(a|(b))+', 'utf8'), value('', 'utf8'), value(2, 'int32')])),
      '',
    );
  },
  async 'regexp-replacement'() {
    assert.equal(await theirs("regexp_replace('ab', '(a)', '\\1$1')"), 'a$1b');
    assert.equal(
      ours(() => call('replaceMatches', [value('ab', 'utf8'), value('(a)', 'utf8'), value('', 'utf8'), value('\\1$1', 'utf8')])),
      '\\1ab',
    );
  },
};

const documented = [...readFileSync(new URL('../docs/SEMANTICS.md', import.meta.url), 'utf8').matchAll(/^\| `([\w-]+)` \|/gm)].map(
  (match) => match[1]!,
);

test('every exception that is written down is tested, and no other', () => {
  assert.deepEqual(documented, Object.keys(cases));
});
for (const [name, check] of Object.entries(cases)) test(`SEMANTICS ${name}`, check);

test('every decision names a test that there is', () => {
  const page = readFileSync(new URL('../docs/SEMANTICS.md', import.meta.url), 'utf8');
  const rows = [...page.slice(page.indexOf('## What SQL leaves open')).matchAll(/^\| .* \| `([^`]+\.test\.ts)`: (.*) \|$/gm)];
  assert(rows.length >= 15, `${rows.length} rows`);
  for (const [, file, title] of rows) {
    const source = readFileSync(new URL(`batch-runtime/${file}`, import.meta.url), 'utf8');
    assert(source.includes(`test('${title}'`) || source.includes(`test("${title}"`), `${file}: ${title}`);
  }
});
