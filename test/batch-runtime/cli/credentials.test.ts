import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { credentialFor, leaveCredential, removeCredential } from '#runtime/cli/credentials.ts';

const home = mkdtempSync(join(tmpdir(), 'sluice-test-'));
after(() => rmSync(home, { recursive: true }));
beforeEach(() => {
  rmSync(join(home, 'sluice'), { recursive: true, force: true });
  process.env['XDG_STATE_HOME'] = home;
  delete process.env['SLUICE_TOKEN'];
});
const url = 'http://127.0.0.1:4711';

test('a cluster leaves its URL and secret for the same user alone, and takes them away', () => {
  leaveCredential({ url, secret: 's'.repeat(64) });
  const path = join(home, 'sluice', '127.0.0.1-4711.json');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), { url, secret: 's'.repeat(64) });
  assert.deepEqual(credentialFor(url, undefined), { url, token: 's'.repeat(64) });
  removeCredential(url);
  assert.deepEqual(readdirSync(join(home, 'sluice')), []);
  removeCredential(url);
});

test('a token file comes first, then the environment, then the file of `sluice up`', () => {
  leaveCredential({ url, secret: 'left' });
  const file = join(home, 'token');
  writeFileSync(file, ' v1.given \n');
  process.env['SLUICE_TOKEN'] = 'v1.environment';
  assert.equal(credentialFor(url, file).token, 'v1.given');
  assert.equal(credentialFor(url, undefined).token, 'v1.environment');
  delete process.env['SLUICE_TOKEN'];
  assert.equal(credentialFor(url, undefined).token, 'left');
  assert.throws(() => credentialFor(url, join(home, 'none')), { code: 'FILE_MISSING', message: /none/ });
  assert.equal(credentialFor('http://127.0.0.1:1', undefined).token, '');
});

test('without a URL it is the only cluster there is', () => {
  assert.throws(() => credentialFor(undefined, undefined), { code: 'USAGE', message: /no cluster of yours/ });
  leaveCredential({ url, secret: 'one' });
  assert.deepEqual(credentialFor(undefined, undefined), { url, token: 'one' });
  leaveCredential({ url: 'http://127.0.0.1:4712', secret: 'two' });
  assert.throws(() => credentialFor(undefined, undefined), { code: 'USAGE', message: /2 clusters/ });
});

test('what is no URL is bad usage', () => {
  for (const bad of ['localhost', 'ftp://a', 'http://']) assert.throws(() => credentialFor(bad, undefined), { code: 'USAGE', message: /--cluster/ });
});
