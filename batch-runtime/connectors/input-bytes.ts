/**
 * The bytes of an input file or of a part of one, piece after piece, whether it is packed or not. gzip and zstd are told by
 * their first bytes, so a name need not say it; a name that says it of bytes that are not is an error. A packed file can
 * only be read from its beginning, so it is one split. Called by the sources of text formats.
 */
import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { SluiceError } from '#manager/protocol/errors.ts';
import { checkUnchanged, type InputFile } from './input-files.ts';
import { openInput } from './parquet-file.ts';

export type Packing = 'gzip' | 'zstd';

/** What a name of a packed file ends with. */
export const endings: Readonly<Record<Packing, string>> = { gzip: '.gz', zstd: '.zst' };
const magic: Readonly<Record<Packing, readonly number[]>> = { gzip: [0x1f, 0x8b], zstd: [0x28, 0xb5, 0x2f, 0xfd] };
const packings = Object.keys(magic) as Packing[];

/** How a name says that it is packed. */
export const packingOfName = (path: string): Packing | null => packings.find((packing) => path.endsWith(endings[packing])) ?? null;
/** The name without the ending that says so. */
export const unpackedName = (path: string): string => {
  const packing = packingOfName(path);
  return packing === null ? path : path.slice(0, -endings[packing].length);
};

/** @throws FILE_CORRUPT when the name says that it is packed and the bytes do not */
export async function packingOf(path: string, handle: FileHandle): Promise<Packing | null> {
  const start = new Uint8Array(4);
  const { bytesRead } = await handle.read(start, 0, 4, 0);
  const found = packings.find((packing) => magic[packing].every((byte, i) => i < bytesRead && start[i] === byte)) ?? null;
  const named = packingOfName(path);
  if (found === null && named !== null)
    throw new SluiceError('FILE_CORRUPT', { path, what: `its name ends in ${endings[named]}, and it is no ${named} file` });
  return found;
}

/** A share of a file: its bytes in [from, to); of a packed one, as they are unpacked, to the end. */
export interface ByteRange {
  readonly file: InputFile;
  readonly from: number;
  /** Null: to the end, of a packed file. */
  readonly to: number | null;
  readonly packing: Packing | null;
}

export interface InputBytes {
  /** Fills bytes[at, at + length); answers how many, fewer only at the end of the range. @throws FILE_CORRUPT */
  read(bytes: Uint8Array, at: number, length: number): Promise<number>;
  close(): Promise<void>;
}

/** @throws FILE_MISSING, FILE_CORRUPT when it is not the file that was planned */
export async function openBytes(range: ByteRange): Promise<InputBytes> {
  const handle = await openInput(range.file.path);
  try {
    await checkUnchanged(handle, range.file);
  } catch (thrown) {
    await handle.close();
    throw thrown;
  }
  return range.packing === null ? plainBytes(handle, range) : packedBytes(handle, range, range.packing);
}

function plainBytes(handle: FileHandle, { file, from, to }: ByteRange): InputBytes {
  let position = from;
  const end = to ?? file.size;
  return {
    async read(bytes, at, length) {
      const wanted = Math.min(length, end - position);
      let got = 0;
      while (got < wanted) {
        const { bytesRead } = await handle.read(bytes, at + got, wanted - got, position + got);
        if (bytesRead === 0) throw new SluiceError('FILE_CORRUPT', { path: file.path, what: 'it ends early' });
        got += bytesRead;
      }
      position += got;
      return got;
    },
    close: () => handle.close(),
  };
}

async function packedBytes(handle: FileHandle, { file, from }: ByteRange, packing: Packing): Promise<InputBytes> {
  const packed = handle.createReadStream({ start: 0, highWaterMark: 256 * 1024, autoClose: false });
  const unpacked = packed.pipe(packing === 'gzip' ? createGunzip({ chunkSize: 256 * 1024 }) : createZstdDecompress({ chunkSize: 256 * 1024 }));
  packed.on('error', (thrown) => unpacked.destroy(thrown));
  const chunks = (unpacked as Readable)[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  let chunk: Uint8Array = new Uint8Array(0);
  const input: InputBytes = {
    async read(bytes, at, length) {
      let got = 0;
      while (got < length) {
        if (chunk.length === 0) {
          const next = await chunks.next().catch((thrown: Error) => {
            const what = `its ${packing} data is broken or cut off (${thrown.message})`;
            throw new SluiceError('FILE_CORRUPT', { path: file.path, what }, { cause: thrown });
          });
          if (next.done === true) break;
          chunk = next.value;
        }
        const some = chunk.subarray(0, length - got);
        bytes.set(some, at + got);
        chunk = chunk.subarray(some.length);
        got += some.length;
      }
      return got;
    },
    async close() {
      unpacked.destroy();
      packed.destroy();
      await handle.close().catch(() => {});
    },
  };
  const skipped = new Uint8Array(Math.min(from, 65_536));
  try {
    for (let left = from; left > 0; ) {
      const got = await input.read(skipped, 0, Math.min(left, skipped.length));
      if (got === 0) break;
      left -= got;
    }
  } catch (thrown) {
    await input.close();
    throw thrown;
  }
  return input;
}
