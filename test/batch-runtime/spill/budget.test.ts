import assert from 'node:assert/strict';
import { test } from 'node:test';
import { embeddedBudget, executorBudget } from '#runtime/spill/budget.ts';

const MiB = 1024 * 1024;
const machine = (total: number, limit: number) => ({ totalBytes: total * MiB, limitBytes: limit * MiB });

test('what is configured counts; else what the container leaves, else a quarter of the machine', () => {
  assert.equal(executorBudget(123, machine(8192, 0)), 123);
  assert.equal(executorBudget(0, machine(8192, 0)), 2048 * MiB);
  // A limit above what there is is none.
  assert.equal(executorBudget(0, machine(8192, 1 << 30)), 2048 * MiB);
  assert.equal(executorBudget(0, machine(8192, 4096)), 3072 * MiB);
  assert.equal(executorBudget(0, machine(8192, 512)), 256 * MiB);
  assert.equal(executorBudget(0, machine(8192, 128)), 64 * MiB);
});

test('executors of one machine share half of it', () => {
  assert.equal(embeddedBudget(2, machine(8192, 0)), 2048 * MiB);
  assert.equal(embeddedBudget(2, machine(8192, 1024)), 256 * MiB);
  assert.equal(embeddedBudget(64, machine(1024, 0)), 64 * MiB);
});
