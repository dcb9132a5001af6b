import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemRandom } from '#manager/process/clock.ts';
import { makeSecret, readSecret } from '#manager/process/secret.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-secret-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('a secret is made once, for its owner only, and found again', () => {
  const path = join(folder, 'new', 'secret');
  const secret = makeSecret(path, systemRandom);
  assert.match(secret, /^[0-9a-f]{64}$/);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(makeSecret(path, systemRandom), secret);
  assert.equal(readSecret(path), secret);
  assert.deepEqual(readdirSync(join(folder, 'new')), ['secret']);
});

test('a missing and a too short secret are refused', () => {
  assert.throws(() => readSecret(join(folder, 'absent')), { code: 'DISK_FAILED' });
  const path = join(folder, 'short');
  writeFileSync(path, 'short\n');
  assert.throws(() => readSecret(path), { code: 'CONFIG_INVALID' });
  assert.throws(() => makeSecret(path, systemRandom), { code: 'CONFIG_INVALID' });
});

test('a file may hold a secret and the one before it, none of them too short', () => {
  const path = join(folder, 'two');
  writeFileSync(path, 'the next of the secrets\nthe one before that\n');
  assert.equal(readSecret(path), 'the next of the secrets\nthe one before that');
  writeFileSync(path, 'the next of the secrets\nshort\n');
  assert.throws(() => readSecret(path), { code: 'CONFIG_INVALID' });
});
