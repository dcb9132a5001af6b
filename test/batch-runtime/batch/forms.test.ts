import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columnTypeText, formOf, plainType, sameType, typeOfForm } from '#runtime/batch/batch.ts';
import { fitForm, forms } from '#runtime/batch/forms.ts';
import { createBatchEncoder, decodeBatch } from '#runtime/batch/ipc.ts';
import { decodeSchema, encodeSchema } from '#runtime/batch/ipc-schema.ts';
import { fromPlain, fromRows, plainValue, rowsOf } from '#runtime/batch/rows.ts';
import { valueAt } from '#runtime/expression/values.ts';
import { run } from '#runtime/index.ts';
import * as declared from '#runtime/schema.ts';
import formJob from './form-job.ts';
import { formBatch, formEdges, formNames } from './form-values.ts';

test('each form is a type by its name, computed as its kind', () => {
  for (const form of formNames) {
    const type = typeOfForm(form);
    assert.equal(columnTypeText(type), form);
    assert.equal(formOf(type), form);
    assert.equal(type.kind, forms[form].kind);
    assert.equal(formOf(plainType(type)), null);
    assert.ok(sameType(type, typeOfForm(form)) && !sameType(type, plainType(type)));
    const [name, unit] = form.split(/[()]/) as [keyof typeof declared, string?];
    assert.deepEqual((declared[name] as (options?: object) => declared.Declared<unknown>)(unit === undefined ? {} : { unit }).type, type);
  }
});

test('values come back from rows, from plain values and from a shuffle as they were', () => {
  for (const form of formNames) {
    const batch = formBatch(form);
    const values = [...formEdges[form], null];
    const at = (of: typeof batch) => values.map((_, i) => valueAt(of.columns[1]!, i));
    assert.deepEqual(at(batch), values, form);
    assert.deepEqual(at(fromRows(batch.schema, [...rowsOf(batch)])), values, form);
    const plain = values.map((_, i) => batch.columns.map((column) => plainValue(column, i)));
    assert.deepEqual(at(fromPlain(batch.schema, JSON.parse(JSON.stringify(plain)) as typeof plain)), values, form);
    assert.deepEqual(decodeSchema(encodeSchema(batch.schema)), batch.schema, form);
    assert.deepEqual(at(decodeBatch(batch.schema, createBatchEncoder(batch.schema).encode(batch).slice())), values, form);
  }
});

test('rows show what users know: numbers, bigints, bytes and Temporal', () => {
  const shown = (form: (typeof formNames)[number]) => [...rowsOf(formBatch(form))][0]!['v'];
  const tags = formNames.map((form) => {
    const value = shown(form);
    return typeof value === 'object' ? (value as object as { [Symbol.toStringTag]: string })[Symbol.toStringTag] : typeof value;
  });
  assert.deepEqual(tags.slice(0, 9), ['number', 'number', 'number', 'number', 'number', 'bigint', 'number', 'Uint8Array', 'Temporal.PlainTime']);
  assert.deepEqual(new Set(tags.slice(9)), new Set(['Temporal.Instant', 'Temporal.PlainDateTime']));
});

test('what does not fit is an error that names the form', () => {
  for (const [form, value] of [
    ['int8', 128],
    ['uint8', -1],
    ['uint16', 65_536],
    ['uint32', -1],
    ['uint64', 2n ** 64n],
    ['float32', 1e39],
    ['time', 86_400_000_000],
  ] as const) {
    assert.throws(() => fitForm<number | bigint>(value, form), { code: 'VALUE_OUT_OF_RANGE', message: new RegExp(`does not fit in ${form}`) });
  }
  const row = (type: declared.Declared<unknown>, v: unknown) => () => fromRows([{ name: 'v', type: type.type, nullable: false }], [{ v }]);
  assert.throws(row(declared.int8(), 300), { code: 'VALUE_OUT_OF_RANGE' });
  assert.throws(row(declared.uint64(), -1n), { code: 'VALUE_OUT_OF_RANGE' });
  assert.throws(row(declared.bytes(), 'text'), { code: 'ROW_TYPE' });
  assert.throws(row(declared.time(), 5), { code: 'ROW_TYPE' });
  assert.throws(row(declared.localTimestamp(), 5), { code: 'ROW_TYPE' });
  assert.throws(() => declared.timestamp({ unit: 'min' as never }), { code: 'EXPRESSION_TYPE', message: /units are s, ms, us and ns/ });
});

test('a job filters, groups, joins and sorts by columns of forms, with values as rows have them', async () => {
  const running = await run(formJob, { shuffle: 'memory' });
  const found = [];
  for await (const each of running.rows()) found.push(each);
  await running.done();
  await running.close();
  assert.deepEqual(
    found.map(({ id, double, hour, text, s_total, s_last, s_first }) => [id, double, hour, text, s_total, s_last, s_first?.toString() ?? null]),
    [
      [2n ** 64n - 1n, 204, 2, '\\xFF\\x00', 202, 2n ** 64n - 1n, '00:30:00'],
      [2n ** 63n, 202, 1, '\\xFF\\x01', 101, 2n ** 63n, '01:30:00'],
      [7n, 206, 3, null, null, null, null],
    ],
  );
  assert.equal(String(found[0]!.month), '2020-02-01T00:00:00');
  assert.deepEqual(found[0]!.key, Uint8Array.of(255, 0));
});
