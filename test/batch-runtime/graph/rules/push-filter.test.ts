import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expressionText } from '#runtime/graph/explain.ts';
import type { Plan } from '#runtime/graph/plan.ts';
import { pushFilters } from '#runtime/graph/rules/push-filter.ts';
import { topN } from '#runtime/graph/rules/top-n.ts';
import { count, csv, type Flow, int32, job, list, schema, udf, utf8 } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';

const rows = schema({ k: utf8(), a: int32(), b: int32().nullable() });
const side = schema({ id: utf8(), size: int32().nullable() });
const built = (build: (flow: Flow) => unknown): Plan => buildGraph(job({ name: 'test', build: (flow) => build(flow) as undefined })).plan;
/** Each node in a word, with what filters and predicates say. */
const shape = (plan: Plan): string[] =>
  plan.nodes.map((node) =>
    node.kind === 'filter'
      ? `filter ${expressionText(node.condition)}`
      : node.kind === 'scan' && node.predicate !== null
        ? `scan where ${expressionText(node.predicate)}`
        : node.kind,
  );
const read = (flow: Flow) => flow.read(csv('rows', { schema: rows }));
const readSide = (flow: Flow) => flow.read(csv('side', { schema: side }));

test('through renames, under their old names, and to the source', () => {
  const plan = pushFilters(
    built((flow) =>
      read(flow)
        .rename({ a: 'x' })
        .filter((t) => t.x.gt(1)),
    ),
  );
  assert.deepEqual(shape(plan), ['scan where a > 1', 'filter a > 1', 'project']);
});

test('not through what is computed, and only the parts that can go', () => {
  const plan = pushFilters(
    built((flow) =>
      read(flow)
        .derive((t) => ({ x: t.a.mul(2) }))
        .filter((t) => t.x.gt(1).and(t.k.eq('a'))),
    ),
  );
  assert.deepEqual(shape(plan), ["scan where k = 'a'", "filter k = 'a'", 'project', 'filter x > 1']);
});

test('what can throw stays where it was written, guarded by the filter below it', () => {
  const double = udf([int32()], int32(), (a) => a * 2);
  const plan = built((flow) =>
    read(flow)
      .filter((t) => t.a.ne(0))
      .rename({ k: 'key' })
      .filter((t) => t.a.mod(t.a).eq(0).and(double(t.a).gt(1))),
  );
  assert.deepEqual(shape(pushFilters(plan)), ['scan where a <> 0', 'filter a <> 0', 'project', 'filter ((a % a) = 0) and (function#0(a) > 1)']);
});

test('into the side of a join it speaks of; not into the right side of a left join', () => {
  const join = (how: 'inner' | 'left') =>
    shape(
      pushFilters(
        built((flow) =>
          read(flow)
            .join(readSide(flow), { on: { k: 'id' }, how, prefix: 's_' })
            .filter((t) => t.a.gt(1).and(t.s_size.lt(5))),
        ),
      ),
    );
  assert.deepEqual(join('inner'), ['scan where a > 1', 'scan where size < 5', 'filter a > 1', 'filter size < 5', 'join']);
  assert.deepEqual(join('left'), ['scan where a > 1', 'scan', 'filter a > 1', 'join', 'filter s_size < 5']);
});

test('below the keys of a group, not below its aggregates or a total', () => {
  const grouped = built((flow) =>
    read(flow)
      .groupBy('k')
      .aggregate((t) => ({ n: count(), a: t.a.max() }))
      .filter((t) => t.k.eq('x').and(t.a.gt(1))),
  );
  assert.deepEqual(shape(pushFilters(grouped)), ["scan where k = 'x'", "filter k = 'x'", 'aggregate', 'filter a > 1']);
  const total = built((flow) =>
    read(flow)
      .aggregate(() => ({ n: count() }))
      .filter((t) => t.n.gt(1)),
  );
  assert.deepEqual(shape(pushFilters(total)), ['scan', 'aggregate', 'filter n > 1']);
});

test('below a sort, never below a limit', () => {
  const sorted = built((flow) =>
    read(flow)
      .orderBy('a')
      .filter((t) => t.a.gt(1)),
  );
  assert.deepEqual(shape(pushFilters(sorted)), ['scan where a > 1', 'filter a > 1', 'sort']);
  const limited = built((flow) =>
    read(flow)
      .orderBy('a')
      .limit(3)
      .filter((t) => t.a.gt(1)),
  );
  assert.deepEqual(shape(pushFilters(limited)), ['scan', 'sort', 'limit', 'filter a > 1']);
  assert.deepEqual(shape(pushFilters(topN(limited))), ['scan', 'sort', 'filter a > 1']);
});

test('what several nodes read is not filtered for one of them', () => {
  const plan = built((flow) => {
    const t = read(flow);
    t.filter((r) => r.a.gt(1)).write(csv('some'));
    t.write(csv('all'));
  });
  assert.deepEqual(shape(pushFilters(plan)), shape(plan));
});

test('columns that dropNulls was asked for are not null from where it went', () => {
  const plan = pushFilters(built((flow) => read(flow).rename({ b: 'c' }).dropNulls('c')));
  assert.deepEqual(shape(plan), ['scan where isNotNull(b)', 'filter isNotNull(b)', 'project']);
  const nullable = (id: number, name: string) => plan.nodes[id]!.schema.find((field) => field.name === name)!.nullable;
  assert.deepEqual([nullable(0, 'b'), nullable(1, 'b'), nullable(2, 'c')], [true, false, false]);
});

test('filters above filters become one, in order', () => {
  const plan = pushFilters(
    built((flow) =>
      read(flow)
        .filter((t) => t.a.gt(1))
        .filter((t) => t.k.eq('x')),
    ),
  );
  assert.deepEqual(shape(plan), ["scan where (a > 1) and (k = 'x')", "filter (a > 1) and (k = 'x')"]);
});

test('into every input of a union', () => {
  const plan = built((flow) =>
    read(flow)
      .select('k', 'a')
      .union(readSide(flow).select((t) => ({ k: t.id, a: t.size.coalesce(0) })))
      .filter((t) => t.k.ne('x').and(t.a.mod(2).eq(1))),
  );
  assert.deepEqual(shape(pushFilters(plan)), [
    "scan where k <> 'x'",
    "filter k <> 'x'",
    'project',
    "scan where id <> 'x'",
    "filter id <> 'x'",
    'project',
    'union',
    'filter (a % 2) = 1',
  ]);
});

test('into the left side of an as-of join, not into the right: of what is left aside no row can be the last', () => {
  const plan = built((flow) =>
    read(flow)
      .join(readSide(flow), { on: { k: 'id' }, asOf: { left: 'b', right: 'size' } })
      .filter((t) => t.a.gt(1).and(t.size.lt(5))),
  );
  assert.deepEqual(shape(pushFilters(plan)), ['scan where a > 1', 'scan', 'filter a > 1', 'join', 'filter size < 5']);
});

test('below an unnest, when it speaks of another column', () => {
  const nested = schema({ a: int32(), tags: list(utf8()) });
  const plan = built((flow) =>
    flow
      .read(csv('rows', { schema: nested }))
      .unnest('tags', { as: 'tag', ordinality: 'n' })
      .filter((t) => t.a.gt(1).and(t.tag.eq('x')).and(t.n.lt(3))),
  );
  assert.deepEqual(shape(pushFilters(plan)), ['scan where a > 1', 'filter a > 1', 'unnest', "filter (tag = 'x') and (n < 3)"]);
});
