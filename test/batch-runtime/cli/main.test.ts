import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sluice } from './captured.ts';

const verbs = ['run', 'up', 'manager', 'worker', 'executor', 'status', 'jobs', 'cancel', 'drain', 'token', 'bench'];

test('help names every verb and has an example', async () => {
  const { code, stdout, stderr } = await sluice('--help');
  assert.equal(code, 0);
  assert.equal(stderr, '');
  for (const verb of verbs) assert.match(stdout, new RegExp(`^ {2}${verb} {2,}\\w`, 'm'));
  assert.match(stdout, /Example: sluice run/);
});

for (const verb of verbs) {
  test(`help of ${verb} says how it is used, with an example`, async () => {
    const { code, stdout, stderr } = await sluice(verb, '--help');
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.match(stdout, new RegExp(`^Usage: sluice ${verb}`));
    assert.match(stdout, new RegExp(`^Example: .*sluice ${verb}`, 'm'));
  });
}

test('without a verb, or with one there is not, it is bad usage', async () => {
  assert.equal((await sluice()).code, 2);
  const { code, stdout, stderr } = await sluice('walk');
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /error USAGE: there is no verb 'walk'/);
  assert.equal((await sluice('toString')).code, 2);
});

test('the release is the version of the package', async () => {
  const { code, stdout } = await sluice('--version');
  assert.equal(code, 0);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
});
