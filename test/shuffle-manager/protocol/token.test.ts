import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mintToken, requireGrant, TokenChecker, type TokenKey, tokenSource, verifyToken } from '#manager/protocol/token.ts';

const key: TokenKey = { secret: 'a secret of the tests', cluster: 'c1' };
const now = 1_000_000_000_000;

test('a token is what it was minted for until it expires', () => {
  const job = mintToken(key, { scope: 'job', job: 7 }, now + 5000);
  assert.match(job, /^v1\.job\.7\.1000000005\.[\w-]{43}$/);
  assert.deepEqual(verifyToken(key, job, now), { scope: 'job', job: 7 });
  assert.deepEqual(verifyToken(key, mintToken(key, { scope: 'cluster' }, now + 5000), now), { scope: 'cluster' });
  assert.throws(() => verifyToken(key, job, now + 5000), { code: 'UNAUTHORIZED' });
});

test('of several secrets the first makes tokens and each checks them, so that one can follow another while all go on', () => {
  const next = { secret: 'the secret that follows it', cluster: key.cluster };
  const both = { secret: `${key.secret}\n\n ${next.secret} \n`, cluster: key.cluster };
  const swapped = { secret: `${next.secret}\n${key.secret}`, cluster: key.cluster };
  for (const grant of [{ scope: 'job', job: 7 }, { scope: 'cluster' }] as const) {
    const [old, made, later] = [key, both, swapped].map((one) => mintToken(one, grant, now + 5000));
    assert.equal(made, old);
    assert.equal(later, mintToken(next, grant, now + 5000));
    for (const token of [old!, later!]) for (const reader of [both, swapped]) assert.deepEqual(verifyToken(reader, token, now), grant);
    assert.throws(() => verifyToken(next, old!, now), { code: 'UNAUTHORIZED' });
    assert.throws(() => verifyToken(key, later!, now), { code: 'UNAUTHORIZED' });
  }
  assert.deepEqual(verifyToken(next, tokenSource(swapped.secret, () => now)(), now), { scope: 'cluster' });
  // An empty line is no secret.
  assert.throws(() => verifyToken(both, mintToken({ secret: '', cluster: '' }, { scope: 'cluster' }, now + 5000), now), { code: 'UNAUTHORIZED' });
});

test('no character of a token can be changed', () => {
  const token = mintToken(key, { scope: 'job', job: 7 }, now + 5000);
  for (let at = 0; at < token.length; at++) {
    for (const other of ['1', 'A', '.']) {
      const forged = token.slice(0, at) + other + token.slice(at + 1);
      // The last character of base64url carries two bits that decode to nothing; the bytes are then the same.
      if (forged === token || Buffer.from(forged.slice(-43), 'base64url').equals(Buffer.from(token.slice(-43), 'base64url'))) {
        if (forged.slice(0, -43) === token.slice(0, -43)) continue;
      }
      assert.throws(() => verifyToken(key, forged, now), { code: 'UNAUTHORIZED' }, forged);
    }
  }
  assert.throws(() => verifyToken(key, '', now), /no token/);
});

test('another secret refuses all, another cluster refuses job tokens', () => {
  const job = mintToken(key, { scope: 'job', job: 7 }, now + 5000);
  const cluster = mintToken(key, { scope: 'cluster' }, now + 5000);
  const elsewhere = { secret: key.secret, cluster: 'c2' };
  assert.throws(() => verifyToken(elsewhere, job, now), { code: 'UNAUTHORIZED' });
  assert.deepEqual(verifyToken(elsewhere, cluster, now), { scope: 'cluster' });
  const stranger = { secret: 'another secret of some', cluster: 'c1' };
  assert.throws(() => verifyToken(stranger, job, now), { code: 'UNAUTHORIZED' });
  assert.throws(() => verifyToken(stranger, cluster, now), { code: 'UNAUTHORIZED' });
});

test('a job token reaches its job only', () => {
  requireGrant({ scope: 'cluster' }, null);
  requireGrant({ scope: 'cluster' }, 3);
  requireGrant({ scope: 'job', job: 3 }, 3);
  assert.throws(() => requireGrant({ scope: 'job', job: 3 }, 4), { code: 'UNAUTHORIZED' });
  assert.throws(() => requireGrant({ scope: 'job', job: 3 }, null), { code: 'UNAUTHORIZED' });
});

test('a source mints cluster tokens from a secret and renews them, and passes a token on', () => {
  let wall = now;
  const source = tokenSource(`${key.secret}\n`, () => wall);
  const first = source();
  assert.equal(source(), first);
  wall += 1_800_000;
  assert.notEqual(source(), first);
  assert.deepEqual(verifyToken(key, source(), wall), { scope: 'cluster' });
  const given = mintToken(key, { scope: 'job', job: 1 }, now);
  assert.equal(tokenSource(given, () => wall)(), given);
});

test('a token that was checked before is no better: it expires, and one that only looks like it is refused', () => {
  const checker = new TokenChecker(key);
  const token = mintToken(key, { scope: 'job', job: 7 }, now + 5000);
  for (let i = 0; i < 2; i++) assert.deepEqual(checker.verify(token, now), { scope: 'job', job: 7 });
  const other = `${token.slice(0, -2)}${token.at(-2) === 'A' ? 'B' : 'A'}${token.at(-1)}`;
  for (let i = 0; i < 2; i++) assert.throws(() => checker.verify(other, now), { code: 'UNAUTHORIZED' });
  assert.throws(() => checker.verify(token, now + 6001), { code: 'UNAUTHORIZED', message: /expired/ });
  assert.deepEqual(checker.verify(token, now), { scope: 'job', job: 7 });
  // However many there are, each is checked.
  for (let job = 1; job <= 2500; job++)
    assert.deepEqual(checker.verify(mintToken(key, { scope: 'job', job }, now + 5000), now), { scope: 'job', job });
});
