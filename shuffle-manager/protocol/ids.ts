/**
 * The names of things, branded so that one cannot stand for another. In JSON a u64 is a decimal string and a
 * 128-bit id 32 hex digits. Who mints each is in docs/PROTOCOL.md.
 */
import { type Static, Type } from 'typebox';
import type { Random } from '../process/ports.ts';

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** u32, minted by the manager from its journal. */
export type JobId = Branded<number, 'job'>;
/** u64 = job (high 32) . run (low 32): one run of one exchange; never reused. */
export type ShuffleId = Branded<bigint, 'shuffle'>;
/** 128 bit, one boot of a worker or an executor. */
export type Incarnation = Branded<string, 'incarnation'>;
/** 128 bit, made with the first journal. */
export type ClusterId = Branded<string, 'cluster'>;
/** 128 bit, kept in a worker's data folder. */
export type WorkerId = Branded<string, 'worker'>;

export const hex128 = Type.String({ pattern: '^[0-9a-f]{32}$' });
export const u32 = Type.Integer({ minimum: 0, maximum: 0xffffffff });
export const u64Text = Type.String({ pattern: '^[0-9]{1,20}$' });

export const shuffleId = (job: number, run: number): ShuffleId => ((BigInt(job) << 32n) | BigInt(run)) as ShuffleId;
export const jobOf = (shuffle: ShuffleId): JobId => Number(shuffle >> 32n) as JobId;
export const shuffleText = (shuffle: ShuffleId): string => shuffle.toString();
export const shuffleFrom = (text: string): ShuffleId => BigInt(text) as ShuffleId;

export function mint128(random: Random): string {
  const bytes = random.fill(new Uint8Array(16));
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;

/** No block's payload is longer, anywhere. */
export const maxBlockBytes = 16 * MiB;
/** The version of blocks, frames and control calls; docs/PROTOCOL.md says what may change within it. */
export const protocolVersion = 1;

/** A rectangle of cells (map range x partition range, `to` exclusive) and who keeps it. `id` is its place in the shuffle's list. */
export const Replica = Type.Object({ worker: hex128, incarnation: hex128, host: Type.String(), port: Type.Integer(), hostLabel: Type.String() });
export const Location = Type.Object({
  id: u32,
  mapFrom: u32,
  mapTo: u32,
  partitionFrom: u32,
  partitionTo: u32,
  replicas: Type.Array(Replica),
});
export type Replica = Static<typeof Replica>;
export type Location = Static<typeof Location>;
