// A file with one byte changed: read as other rows, or refused by an error of the table.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const refusals = ['FILE_CORRUPT', 'SCHEMA_DIFFERS', 'NULL_IN_COLUMN', 'VALUE_OUT_OF_RANGE'];

/**
 * Reads `good` once for each byte and each of four changes: the last bit (a number's sign, where numbers are zigzag), the last two (another
 * type of number, in Thrift), the highest bit (the length of a varint), and a random byte.
 * @param step  of larger files: only one byte in so many, from a random one on
 */
export async function damageEach(good: Uint8Array, extension: string, read: (path: string) => Promise<unknown>, step = 1): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-damage-'));
  const path = join(folder, `damaged.${extension}`);
  let refused = 0;
  try {
    for (let at = Math.floor(Math.random() * step); at < good.length; at += step) {
      for (const flip of [1, 3, 0x80, 1 + Math.floor(Math.random() * 255)]) {
        const bytes = Uint8Array.from(good);
        bytes[at]! ^= flip;
        writeFileSync(path, bytes);
        try {
          await read(path);
        } catch (thrown) {
          const { code, stack } = thrown as { code?: string; stack?: string };
          assert.ok(refusals.includes(code ?? ''), `byte ${at} ^ ${flip}: ${stack}`);
          refused++;
        }
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  assert.ok(refused > good.length / step / 10, `${refused} refused`);
}
