/**
 * A worker's data plane as writers and readers use it, over the DataTransport port: one connection per worker
 * incarnation, made when it is first needed. It moves blocks and knows their lengths, not their contents: sealing is the writer's,
 * verifying is verified-read.ts. The remote driver and `sluice bench` call it; one client per job token.
 */

import type { Clock, DataTransport, Millis, Random } from '#manager/process/ports.ts';
import type { Level } from '#manager/protocol/control.ts';
import { SluiceError } from '#manager/protocol/errors.ts';
import type { Replica, ShuffleId } from '#manager/protocol/ids.ts';
import { Connection } from './connection.ts';
import { createReceiveMemory, type ReceiveMemory } from './receive.ts';

export interface ClientOptions {
  readonly transport: DataTransport;
  readonly clock: Clock;
  readonly random: Random;
  /** Of the job whose shuffles are written and read; or the cluster's. */
  readonly token: string;
  /** Who is calling, for the worker's log. */
  readonly name: string;
  /** Where reads are kept; one per process is enough. Made when absent: 96 MiB of address space, touched as used. */
  readonly receive?: ReceiveMemory;
  /** A connection that is waited for and says nothing this long is cut. Default 30 s. */
  readonly silenceMs?: Millis;
  /** How often a cut connection with open writes is made anew without progress. Default 5, over about 6 s. */
  readonly reconnects?: number;
}

/** One writer stream: what an attempt of a map writes to one location. */
export interface WriteTarget {
  readonly shuffle: ShuffleId;
  readonly map: number;
  readonly attempt: number;
  readonly section: number;
  readonly location: number;
  readonly partitionFrom: number;
  readonly partitionTo: number;
  /** What the final acknowledgement promises. */
  readonly level: Level;
}

export interface WriteStream {
  /**
   * Sends whole, sealed blocks of the target. Settles when `bytes` may be reused: the worker has acknowledged them. A call
   * may be made before the one before it settled; order is kept. Two buffers in flight hide the round trip.
   * @throws whatever ended the stream; then every later call throws it again. Remedy retry: a new attempt may go · superseded: stop quietly
   */
  push(bytes: Uint8Array): Promise<void>;
  /**
   * Sends the manifest behind all that was pushed (without waiting for it) and answers the level it was acknowledged at.
   * @throws as push; INCOMPLETE when the worker holds something else than the manifest states
   */
  finish(manifest: Uint8Array): Promise<Level>;
  /** Tells the worker to drop what it has of the stream. After finish settled, or again: does nothing. */
  abort(): void;
}

/** A rectangle of one location, winners only. */
export interface ReadTarget {
  readonly shuffle: ShuffleId;
  readonly location: number;
  readonly partitionFrom: number;
  readonly partitionTo: number;
  readonly mapFrom: number;
  readonly mapTo: number;
  readonly section: number;
  /** The version of the layout the caller has; a worker that is behind asks the manager first. */
  readonly ledgerVersion: number;
  /** Map by map, ascending. */
  readonly ordered: boolean;
  /** Next sequence per (partition, map), the map running faster, as protocol/counts.ts codes it; empty: from the start. */
  readonly skip: Uint8Array;
}

export type ReadPart =
  | {
      readonly kind: 'blocks';
      /** Whole blocks, not verified, in the receive memory: at `address` there. Valid until next() or close(). */
      readonly address: number;
      readonly length: number;
    }
  | {
      readonly kind: 'end';
      /** Blocks per (partition, map) of the request as the writers' manifests state them, in the code of protocol/counts.ts. */
      readonly counts: Uint8Array;
    };

/** Not concurrent: next() is called after the one before it settled. */
export interface ReadStream {
  /** Of the layout the worker goes by; 0 until it has said so, which it does before the first part. */
  readonly ledgerVersion: number;
  /** The next frame, or the end. @throws the worker's error, or CONNECTION_LOST: go on with a new stream and `skip`. */
  next(): Promise<ReadPart>;
  /** Frees what the stream holds. Again, or after the end: does nothing. */
  close(): void;
}

export interface WorkerClient {
  readonly receive: ReceiveMemory;
  readonly clock: Clock;
  /** Costs nothing until something is pushed; OPEN_WRITE, blocks and manifest travel together while the grant lasts. */
  openWrite(replica: Replica, target: WriteTarget): WriteStream;
  openRead(replica: Replica, target: ReadTarget): ReadStream;
  /** True when the worker has said goodbye: no new attempts there. */
  isLeaving(replica: Replica): boolean;
  /** Cuts all connections; open streams fail with CONNECTION_LOST. */
  close(): void;
  readonly isClosed: boolean;
}

export function createWorkerClient(options: ClientOptions): WorkerClient {
  const receive = options.receive ?? createReceiveMemory();
  const connections = new Map<string, Connection>();
  let closed = false;
  const connectionOf = (replica: Replica): Connection => {
    if (closed) throw new SluiceError('CONNECTION_LOST', { what: 'this client is closed' });
    let connection = connections.get(replica.incarnation);
    if (!connection) {
      connection = new Connection({
        transport: options.transport,
        clock: options.clock,
        random: options.random,
        receive,
        to: { host: replica.host, port: replica.port },
        hello: { token: options.token, client: options.name, incarnation: replica.incarnation },
        silenceMs: options.silenceMs ?? 30_000,
        reconnects: options.reconnects ?? 5,
      });
      connections.set(replica.incarnation, connection);
    }
    return connection;
  };
  return {
    receive,
    clock: options.clock,
    openWrite: (replica, target) => connectionOf(replica).openWrite(target),
    openRead: (replica, target) => connectionOf(replica).openRead(target),
    isLeaving: (replica) => connections.get(replica.incarnation)?.leaving ?? false,
    close() {
      closed = true;
      for (const connection of connections.values()) connection.close();
      connections.clear();
    },
    get isClosed() {
      return closed;
    },
  };
}
