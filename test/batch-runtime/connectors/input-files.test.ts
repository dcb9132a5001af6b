import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { checkUnchanged, findFiles, folderName, folderValues, nullFolder } from '#runtime/connectors/input-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-input-'));
after(() => rmSync(folder, { recursive: true }));
const put = (path: string, content = 'x'): string => {
  const whole = join(folder, path);
  mkdirSync(dirname(whole), { recursive: true });
  writeFileSync(whole, content);
  return whole;
};
const found = async (path: string): Promise<string[]> =>
  (await findFiles(join(folder, path), '.csv')).map((file) => file.path.slice(folder.length + 1));

test('a path is a file, all files below a folder, or a glob; hidden ones and other endings stay out', async () => {
  for (const path of ['t/b.csv', 't/a.csv', 't/k=1/c.csv', 't/.hidden/d.csv', 't/_temporary/e.csv', 't/_SUCCESS', 't/readme.txt']) put(path);
  symlinkSync(join(folder, 't/k=1'), join(folder, 't/link'));
  assert.deepEqual(await found('t/a.csv'), ['t/a.csv']);
  assert.deepEqual(await found('t'), ['t/a.csv', 't/b.csv', 't/k=1/c.csv', 't/link/c.csv']);
  assert.deepEqual(await found('t/*.csv'), ['t/a.csv', 't/b.csv']);
  assert.deepEqual(await found('t/k=*/*.csv'), ['t/k=1/c.csv']);
  assert.deepEqual(await found('t/{a,b}.csv'), ['t/a.csv', 't/b.csv']);
  assert.deepEqual(await found('t/[b]*'), ['t/b.csv']);
});

test('where there is no file the path is named', async () => {
  mkdirSync(join(folder, 'none'));
  for (const path of ['missing.csv', 'none', 'none/*.csv']) {
    await assert.rejects(findFiles(join(folder, path), '.csv'), { code: 'FILE_MISSING', facts: { path: join(folder, path) } });
  }
});

test('a file that has grown since it was planned is noticed', async () => {
  const path = put('grown.csv');
  const [file] = await findFiles(path, '.csv');
  const handle = await open(path);
  try {
    await checkUnchanged(handle, file!);
    appendFileSync(path, 'y');
    await assert.rejects(checkUnchanged(handle, file!), { code: 'FILE_CORRUPT' });
  } finally {
    await handle.close();
  }
});

test('folder names carry any value, and give it back', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string({ unit: 'grapheme' }), (column, value) => {
      if (!column.isWellFormed() || !value.isWellFormed() || value === nullFolder) return;
      const name = folderName(column, value);
      assert.match(name, /^[\w.~%=-]+$/);
      assert.equal(folderValues(`/data/${name}/part.parquet`).get(column), value);
    }),
    { numRuns: 300 },
  );
  assert.equal(folderName('state', null), `state=${nullFolder}`);
  assert.equal(folderValues(`/x/state=${nullFolder}/f`).get('state'), null);
  assert.deepEqual(
    [...folderValues('/a=1/plain/b=100%/=z/f=x')],
    [
      ['a', '1'],
      ['b', '100%'],
    ],
  );
});
