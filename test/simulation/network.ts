/**
 * Data connections between simulated processes: bytes arrive late, in pieces cut anywhere, in their order within a connection
 * and in none between two, or not at all. Its `transport` is the port DataTransport of one process; workers listen here
 * with the same two calls the adapter over sockets makes.
 */
import { crc32 } from 'node:zlib';
import type { Channel, ChannelHandlers, DataTransport, Hello, Millis, Welcome } from '#manager/process/ports.ts';
import { asSluiceError, fromJson, SluiceError, toJson } from '#manager/protocol/errors.ts';
import type { Faults } from './faults.ts';
import type { SimulatedProcess, Simulation } from './simulation.ts';

/** Who takes connections: what worker.ts offers, and no more. */
export interface Listener<A extends { readonly welcome: Welcome }> {
  admit(hello: Hello): A;
  attach(channel: Channel, admission: A): ChannelHandlers;
}

interface Listening {
  readonly process: SimulatedProcess;
  readonly incarnation: string;
  open(hello: Hello, channel: Channel): { readonly handlers: ChannelHandlers; readonly welcome: Welcome };
}

const lost = (what: string): SluiceError => new SluiceError('CONNECTION_LOST', { what });

export class Network {
  readonly simulation: Simulation;
  readonly faults: Faults;
  readonly #listening = new Map<string, Listening>();
  readonly #links = new Set<Link>();
  /** Called when bytes have reached a process: crashes are drawn from it. */
  arrived: (process: SimulatedProcess) => void = () => {};
  delivered = 0;

  constructor(simulation: Simulation, faults: Faults) {
    this.simulation = simulation;
    this.faults = faults;
  }

  listen<A extends { readonly welcome: Welcome }>(port: number, process: SimulatedProcess, incarnation: string, listener: Listener<A>): void {
    this.#listening.set(`${process.name}:${port}`, {
      process,
      incarnation,
      open(hello, channel) {
        const admission = listener.admit(hello);
        return { handlers: listener.attach(channel, admission), welcome: admission.welcome };
      },
    });
  }

  /** Connections of a process. */
  linksOf(process: SimulatedProcess): number {
    let count = 0;
    for (const link of this.#links) if (link.client === process || link.server === process) count++;
    return count;
  }

  /** A process has died. Its system says so to the others, unless it went with the power. */
  died(process: SimulatedProcess, silently: boolean): void {
    for (const [key, listening] of this.#listening) if (listening.process === process) this.#listening.delete(key);
    for (const link of [...this.#links]) {
      if (link.client !== process && link.server !== process) continue;
      if (silently) link.silence();
      else link.cut('the peer has died');
    }
  }

  forget(link: Link): void {
    this.#links.delete(link);
  }

  transport(client: SimulatedProcess): DataTransport {
    return {
      connect: async (to, hello, handlers) => {
        const { simulation, faults } = this;
        await client.sleep(latency(faults));
        const listening = this.#listening.get(`${to.host}:${to.port}`);
        if (listening === undefined) throw lost(`nobody listens on ${to.host}:${to.port}`);
        const link = new Link(this, client, listening.process);
        try {
          const { handlers: taken, welcome } = listening.open({ ...hello }, link.channel('server'));
          link.begin('server', taken);
          if (hello.incarnation !== listening.incarnation) {
            simulation.violate(`a client that expects incarnation ${hello.incarnation} is admitted by ${listening.incarnation}`);
          }
          this.#links.add(link);
          await client.sleep(latency(faults));
          if (link.isOver) throw lost(`${to.host} closed the connection`);
          link.begin('client', handlers);
          return { channel: link.channel('client'), welcome: { ...welcome } };
        } catch (thrown) {
          throw fromJson(toJson(asSluiceError(thrown)));
        }
      },
    };
  }
}

const latency = (faults: Faults): Millis => faults.number(0.05, 0.4);

type Side = 'client' | 'server';
const otherOf = (side: Side): Side => (side === 'client' ? 'server' : 'client');

interface Sending {
  readonly parts: readonly Uint8Array[];
  resolve(): void;
  reject(error: SluiceError): void;
}

/** What goes one way. */
interface Way {
  readonly from: Side;
  handlers: ChannelHandlers | null;
  /** Handed over, not yet taken by the system: the bytes are the sender's to keep as they are. */
  readonly waiting: Sending[];
  taking: boolean;
  /** Taken, on their way. */
  underWay: number;
  /** When the last of it arrives. */
  clearAt: Millis;
  /** Delivered before the other side was ready. */
  readonly early: Uint8Array[];
  /** The sender has closed behind what it sent. */
  closing: boolean;
}

class Link {
  readonly #network: Network;
  readonly client: SimulatedProcess;
  readonly server: SimulatedProcess;
  /** By receiver. */
  readonly #ways: { readonly [S in Side]: Way };
  #over = false;
  #silent = false;
  readonly #told: { [S in Side]: boolean } = { client: false, server: false };

  constructor(network: Network, client: SimulatedProcess, server: SimulatedProcess) {
    this.#network = network;
    this.client = client;
    this.server = server;
    const way = (from: Side): Way => ({ from, handlers: null, waiting: [], taking: false, underWay: 0, clearAt: 0, early: [], closing: false });
    this.#ways = { client: way('server'), server: way('client') };
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** The receiver is ready. */
  begin(side: Side, handlers: ChannelHandlers): void {
    const way = this.#ways[side];
    way.handlers = handlers;
    const { early } = way;
    if (early.length > 0 && !this.#over)
      this.#network.simulation.after(0, this[side], () => early.splice(0).forEach((bytes) => void this.#give(side, bytes)));
  }

  channel(side: Side): Channel {
    const way = this.#ways[otherOf(side)];
    return {
      send: (parts) => {
        if (this.#over || way.closing) return Promise.reject(lost('the connection is closed'));
        return new Promise((resolve, reject) => {
          way.waiting.push({ parts, resolve, reject });
          this.#take(way);
        });
      },
      close: () => {
        if (this.#over || way.closing) return;
        way.closing = true;
        // Its own handlers hear of it at once; the other side behind the bytes that were sent.
        this.#tell(side, 0);
        if (way.waiting.length === 0) this.#end(way);
      },
    };
  }

  /** The connection breaks here and now: what is on its way is lost. */
  cut(what: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#network.forget(this);
    for (const side of ['client', 'server'] as const) {
      for (const sending of this.#ways[side].waiting.splice(0)) sending.reject(lost(what));
      this.#tell(side, latency(this.#network.faults));
    }
  }

  /** From now on nothing arrives, and nobody is told. */
  silence(): void {
    this.#silent = true;
  }

  #tell(side: Side, delayMs: Millis): void {
    if (this.#told[side]) return;
    this.#told[side] = true;
    this.#network.simulation.after(delayMs, this[side], () => this.#ways[side].handlers?.closed());
  }

  #end(way: Way): void {
    const to = otherOf(way.from);
    const wait = Math.max(way.clearAt - this.#network.simulation.now, 0) + latency(this.#network.faults);
    if (this.#silent) return;
    this.#network.simulation.after(wait, null, () => {
      if (this.#over) return;
      this.#over = true;
      this.#network.forget(this);
      for (const sending of this.#ways[way.from].waiting.splice(0)) sending.reject(lost('the peer closed it'));
      this.#tell(to, 0);
      this.#tell(way.from, 0);
    });
  }

  /** The system takes what was handed over, one after the other: only then may the sender change its bytes. */
  #take(way: Way): void {
    if (way.taking || way.waiting.length === 0) return;
    way.taking = true;
    const { simulation, faults } = this.#network;
    simulation.after(faults.number(0, 0.05), this[way.from], () => {
      way.taking = false;
      if (this.#over) return;
      const sending = way.waiting.shift()!;
      this.#dispatch(way, joined(sending.parts));
      sending.resolve();
      if (way.waiting.length > 0) this.#take(way);
      else if (way.closing) this.#end(way);
    });
  }

  #dispatch(way: Way, bytes: Uint8Array): void {
    const { faults, simulation } = this.#network;
    if (faults.strikes('cut')) {
      // Some of it still arrives; the break comes behind that.
      const upTo = faults.integer(0, bytes.length);
      this.#fly(way, bytes.subarray(0, upTo));
      faults.count('cut');
      simulation.after(Math.max(way.clearAt - simulation.now, 0), null, () => this.cut('the connection broke'));
      way.closing = true;
      return;
    }
    if (!this.#silent && faults.strikes('silence')) {
      this.#fly(way, bytes.subarray(0, faults.integer(0, bytes.length)));
      faults.count('silence');
      this.silence();
      return;
    }
    if (this.#silent) return;
    if (faults.strikes('flip')) {
      bytes[faults.integer(0, bytes.length)]! ^= 1 << faults.integer(0, 8);
      faults.count('flip');
    }
    let from = 0;
    while (from < bytes.length) {
      const pieces = faults.integer(0, 4) === 0 ? faults.integer(1, Math.min(bytes.length - from, 70_000) + 1) : bytes.length - from;
      this.#fly(way, bytes.subarray(from, from + pieces));
      from += pieces;
    }
  }

  #fly(way: Way, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const { simulation, faults } = this.#network;
    const late = faults.strikes('delay') ? faults.number(20, 2000) : 0;
    const deliveredBefore = this.#network.delivered;
    // A little behind what was sent before: `now` plus a difference is not to the last bit what it was, and a connection keeps its order.
    way.clearAt = Math.max(way.clearAt + 1e-6, simulation.now + latency(faults) + bytes.length / 1e6 + late);
    way.underWay++;
    const to = otherOf(way.from);
    simulation.after(way.clearAt - simulation.now, this[to], () => {
      way.underWay--;
      if (this.#over || this.#silent) return;
      if (late > 0 && this.#network.delivered > deliveredBefore) faults.count('delay');
      this.#network.delivered++;
      if (way.handlers === null) way.early.push(bytes);
      else this.#give(to, bytes);
    });
  }

  #give(side: Side, bytes: Uint8Array): void {
    const { simulation } = this.#network;
    simulation.note(bytes.length, crc32(bytes));
    if (this.#told[side]) return;
    simulation.tell(() => `${this[otherOf(side)].name} -> ${this[side].name}: ${bytes.length} bytes`);
    this.#ways[side].handlers!.data(bytes);
    // The buffer is the system's again: whoever kept a view of it finds rubbish.
    bytes.fill(0xa5);
    this.#network.arrived(this[side]);
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
