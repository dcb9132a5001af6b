import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMetrics } from '#manager/process/metrics.ts';

test('numbers are read when asked for; counters do not add up over reads; labels and histograms work', async () => {
  const table = {
    commits: { name: 't_commits_total', type: 'counter', help: 'commits', labels: [] },
    load: { name: 't_load', type: 'gauge', help: 'load', labels: ['worker'] },
    seconds: { name: 't_seconds', type: 'histogram', help: 'seconds', labels: ['call'], buckets: [1, 10] },
  } as const;
  let commits = 3;
  const metrics = openMetrics(table, () => ({ commits, load: [{ labels: { worker: 'a' }, value: 0.5 }] }));
  metrics.observe('seconds', { call: 'x' }, 5);
  await metrics.text();
  commits = 4;
  metrics.observe('seconds', { call: 'x' }, 20);
  metrics.observe('seconds', { call: 'y' }, 10);
  const { body, contentType } = await metrics.text();
  assert.match(contentType, /^text\/plain/);
  assert.match(body, /^t_commits_total 4$/m);
  assert.match(body, /^# HELP t_load load$/m);
  assert.match(body, /^t_load\{worker="a"\} 0\.5$/m);
  assert.match(body, /^t_seconds_bucket\{le="1",call="x"\} 0$/m);
  assert.match(body, /^t_seconds_bucket\{le="10",call="x"\} 1$/m);
  assert.match(body, /^t_seconds_bucket\{le="\+Inf",call="x"\} 2$/m);
  assert.match(body, /^t_seconds_sum\{call="x"\} 25$/m);
  assert.match(body, /^t_seconds_count\{call="x"\} 2$/m);
  assert.match(body, /^t_seconds_count\{call="y"\} 1$/m);
  assert.match(body, /^process_cpu_seconds_total /m);
});
