import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { tableFromIPC } from 'apache-arrow';
import { columnTypeText, type Schema, typeOfForm } from '#runtime/batch/batch.ts';
import type { Form } from '#runtime/batch/forms.ts';
import { fromRows } from '#runtime/batch/rows.ts';
import { bitsOf, holds, toUnit } from '#runtime/connectors/form-columns.ts';
import { inspectFile } from '#runtime/connectors/inspect.ts';
import { parquetSource } from '#runtime/connectors/parquet-source.ts';
import { sinkOf, sourceOf } from '#runtime/connectors/table.ts';
import { textOf } from '#runtime/expression/cast.ts';
import { call, columnRef } from '#runtime/expression/functions.ts';
import { rowOfValue } from '#runtime/expression/udf.ts';
import { compareValues, type Value } from '#runtime/expression/values.ts';
import { rowsIn } from '../batch/columns.ts';
import { formBatch, formEdges, formNames, sqlTypes } from '../batch/form-values.ts';
import { withDuckDb } from '../expression/functions/duckdb.ts';
import { scan } from './scan.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-forms-'));
after(() => rmSync(folder, { recursive: true }));

const formats = { parquet: '.parquet', arrow: '.arrow', csv: '.csv', json: '.ndjson' } as const;

async function written(connector: keyof typeof formats, form: Form): Promise<string> {
  const batch = formBatch(form);
  const path = join(folder, `${form.replace(/\W/g, '')}-${connector}${formats[connector]}`);
  const spec = { connector, path, overwrite: true };
  const sink = sinkOf(spec);
  await sink.prepare(spec, 'job');
  const writer = await sink.createWriter(spec, batch.schema, { job: 'job', task: 0, attempt: 0 });
  await writer.write(batch);
  await sink.publish(spec, 'job', [await writer.finish()]);
  return path;
}

async function read(connector: keyof typeof formats, path: string, schema: Schema): Promise<Value[]> {
  const source = sourceOf({ connector });
  const request = { source: { connector, path, rejects: null }, schema, predicate: null };
  const rows: Value[] = [];
  for (const split of await source.plan(request))
    for await (const batch of source.read(request, split, { job: 'j', task: 0, attempt: 0 })) rows.push(...rowsIn(batch).map((row) => row[1]!));
  return rows;
}

for (const form of formNames) {
  test(`${form} is written to every format and read back`, async () => {
    const { schema } = formBatch(form);
    for (const connector of Object.keys(formats) as (keyof typeof formats)[]) {
      const path = await written(connector, form);
      // In text an empty value of bytes is one.
      assert.deepEqual(await read(connector, path, schema), [...formEdges[form], null], connector);
      if (connector !== 'parquet' && connector !== 'arrow') continue;
      const found = (await inspectFile(path)).columns[1]!;
      // Parquet has no seconds, and both tell a unit only by how fine it is.
      const base = form.startsWith('local') ? 'localTimestamp' : 'timestamp';
      const expected = form.endsWith('(s)') || form.endsWith('(ms)') ? base : form;
      assert.equal(columnTypeText(found.type), expected, connector);
    }
  });
}

test('other programs see the types they know: DuckDB in Parquet, apache-arrow in Arrow files', async () => {
  await withDuckDb(async (duck) => {
    await duck.run("SET TimeZone = 'UTC'");
    for (const form of formNames) {
      const path = await written('parquet', form);
      const rows = (await duck.runAndReadAll(`SELECT typeof(v), v::VARCHAR FROM '${path}' ORDER BY i`)).getRows();
      const type =
        form.startsWith('timestamp(') && form !== 'timestamp(ns)'
          ? 'TIMESTAMP WITH TIME ZONE'
          : form.startsWith('local')
            ? 'TIMESTAMP'
            : sqlTypes[form];
      const seen = new Set(rows.map(([of]) => String(of)));
      assert.equal(seen.size, 1);
      const [only] = [...seen];
      assert.ok(only === type || (form.endsWith('(ns)') && only!.startsWith('TIMESTAMP')), `${form} is ${only}`);
      // DuckDB has no moments in nanoseconds with a zone.
      if (form === 'timestamp(ns)') continue;
      const texts = rows.map(([, text]) => (text === null ? null : String(text).replace(/\+00$/, '')));
      assert.deepEqual(texts, [...formEdges[form].map((value) => textOf(value, typeOfForm(form))), null], form);
    }
  });
  const arrow: Partial<Record<Form, string>> = {
    int8: 'Int8',
    uint16: 'Uint16',
    uint32: 'Uint32',
    uint64: 'Uint64',
    float32: 'Float32',
    bytes: 'Binary',
    time: 'Time64<MICROSECOND>',
    'timestamp(s)': 'Timestamp<SECOND, UTC>',
    'localTimestamp(ns)': 'Timestamp<NANOSECOND>',
  };
  for (const [form, type] of Object.entries(arrow)) {
    const table = tableFromIPC(readFileSync(await written('arrow', form as Form)));
    assert.equal(String(table.schema.fields[1]!.type), type);
  }
});

test('row groups whose bounds rule a value out are left out, in files of ours and of DuckDB', async () => {
  await withDuckDb(async (duck) => {
    await duck.run("SET TimeZone = 'UTC'");
    // Of whole numbers without a sign no bounds are believed; float64 has none above, NaN is beyond it.
    for (const form of formNames.filter((each) => !each.startsWith('uint'))) {
      const type = typeOfForm(form);
      const field = { name: 'v', type, nullable: false };
      const sorted = [...new Set(formEdges[form])].sort((a, b) => compareValues(a, b));
      const own = join(folder, `bounds-${form.replace(/\W/g, '')}`);
      const spec = { connector: 'parquet', path: own, overwrite: true };
      const sink = sinkOf(spec);
      await sink.prepare(spec, 'job');
      const written = [];
      for (const [task, value] of sorted.entries()) {
        const writer = await sink.createWriter(spec, [field], { job: 'job', task, attempt: 0 });
        await writer.write(fromRows([field], [{ v: rowOfValue(value, type) }]));
        written.push(await writer.finish());
      }
      await sink.publish(spec, 'job', written);
      const theirs = join(folder, `theirs-${form.replace(/\W/g, '')}`);
      mkdirSync(theirs);
      for (const [i, value] of sorted.entries())
        await duck.run(`COPY (SELECT '${textOf(value, type)}'::${sqlTypes[form]} AS v) TO '${theirs}/${i}.parquet' (FORMAT parquet)`);
      // DuckDB has moments in nanoseconds without a zone only; all others are read with one or without.
      for (const path of [own, theirs]) {
        for (const [i, value] of sorted.entries()) {
          const predicate = call('lte', [columnRef(field), { op: 'literal', value: restingText(value), type, nullable: false }]);
          const { rows } = await scan(parquetSource, { connector: 'parquet', path }, [field], predicate);
          assert.equal(rows.length, i + 1, `${form}: at most ${textOf(value, type)} of ${path}`);
        }
      }
    }
  });
});

const restingText = (value: NonNullable<Value>) => (typeof value === 'bigint' ? String(value) : value);

test('which whole numbers of a file hold which', () => {
  assert.deepEqual(bitsOf(typeOfForm('uint16')), { bits: 16, signed: false });
  assert.deepEqual(bitsOf({ kind: 'integer' }), { bits: 64, signed: true });
  assert.equal(bitsOf(typeOfForm('time')), null);
  assert.equal(bitsOf({ kind: 'float64' }), null);
  const pairs = [
    ['int16', 8, true, true],
    ['int16', 8, false, true],
    ['int8', 8, false, false],
    ['uint8', 8, true, false],
    ['uint64', 32, false, true],
    ['uint32', 64, false, false],
    ['float32', 8, true, false],
  ] as const;
  for (const [form, bits, signed, expected] of pairs) assert.equal(holds(form, bits, signed), expected, `${form} ${bits}`);
});

test('units: exact, or an error that says what was lost', () => {
  const lanes = (value: bigint) => new Int32Array(BigInt64Array.of(value).buffer);
  const back = (words: Int32Array) => new BigInt64Array(words.slice().buffer)[0];
  assert.equal(back(toUnit(lanes(-5n), 'ms', 'us', 'c')), -5000n);
  assert.equal(back(toUnit(lanes(-5000n), 'ns', 'us', 'c')), -5n);
  assert.throws(() => toUnit(lanes(5001n), 'ns', 'us', 'column c'), {
    code: 'VALUE_OUT_OF_RANGE',
    message: /column c holds the time 5001 ns, finer than a us/,
  });
  assert.throws(() => toUnit(lanes(2n ** 62n), 's', 'ns', 'column c'), { code: 'VALUE_OUT_OF_RANGE', message: /beyond what ns in 64 bits can say/ });
});

test('bytes are bytes in every encoding that DuckDB writes', async () => {
  const path = join(folder, 'deltas.parquet');
  await withDuckDb(async (duck) => {
    const bytes = "from_hex(printf('%08X', (i * 40503 + 2147483648) % 4294967296))";
    await duck.run(`COPY (SELECT i::INTEGER AS i, ${bytes} AS v FROM range(3000) t(i)) TO '${path}' (FORMAT parquet, PARQUET_VERSION v2)`);
  });
  const { schema } = formBatch('bytes');
  const found = await read('parquet', path, schema);
  const expected = Array.from({ length: 3000 }, (_, i) =>
    Buffer.from(((i * 40_503 + 2 ** 31) % 2 ** 32).toString(16).padStart(8, '0'), 'hex').toString('latin1'),
  );
  assert.deepEqual(found, expected);
});
