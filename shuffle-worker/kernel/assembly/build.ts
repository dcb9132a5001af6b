/**
 * Compiles what is in WebAssembly and writes it as modules of base64 (`npm run build:kernel`), or into the folder named as its
 * argument, which is how a test compares what is committed with what the sources give. Not part of the product.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const kernels = [
  { source: 'kernel.ts', compiled: '../kernel-bytes.ts', name: 'kernelBytes', what: 'block kernel', reader: 'kernel.ts' },
  { source: '../../../batch-runtime/batch/assembly/hash.ts', compiled: '../../../batch-runtime/batch/hash-bytes.ts', name: 'hashKernelBytes', what: 'hash kernel', reader: 'hash-kernel.ts' },
];
const flags = ['-O3', '--runtime', 'stub', '--importMemory', '--noExportMemory', '--noAssert', '--use', 'abort='];
const folder = mkdtempSync(join(tmpdir(), 'kernel-'));
try {
  for (const { source, compiled, name, what, reader } of kernels) {
    const wasm = join(folder, 'kernel.wasm');
    const compiler = path('../../../node_modules/assemblyscript/bin/asc.js');
    const from = path(source);
    const { status } = spawnSync(process.execPath, [compiler, basename(from), ...flags, '--outFile', wasm], { stdio: 'inherit', cwd: dirname(from) });
    if (status !== 0) throw new Error(`the compiler ended with ${status}`);
    const base64 = readFileSync(wasm).toString('base64');
    const text = `/**
 * The compiled ${what} in base64: a module, so that neither a file system nor a path is needed to find it. Generated from
 * assembly/ by \`npm run build:kernel\`, never edited; a test compiles again and compares. Only ${reader} reads it.
 */
export const ${name} =
  '${base64}';
`;
    const into = process.argv[2];
    writeFileSync(into === undefined ? path(compiled) : join(into, basename(compiled)), text);
  }
} finally {
  rmSync(folder, { recursive: true });
}
