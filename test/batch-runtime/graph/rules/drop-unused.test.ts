import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dropUnused } from '#runtime/graph/rules/drop-unused.ts';
import { csv, int32, job, schema } from '#runtime/index.ts';
import { buildGraph } from '#runtime/job.ts';

test('tables that nothing uses leave the plan, and the rest is renumbered', () => {
  const rows = schema({ a: int32() });
  const { plan } = buildGraph(
    job({
      name: 'test',
      build(flow) {
        flow.read(csv('unused', { schema: rows })).limit(3);
        const used = flow.read(csv('used', { schema: rows }));
        used.filter((t) => t.a.gt(1));
        used.limit(2).write(csv('out'));
        return used;
      },
    }),
  );
  const dropped = dropUnused(plan);
  assert.deepEqual(
    dropped.nodes.map((node) => [node.uid, 'input' in node ? node.input : null]),
    [
      ['read-2', null],
      ['limit-4', 0],
      ['write-5', 1],
    ],
  );
  assert.equal(dropped.result, 0);
});
