import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SluiceError } from '#manager/protocol/errors.ts';
import { placed, placedAt, placeOfCall, placeOfError } from '#runtime/graph/places.ts';
import { col, csv, int32, job, lit, run, schema, type Table, utf8 } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';
import { planJob } from '#runtime/schedule/planning.ts';
import type { Flow } from '#runtime/table.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-places-'));
after(() => rmSync(folder, { recursive: true }));
const file = fileURLToPath(import.meta.url);
const source = readFileSync(file, 'utf8').split('\n');
/** The line of this file that ends in this mark. */
const lineOf = (mark: string): number => 1 + source.findIndex((line) => line.endsWith(`// ${mark}`));

const read = (flow: Flow, path = 'a.csv') => flow.read(csv(join(folder, path), { schema: schema({ n: int32(), s: utf8() }) })); // read
type Loose = { readonly [verb: string]: (...given: unknown[]) => Loose };
const loose = (table: unknown) => table as Loose;
const step = (table: Table<{ n: number; s: string }>) => loose(table)['drop']!('x'); // helper

const mistakes: Readonly<Record<string, readonly [code: string, mark: string, build: (flow: Flow) => unknown]>> = {
  unknown: ['COLUMN_UNKNOWN', 'unknown', (flow) => read(flow).derive((t) => ({ a: (t as never)['m'] }))], // unknown
  type: ['EXPRESSION_TYPE', 'type', (flow) => read(flow).filter((t) => t.n as never)], // type
  verb: ['PLAN_UNSUPPORTED', 'verb', (flow) => loose(read(flow))['limit']!(-1)], // verb
  unused: ['EXPRESSION_UNUSED', 'unused', (flow) => read(flow).filter((t) => t.n.gt(1) && t.n.lt(3))], // unused
  literal: ['EXPRESSION_TYPE', 'literal', (flow) => read(flow).derive(() => ({ a: lit(null as never, int32()) }))], // literal
  declared: ['EXPRESSION_TYPE', 'declared', (flow) => read(flow).derive(() => ({ a: col('n', utf8()) }))], // declared
  helper: ['COLUMN_UNKNOWN', 'helper', (flow) => read(flow).pipe(step as never)],
};

for (const [name, [code, mark, build]] of Object.entries(mistakes)) {
  test(`a mistake in build says its line: ${name}`, () => {
    assert.throws(
      () => buildGraph(job({ name, build: (flow) => build(flow) as undefined })),
      (thrown: SluiceError) => {
        assert.equal(thrown.code, code);
        assert.match(thrown.message, new RegExp(`^\\S*places\\.test\\.ts:${lineOf(mark)}:\\d+: `));
        return true;
      },
    );
  });
}

const steps: Readonly<Record<string, (flow: Flow) => Table<never>>> = {
  missing: (flow) => read(flow, 'nowhere.csv') as never,
  differs: (flow) => read(flow, 'other.csv') as never,
  invalid: (flow) => read(flow, 'invalid.csv') as never,
  overflow: (flow) =>
    read(flow)
      .filter((t) => t.s.ne('x'))
      .derive((t) => ({ m: t.n.mul(2_000_000_000) })) // overflow
      .orderBy('n') as never,
  threw: (flow) => read(flow).map({ a: int32() }, ({ n }) => ({ a: BigInt(n) as never })) as never, // threw
};
export default job({ name: 'places', params: {}, build: (flow) => steps[process.env['PLACES_STEP'] ?? '']!(flow) as never });

test('a mistake in the data says the line of its verb', async () => {
  writeFileSync(join(folder, 'a.csv'), 'n,s\n2000000000,y\n');
  writeFileSync(join(folder, 'other.csv'), 'n,t\n1,y\n');
  writeFileSync(join(folder, 'invalid.csv'), 'n,s\nx,y\n');
  const { default: places } = (await import(import.meta.url)) as { default: Parameters<typeof run>[0] };
  for (const [name, code, verb, mark] of [
    ['missing', 'FILE_MISSING', 'read', 'read'],
    ['differs', 'SCHEMA_DIFFERS', 'read', 'read'],
    ['invalid', 'CSV_INVALID', 'read', 'read'],
    ['overflow', 'VALUE_OUT_OF_RANGE', 'derive', 'overflow'],
    ['threw', 'ROW_TYPE', 'map', 'threw'],
  ] as const) {
    process.env['PLACES_STEP'] = name;
    await assert.rejects(
      (async () => {
        await using r = await run(places, { shuffle: 'memory' });
        await r.done();
      })(),
      (thrown: SluiceError) => {
        assert.equal(thrown.code, code, thrown.message);
        assert.match(thrown.message, new RegExp(`^\\S*places\\.test\\.ts:${lineOf(mark)}:\\d+ \\(${verb}\\): `));
        return true;
      },
    );
  }
});

test('places are outside of the digest, and there for every node', async () => {
  const one = buildGraph(job({ name: 'd', build: (flow) => read(flow).limit(3) }));
  const two = buildGraph(job({ name: 'd', build: (flow) => read(flow).limit(3) }));
  assert.equal(one.digest, two.digest);
  assert.notDeepEqual(one.places, two.places);
  assert.deepEqual(Object.keys(one.places), ['read-0', 'limit-1']);
  await assert.rejects(
    planJob({ ...one, places: {} }, folder).then(() => Promise.reject(new SluiceError('USAGE', { what: 'x' }))),
    { code: 'USAGE' },
  );
});

test('what is nobody’s fault has no place, and the first place stays', () => {
  const places = { 'map-1': 'a.ts:3:4' };
  const lost = new SluiceError('MISSING', { shuffle: 1, maps: [1], what: 'x' });
  assert.equal(placedAt(lost, places, 'map-1'), lost);
  const range = new SluiceError('VALUE_OUT_OF_RANGE', { what: 'x' });
  const once = placedAt(range, places, 'map-1.columns') as SluiceError;
  assert.equal(once.message, 'a.ts:3:4 (map): x');
  assert.equal(placed(once, 'b.ts:1:1'), once);
  assert.equal(placedAt(range, places, 'map-2'), range);
  assert.equal(placeOfCall(''), null);
  assert.equal(placeOfError(range, 'file:///nowhere.ts'), null);
});
