/**
 * Compiles the kernel and writes ../kernel-bytes.ts (`npm run build:kernel`), or the file named as its argument, which
 * is how the test compares what is committed with what the source gives. Not part of the product.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'kernel-'));
try {
  const wasm = join(folder, 'kernel.wasm');
  const compiler = path('../../../node_modules/assemblyscript/bin/asc.js');
  const flags = ['-O3', '--runtime', 'stub', '--importMemory', '--noExportMemory', '--noAssert', '--use', 'abort=', '--outFile', wasm];
  const { status } = spawnSync(process.execPath, [compiler, path('kernel.ts'), ...flags], { stdio: 'inherit', cwd: path('.') });
  if (status !== 0) throw new Error(`the compiler ended with ${status}`);
  const base64 = readFileSync(wasm).toString('base64');
  const text = `/**
 * The compiled kernel in base64: a module, so that neither a file system nor a path is needed to find it. Generated from
 * assembly/ by \`npm run build:kernel\`, never edited; a test compiles again and compares. Only kernel.ts reads it.
 */
export const kernelBytes =
  '${base64}';
`;
  writeFileSync(process.argv[2] ?? path('../kernel-bytes.ts'), text);
} finally {
  rmSync(folder, { recursive: true });
}
