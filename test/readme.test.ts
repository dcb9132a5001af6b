// The README's own code: its job and its application compile and run as they stand there, and its commands exist.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Job, run } from 'sluice';
import { loadJob } from '#runtime/execute/job-module.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1]!);

test('the job and the application of the README compile, and the job runs', async () => {
  assert.equal(blocks.length, 2);
  mkdirSync(join(root, '.cache'), { recursive: true });
  // Inside the package, so that 'sluice' is this checkout.
  const folder = mkdtempSync(join(root, '.cache', 'readme-'));
  try {
    writeFileSync(join(folder, 'cities.ts'), blocks[0]!);
    writeFileSync(join(folder, 'app.ts'), blocks[1]!);
    const base = { extends: join(root, 'tsconfig.json'), include: ['*.ts'], exclude: [] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(base));
    const tsc = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--noEmit', '-p', folder], { encoding: 'utf8' });
    assert.equal(tsc.status, 0, tsc.stdout);

    writeFileSync(join(folder, 'customers.csv'), 'name,city\nann,Oslo\nbob,Rome\ncyd,Rome\n');
    writeFileSync(join(folder, 'orders.csv'), 'id,customer,cents\n1,ann,500\n2,bob,100\n3,cyd,\n4,cyd,250\n5,eve,1\n');
    const url = pathToFileURL(join(folder, 'cities.ts')).href;
    const job = (await loadJob(url)) as unknown as Job<Record<never, never>, unknown>;
    await using r = await run(job, { params: { data: folder, out: join(folder, 'out') }, shuffle: 'memory', module: url });
    const rows: unknown[] = [];
    for await (const row of r.rows()) rows.push(row);
    await r.done();
    assert.deepEqual(rows, [
      { city: 'Oslo', orders: 1, cents: 500, mean: 500 },
      { city: 'Rome', orders: 2, cents: 350, mean: 175 },
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('what the README links to is there', async () => {
  for (const [, path] of readme.matchAll(/\]\(([^)#:]+)\)/g)) assert.doesNotThrow(() => readFileSyncOrFolder(join(root, path!)), path);
});

function readFileSyncOrFolder(path: string): void {
  try {
    readFileSync(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EISDIR') throw thrown;
  }
}
