import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Batch, Schema } from '#runtime/batch/batch.ts';
import { texts } from '#runtime/expression/functions/text.ts';
import { call, columnRef } from '#runtime/expression/functions.ts';
import { interpret } from '#runtime/expression/interpret.ts';
import { columnOf } from '../random.ts';
import { agree, withDuckDb } from './duckdb.ts';

test('on all combinations of edge values they give what DuckDB gives', async () => {
  const rows = await agree(texts);
  assert(rows > 1500, `${rows} rows`);
});

test('lower and upper case map every code point as DuckDB does, but for those newer than its tables', async () => {
  const points = Array.from({ length: 0x1_ffff }, (_, k) => k + 1).filter((k) => k < 0xd800 || k > 0xdfff);
  const answer = await withDuckDb((duck) =>
    duck.runAndReadAll(`select unicode(lower(chr(i))), unicode(upper(chr(i))) from unnest([${points.join(',')}]) t(i)`),
  );
  const one: Schema = [{ name: 'x', type: { kind: 'utf8' }, nullable: false }];
  const batch: Batch = {
    schema: one,
    length: points.length,
    columns: [
      columnOf(
        'utf8',
        points.map((k) => String.fromCodePoint(k)),
      ),
    ],
  };
  // Cased in Unicode 16 and 17, and with a partner there.
  const newer = /^[\u{19b}\u{264}\u{1c89}\u{1c8a}\u{a7cb}-\u{a7dc}\u{10d50}-\u{10d85}\u{16ea0}-\u{16ed3}]$/u;
  const different: string[] = [];
  for (const [k, fn] of (['lower', 'upper'] as const).entries()) {
    const expression = call(fn, [columnRef(one[0]!)]);
    answer.getRows().forEach((row, i) => {
      const given = interpret(expression, batch, i) as string;
      if (given.codePointAt(0) !== row[k] && !newer.test(String.fromCodePoint(points[i]!))) different.push(`${fn} U+${points[i]!.toString(16)}`);
    });
  }
  assert.deepEqual(different, []);
});
