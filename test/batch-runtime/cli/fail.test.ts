import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, errors, SluiceError } from '#manager/protocol/errors.ts';
import { fail } from '#runtime/cli/fail.ts';

function said(thrown: unknown): { code: number; text: string } {
  const { write } = process.stderr;
  let text = '';
  process.stderr.write = ((given: string) => {
    text += given;
    return true;
  }) as typeof write;
  try {
    return { code: fail(thrown), text };
  } finally {
    process.stderr.write = write;
  }
}
const codeOf = (code: ErrorCode): number => said(new SluiceError(code)).code;

test('one line on stderr: code and sentence', () => {
  assert.deepEqual(said(new SluiceError('FILE_MISSING', { path: '/x' })), { code: 1, text: 'error FILE_MISSING: No file matches /x\n' });
});

test('2 for what the user can mend in the command or the module, 130 when interrupted, else 1', () => {
  const two: ErrorCode[] = ['USAGE', 'PARAMS_INVALID', 'JOB_MODULE_INVALID', 'JOB_BUILD_ASYNC', 'CONFIG_INVALID', 'NODE_TOO_OLD'];
  for (const code of two) assert.equal(codeOf(code), 2, code);
  assert.equal(codeOf('INTERRUPTED'), 130);
  for (const code of ['FILE_CORRUPT', 'NO_WORKERS', 'OUTPUT_NOT_EMPTY', 'JOB_GRAPH_DIFFERS', 'INTERNAL'] as const)
    assert.equal(codeOf(code), 1, code);
  for (const code of Object.keys(errors) as ErrorCode[]) assert.ok([1, 2, 130].includes(codeOf(code)), code);
});

test('what nobody foresaw comes with its stack', () => {
  const { code, text } = said(new TypeError('oops'));
  assert.equal(code, 1);
  assert.match(text, /^error INTERNAL: Internal error: oops\nTypeError: oops\n {4}at /);
});
