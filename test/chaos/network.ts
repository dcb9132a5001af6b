/**
 * One-way cuts between one member and all others. Inside a namespace a rule drops what goes to its port, or comes from it, and TCP
 * sends it again when the rule is gone. Elsewhere members listen on 127.0.0.2 and a proxy stands at the same port of 127.0.0.1,
 * which holds the bytes of one way back. Nobody is told of a cut by either.
 */

import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { system } from './world.ts';

export type Way = 'to' | 'from';

export interface Network {
  readonly how: 'a firewall in a namespace' | 'proxies';
  /** Where a member is to listen; others reach it at 127.0.0.1, at the same port, once `serve` has settled. */
  readonly host: string;
  serve(port: number): Promise<void>;
  cut(port: number, way: Way): void;
  heal(port: number, way: Way): void;
  close(): Promise<void>;
}

export function firewall(): Network {
  system('ip', 'link', 'set', 'lo', 'up');
  const rule = (change: '-A' | '-D', port: number, way: Way): void =>
    void system('iptables', change, 'INPUT', '-p', 'tcp', way === 'to' ? '--dport' : '--sport', String(port), '-j', 'DROP');
  return {
    how: 'a firewall in a namespace',
    host: '127.0.0.1',
    serve: async () => {},
    cut: (port, way) => rule('-A', port, way),
    heal: (port, way) => rule('-D', port, way),
    close: async () => {},
  };
}

/** One direction of a connection through a proxy. */
interface Pipe {
  readonly port: number;
  readonly way: Way;
  readonly source: Socket;
}

export function proxies(): Network {
  const servers = new Map<number, Server>();
  const pipes = new Set<Pipe>();
  const cuts = new Set<string>();
  const isCut = (port: number, way: Way): boolean => cuts.has(`${way} ${port}`);
  const carry = (port: number, way: Way, source: Socket, target: Socket): void => {
    const pipe = { port, way, source };
    pipes.add(pipe);
    source.on('data', (bytes) => {
      if (!target.write(bytes)) source.pause();
    });
    target.on('drain', () => {
      if (!isCut(port, way)) source.resume();
    });
    source.on('end', () => target.end());
    source.on('error', () => target.destroy());
    source.on('close', () => {
      pipes.delete(pipe);
      target.destroy();
    });
    if (isCut(port, way)) source.pause();
  };
  return {
    how: 'proxies',
    host: '127.0.0.2',
    async serve(port) {
      if (servers.has(port)) return;
      const server = createServer({ allowHalfOpen: true }, (client) => {
        const member = createConnection({ host: '127.0.0.2', port, allowHalfOpen: true });
        carry(port, 'to', client, member);
        carry(port, 'from', member, client);
      });
      servers.set(port, server);
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
    cut(port, way) {
      cuts.add(`${way} ${port}`);
      for (const pipe of pipes) if (pipe.port === port && pipe.way === way) pipe.source.pause();
    },
    heal(port, way) {
      cuts.delete(`${way} ${port}`);
      for (const pipe of pipes) if (pipe.port === port && pipe.way === way) pipe.source.resume();
    },
    async close() {
      for (const { source } of pipes) source.destroy();
      for (const server of servers.values()) {
        server.close();
        await once(server, 'close');
      }
    },
  };
}
