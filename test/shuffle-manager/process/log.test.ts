import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openLog } from '#manager/process/log.ts';
import { mintToken } from '#manager/protocol/token.ts';

test('lines are JSON with the name and the level; tokens and secrets are cut out', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-log-'));
  try {
    const file = join(folder, 'logs', 'manager.log');
    const log = openLog({ name: 'manager', level: 'info', file });
    const token = mintToken({ secret: 'a long enough secret', cluster: 'c' }, { scope: 'job', job: 1 }, 1e12);
    log.info({ token, secret: 'hush', headers: { authorization: `Bearer ${token}` }, job: 1 }, `called with ${token}`);
    log.warn({}, 'careful');
    log.error({ code: 'NO_SPACE' }, 'full');
    const text = readFileSync(file, 'utf8');
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      lines.map((line) => [line['name'], line['level'], line['msg']]),
      [
        ['manager', 30, 'called with v1.[cut]'],
        ['manager', 40, 'careful'],
        ['manager', 50, 'full'],
      ],
    );
    assert.equal(lines[0]?.['job'], 1);
    assert.ok(!text.includes(token) && !text.includes('hush'));
    log.close();
    log.info({}, 'too late');
    assert.equal(readFileSync(file, 'utf8'), text);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
