/**
 * What moving a gigabyte costs on this machine when nothing else is done to it: receive from a socket, copy, hash, write in place,
 * read, send to a socket. In CPU-seconds of this process, measured warm; the other end of the socket is a process of its own.
 * bench/shuffle.ts holds the worker against it.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KiB, MiB } from '#manager/protocol/ids.ts';
import { createKernel, createKernelMemory, kernelReservedBytes } from '#worker/kernel/kernel.ts';

/** CPU-seconds per GB (10^9 bytes). */
export interface Limit {
  readonly receive: number;
  readonly copy: number;
  readonly hash: number;
  readonly write: number;
  readonly read: number;
  readonly send: number;
}

/** Enough for two digits. */
const mostBytes = 512 * MiB;
const leastBytes = 64 * MiB;
const pieceBytes = 256 * KiB;
const fileBytes = 256 * MiB;
const memoryBytes = 64 * MiB;

/** What a worker has to do at least with every byte that comes, goes to a file, and is read back from there. */
export const limitOf = ({ receive, copy, hash, write, read, send }: Limit): number => receive + copy + hash + write + read + send;
/** The same for bytes that are read before they leave memory. */
export const memoryLimitOf = ({ receive, copy, hash, send }: Limit): number => receive + copy + hash + send;

/** Measures each with about `volume` bytes, for at most some five seconds in all; leaves nothing behind. */
export async function measureLimit(volume: number): Promise<Limit> {
  const bytesEach = Math.ceil(Math.min(mostBytes, Math.max(leastBytes, volume)) / MiB) * MiB;
  const warm = (run: () => Promise<void>): Promise<number> => secondOfTwo(bytesEach, run);
  const memory = createKernelMemory(kernelReservedBytes + memoryBytes);
  const kernel = createKernel(memory);
  const arena = new Uint8Array(memory.buffer, kernelReservedBytes, memoryBytes).fill(1);
  const source = new Uint8Array(memoryBytes).fill(2);
  const copy = await warm(async () => {
    for (let done = 0; done < bytesEach; done += pieceBytes) {
      const at = done % memoryBytes;
      arena.set(source.subarray(at, at + pieceBytes), at);
    }
  });
  const hash = await warm(async () => {
    for (let done = 0; done < bytesEach; done += pieceBytes) kernel.hash(kernelReservedBytes + (done % memoryBytes), pieceBytes);
  });
  const files = await measureFiles(arena, bytesEach, warm);
  const sockets = await measureSockets(arena, bytesEach, warm);
  return { copy, hash, ...files, ...sockets };
}

/** CPU-s/GB of the second of two runs. */
async function secondOfTwo(bytesEach: number, run: () => Promise<void>): Promise<number> {
  await run();
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6 / (bytesEach / 1e9);
}

type Warm = (run: () => Promise<void>) => Promise<number>;

async function measureFiles(arena: Uint8Array, bytesEach: number, warm: Warm): Promise<Pick<Limit, 'write' | 'read'>> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-limit-'));
  const file = await open(join(folder, 'file'), 'w+');
  try {
    const each = async (act: (at: number, from: number) => Promise<unknown>): Promise<void> => {
      for (let done = 0; done < bytesEach; done += MiB) await act(done % fileBytes, done % memoryBytes);
    };
    const write = await warm(() => each((at, from) => file.write(arena, from, MiB, at)));
    const read = await warm(() => each((at, from) => file.read(arena, from, MiB, at)));
    return { write, read };
  } finally {
    await file.close();
    rmSync(folder, { recursive: true });
  }
}

/** The other end: takes what comes on a connection that says `t`, sends on one that says `s`. */
const peerOf = (bytesEach: number): string => `
  import { createServer } from 'node:net';
  const bytes = Buffer.alloc(${pieceBytes}, 3);
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (first) => {
      if (first[0] === 0x74) { socket.resume(); return; }
      let left = ${bytesEach};
      const go = () => {
        while (left > 0) { left -= bytes.length; if (!socket.write(bytes)) return; }
        socket.end();
      };
      socket.on('drain', go);
      go();
    });
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
  process.stdin.on('end', () => process.exit()).resume();
`;

async function measureSockets(arena: Uint8Array, bytesEach: number, warm: Warm): Promise<Pick<Limit, 'receive' | 'send'>> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', peerOf(bytesEach)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  try {
    const port = await new Promise<number>((resolve) => child.stdout.once('data', (bytes: Buffer) => resolve(Number(bytes.toString()))));
    const receive = await warm(() => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const buffer = new Uint8Array(pieceBytes);
      const socket = connect({ port, host: '127.0.0.1', onread: { buffer, callback: () => true } });
      socket.once('connect', () => socket.write('s'));
      socket.once('close', () => resolve());
      return promise;
    });
    const send = await warm(async () => {
      const socket = connect({ port, host: '127.0.0.1' });
      await sendAll(socket, arena, bytesEach);
    });
    return { receive, send };
  } finally {
    child.stdin.end();
    await gone;
  }
}

async function sendAll(socket: Socket, arena: Uint8Array, bytesEach: number): Promise<void> {
  socket.write('t');
  // The word that chooses must come alone.
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (let done = 0; done < bytesEach; done += pieceBytes) {
    const at = done % memoryBytes;
    await new Promise((resolve) => socket.write(arena.subarray(at, at + pieceBytes), resolve));
  }
  await new Promise((resolve) => socket.end(() => resolve(null)));
  socket.destroy();
}
