import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { graphOf, loadJob, whereAndWhy } from '#runtime/execute/job-module.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
mkdirSync(join(folder, 'node_modules'));
symlinkSync(fileURLToPath(new URL('../../../', import.meta.url)), join(folder, 'node_modules', 'sluice'));
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
after(() => rmSync(folder, { recursive: true }));

let files = 0;
const moduleOf = (text: string, ending = 'ts'): string => {
  const path = join(folder, `job-${files++}.${ending}`);
  writeFileSync(path, text);
  return pathToFileURL(path).href;
};
const invalid = (word: string) => ({ code: 'JOB_MODULE_INVALID', message: new RegExp(word.replace(/[()]/g, '\\$&')) });

test('a module gives its default export, which remembers where it stands', async () => {
  const url = new URL('../../fixtures/jobs/words.ts', import.meta.url).href;
  const job = await loadJob(url);
  assert.equal(job.name, 'words');
  assert.equal(job.module, url);
  const js = await loadJob(moduleOf("import { job } from 'sluice';\nexport default job({ name: 'plain', build() {} });\n", 'js'));
  assert.equal(js.name, 'plain');
});

test('a module that cannot be used says which file, which line and why', async () => {
  await assert.rejects(loadJob(pathToFileURL(join(folder, 'none.ts')).href), invalid('none.ts cannot be used: there is no such file'));
  await assert.rejects(loadJob(moduleOf('export default 1;\n')), invalid('it exports no job'));
  await assert.rejects(loadJob(moduleOf('\n\nthrow new RangeError("not today");\n')), invalid('line 3: RangeError: not today'));
  await assert.rejects(loadJob(moduleOf('const a = 1;\nconst b = ;\n')), invalid('line 2'));
  await assert.rejects(loadJob(moduleOf('enum A { b }\n')), invalid('enum'));
  await assert.rejects(loadJob(moduleOf("import { nothing } from './not-there.ts';\n")), invalid('not-there.ts'));
});

test('a build that throws is a module that cannot be used; what it refuses itself stays what it is', async () => {
  const url = moduleOf("import { job } from 'sluice';\nexport default job({ name: 'a', build() {\n  throw new Error('not now'); } });\n");
  const throwing = await loadJob(url);
  assert.throws(() => graphOf(throwing, {}, url), invalid('line 3: Error: not now'));
  assert.throws(() => graphOf(throwing, {}, ''), { code: 'JOB_MODULE_INVALID', message: /module a cannot/ });
  assert.throws(() => graphOf(throwing, { x: 1 }, url), { code: 'PARAMS_INVALID' });
  const words = new URL('../../fixtures/jobs/words.ts', import.meta.url).href;
  assert.equal(graphOf(await loadJob(words), {}, words).plan.name, 'words');
});

test('where and why of what is no error is its text', () => {
  assert.equal(whereAndWhy('just text', '/a.ts'), 'just text');
  assert.equal(whereAndWhy(Object.assign(new Error('x'), { stack: 'Error: x\n    at f (file:///b.ts:7:3)' }), '/a.ts'), 'Error: x');
  assert.equal(whereAndWhy(Object.assign(new Error('x'), { stack: 'Error: x\n    at f (file:///a.ts:7:3)' }), '/a.ts'), 'line 7: Error: x');
});
