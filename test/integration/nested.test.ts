// Lists and structs through whole jobs: sources, exchanges, joins, sorts, groups and sinks, over several partitions and beyond memory.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type RunOptions, run } from '#runtime/index.ts';
import nested, { given, placeOf, tagsOf } from '../fixtures/jobs/nested.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-nested-'));
after(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'rows');

async function rows(what: string, options: RunOptions = {}, format = 'arrow'): Promise<unknown[]> {
  const params = { what, format, path: `${path}-${format}` };
  await using r = await run(nested, { shuffle: 'memory', partitions: 5, ...options, params });
  const all: unknown[] = [];
  if (what !== 'write') for await (const row of r.rows()) all.push(row);
  await r.done();
  return all;
}

before(async () => {
  await rows('write');
  await rows('write', {}, 'parquet');
  await rows('write', {}, 'json');
});

const ids = given.map(({ id }) => id);
const expected: Readonly<Record<string, () => unknown[]>> = {
  all: () => given,
  limited: () => given.filter(({ tags }) => tags !== null).slice(0, 50),
  joined: () => given.map(({ id, tags, place }) => ({ id, tags, place: id > 100 ? place : null })),
  counted() {
    const groups = new Map<string | null, { n: number; cities: Set<string> }>();
    for (const { tags, place } of given)
      for (const tag of tags ?? []) {
        const group = groups.get(tag) ?? { n: 0, cities: new Set() };
        groups.set(tag, group);
        group.n++;
        if (place !== null) group.cities.add(place.city);
      }
    const order = [...groups].sort(([a], [b]) => (a === null ? 1 : b === null ? -1 : a < b ? -1 : 1));
    return order.map(([tag, { n, cities }]) => ({ tag, n, cities: cities.size }));
  },
  gathered: () =>
    [0, 1, 2, 3, 4, 5, 6].map((seventh) => {
      const own = ids.filter((id) => id % 7 === seventh);
      const early = own.filter((id) => id < 20).map(tagsOf);
      return { seventh, ids: own, first: placeOf(own[0]!), tags: early, some: own[0], has: own.includes(3) };
    }),
  rows: () =>
    given.map(({ id, tags, place }) => ({
      id,
      text: `${(tags ?? []).join('+')} ${place?.at[1] ?? null} ${tags?.length ?? null}`,
      lengths: (tags ?? []).map((tag) => tag?.length ?? -1),
    })),
};

for (const what of Object.keys(expected)) {
  test(`${what}: as plain loops have it, optimised and not`, async () => {
    assert.deepEqual(await rows(what), expected[what]!());
    assert.deepEqual(await rows(what, { optimize: false, partitions: 1 }), expected[what]!());
  });
}

test('from Parquet and NDJSON', async () => {
  for (const format of ['parquet', 'json'])
    for (const what of ['all', 'counted', 'rows']) assert.deepEqual(await rows(what, {}, format), expected[what]!(), format);
});

test('beyond memory, and through workers', async () => {
  for (const what of ['joined', 'gathered', 'counted'])
    assert.deepEqual(await rows(what, { shuffle: 'local', memoryBudgetBytes: 64 * 1024 }), expected[what]!(), `${what} in little memory`);
  assert.deepEqual(await rows('gathered', { shuffle: 'remote' }), expected['gathered']!());
});
