import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { methods } from '#runtime/fluent/methods.ts';

test('every method that the compiler offers is there at run time, and no other', () => {
  const source = readFileSync(new URL('../../../batch-runtime/fluent/expr.ts', import.meta.url), 'utf8');
  const interfaces = [...source.matchAll(/^(?:export )?interface \w+Expr<[^{]*\{\n(.*?)^\}/gms)];
  assert(interfaces.length >= 6);
  const offered = interfaces.flatMap(([, body]) => [...body!.matchAll(/^ {2}(\w+)[<(]/gm)].map(([, name]) => name!));
  assert.deepEqual([...new Set(offered)].sort(), Object.keys(methods).sort());
});
