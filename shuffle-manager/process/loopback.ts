/**
 * Who can reach an address: only this machine, or strangers too. The mains of manager and worker refuse to listen to strangers
 * unless they were given a secret by name.
 */
import { isIP } from 'node:net';

/** By name or number; anything else listens to strangers. */
export const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
