/**
 * What of WebAssembly is used, typed: the type library for servers leaves it out. Modules come as base64 (kernel-bytes.ts), so that neither a
 * file system nor a path is needed to find them.
 */

/** A memory of fixed size: views of it stay good. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

interface WebAssemblyFace {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
  readonly Memory: new (limits: { initial: number; maximum: number }) => WasmMemory;
}
const { WebAssembly: wasm } = globalThis as unknown as { readonly WebAssembly: WebAssemblyFace };

/** A memory of at least `bytes`. The system gives pages when they are first touched. */
export function createMemory(bytes: number): WasmMemory {
  const pages = Math.ceil(bytes / 65536);
  return new wasm.Memory({ initial: pages, maximum: pages });
}

/** Compiles a module and answers what makes an instance of it over a memory. */
export function compileWasm<E>(base64: string): (memory: WasmMemory) => E {
  const module = new wasm.Module(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)));
  return (memory) => new wasm.Instance(module, { env: { memory } }).exports as E;
}
