// What is shown of a run is in run.test.ts; here that a launch gives back what it took, and says its failure once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainJob, launch } from '#runtime/cli/launch.ts';

const module = (name: string): string => new URL(`../../fixtures/jobs/${name}.ts`, import.meta.url).href;

test('a job that fails rejects with its error, for people and for programs', async () => {
  for (const json of [false, true]) await assert.rejects(launch({ module: module('throws'), shuffle: 'memory' }, json), { code: 'FUNCTION_THREW' });
});

test('a module that is not there is refused before anything starts', async () => {
  await assert.rejects(launch({ module: module('absent') }, false), { code: 'JOB_MODULE_INVALID' });
  await assert.rejects(explainJob({ module: module('absent') }), { code: 'JOB_MODULE_INVALID' });
});
