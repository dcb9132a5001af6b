/**
 * How an executor comes by its shuffle driver: the coordinator describes it in plain JSON, the executor opens it with its
 * own adapters. One line per driver. The memory driver has no description: it is passed on within its process.
 */
import type { Clock, DataTransport, Log, Random } from '#manager/process/ports.ts';
import type { Level, ManagerCalls } from '#manager/protocol/control.ts';
import { createLocalShuffle } from './local.ts';
import { createRemoteShuffle } from './remote.ts';
import type { ShuffleDriver } from './spi.ts';

export type DriverDescriptor =
  | { readonly driver: 'local'; readonly folder: string }
  | {
      readonly driver: 'remote';
      readonly managerUrls: readonly string[];
      readonly job: number;
      readonly token: string;
      /** Of the shuffles that are opened; who only writes and reads needs neither. */
      readonly replicas?: number;
      readonly level?: Level;
    };

export interface DriverPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly transport: DataTransport;
  /** The manager behind these URLs, asked with that token. */
  connectManager(urls: readonly string[], token: string): ManagerCalls;
}

/** Dials nothing yet. Closing the driver leaves the ports to their owner. */
export function openDriver(descriptor: DriverDescriptor, ports: DriverPorts): ShuffleDriver {
  switch (descriptor.driver) {
    case 'local':
      return createLocalShuffle(descriptor);
    case 'remote':
      return createRemoteShuffle({ ...ports, ...descriptor, manager: ports.connectManager(descriptor.managerUrls, descriptor.token) });
  }
}
