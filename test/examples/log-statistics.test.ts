/** The log's statistics by day and by area, as DuckDB makes them of the same files. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import logStatistics from '../../examples/log-statistics.ts';
import { writeAccessLog } from '../../examples/write-access-log.ts';
import { folder, returned, rowsOf } from './duck.ts';

test('days and areas are those of DuckDB; half lines are in the rejects', async () => {
  const log = join(folder, 'log');
  const out = join(folder, 'statistics');
  writeAccessLog(log, 1, 8000);
  const columns = `columns = {time: 'TIMESTAMP', url: 'VARCHAR', status: 'INTEGER', bytes: 'BIGINT', ms: 'DOUBLE', referrer: 'VARCHAR', agent: 'VARCHAR', visitor: 'VARCHAR'}`;
  const hits = `(SELECT *, time::DATE AS day FROM read_json('${log}/*.gz', format = 'newline_delimited', ignore_errors = true, ${columns}) WHERE time IS NOT NULL AND visitor IS NOT NULL AND agent NOT LIKE '%Bot%')`;
  const days = await returned(logStatistics, { log, out });
  assert.deepEqual(
    days,
    await rowsOf(`SELECT day, count(*)::DOUBLE, count(DISTINCT visitor)::DOUBLE, (count(*) FILTER (WHERE status >= 500))::DOUBLE, sum(bytes)::DOUBLE, avg(ms), max(ms)
      FROM ${hits} GROUP BY day ORDER BY day`),
  );
  assert.equal(readFileSync(join(out, 'days.csv'), 'utf8').trim().split('\n').length, 1 + days.length);
  const areas = `SELECT day, CASE WHEN split_part(split_part(url, '?', 1), '/', 2) = '' THEN 'home' ELSE split_part(split_part(url, '?', 1), '/', 2) END AS area,
      coalesce(split_part(referrer, '/', 3), 'direct') AS "from", count(*)::DOUBLE AS requests FROM ${hits} WHERE status < 400 GROUP BY ALL`;
  assert.deepEqual(
    await rowsOf(
      `SELECT day, area, "from", requests::DOUBLE FROM read_json('${out}/areas.ndjson', columns = {day: 'DATE', area: 'VARCHAR', "from": 'VARCHAR', requests: 'BIGINT'})`,
    ),
    await rowsOf(`SELECT * FROM (${areas}) ORDER BY day, requests DESC, area, "from"`),
  );
  const rejects = readFileSync(join(out, 'rejects.csv'), 'utf8').trim().split('\n');
  assert.ok(rejects.length > 3);
  for (const reject of rejects.slice(1)) assert.match(reject, /\.ndjson\.gz,\d+,\d+,.*[^}]"$/);
});
