/**
 * Data connections between simulated processes: bytes arrive late, in pieces cut anywhere, in their order within a connection
 * and in none between two, or not at all; two hosts may lose sight of each other for a while. Its `transport` is the port DataTransport of one process; workers listen here
 * with the same two calls the adapter over sockets makes.
 */
import { crc32 } from 'node:zlib';
import type { Channel, ChannelHandlers, DataTransport, Hello, Millis, Welcome } from '#manager/process/ports.ts';
import { asSluiceError, fromJson, SluiceError, toJson } from '#manager/protocol/errors.ts';
import type { FaultKind, Faults } from './faults.ts';
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

/** What of the product's messages a delivery brings to its end: crashes are drawn from it. */
export interface Arrival {
  readonly from: SimulatedProcess;
  readonly to: SimulatedProcess;
  readonly toServer: boolean;
  readonly blocks: boolean;
  /** A manifest is acknowledged. */
  readonly acked: boolean;
  /** A reader asks. */
  readonly asks: boolean;
}

/** One direction between two hosts that carries nothing for a while. */
interface Block {
  readonly kind: FaultKind;
  readonly until: Millis;
  counted: boolean;
}

const lost = (what: string): SluiceError => new SluiceError('CONNECTION_LOST', { what });

export class Network {
  readonly simulation: Simulation;
  readonly faults: Faults;
  readonly #listening = new Map<string, Listening>();
  readonly #links = new Set<Link>();
  readonly #blocks = new Map<string, Block>();
  /** What makes a partition longer than it. */
  readonly #leaseMs: Millis;
  /** Called when bytes have reached a process: crashes are drawn from it. */
  arrived: (arrival: Arrival) => void = () => {};
  /** Told of each error that reaches a client which still listens: its number on the wire, and its text. */
  refused: (by: SimulatedProcess, code: number, text: string) => void = () => {};
  delivered = 0;

  constructor(simulation: Simulation, faults: Faults, leaseMs: Millis) {
    this.simulation = simulation;
    this.faults = faults;
    this.#leaseMs = leaseMs;
  }

  /** Nothing goes this way for a while, and with `both` nothing comes back; what is sent meanwhile arrives afterwards. */
  block(kind: FaultKind, from: SimulatedProcess, to: SimulatedProcess, both: boolean): void {
    const { faults, simulation } = this;
    const ms = faults.integer(0, 2) === 0 ? faults.number(50, 0.8 * this.#leaseMs) : faults.number(1.2 * this.#leaseMs, 4 * this.#leaseMs);
    simulation.tell(() => `${from.name} -> ${to.name}: nothing for ${ms.toFixed(0)} ms${both ? ', nor back' : ''}`);
    const block: Block = { kind, until: simulation.now + ms, counted: false };
    this.#blocks.set(`${from.name}>${to.name}`, block);
    if (both) this.#blocks.set(`${to.name}>${from.name}`, block);
  }

  /** When something sent now this way may arrive; 0 when nothing keeps it. */
  blockedUntil(from: SimulatedProcess, to: SimulatedProcess): Millis {
    const block = this.#blocks.get(`${from.name}>${to.name}`);
    if (block === undefined || block.until <= this.simulation.now) return 0;
    if (!block.counted) this.faults.count(block.kind);
    block.counted = true;
    return block.until;
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
        const until = Math.max(this.blockedUntil(client, listening.process), this.blockedUntil(listening.process, client));
        if (until > 0) {
          await client.sleep(Math.min(until - simulation.now, connectMs));
          if (until > simulation.now) throw lost(`${to.host}:${to.port} does not answer`);
        }
        await this.#reach(client, listening.process);
        const link = new Link(this, client, listening.process);
        try {
          if (faults.strikes('stranger')) this.#intrude(hello, listening);
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

  /** The server's part is done when the server runs. */
  async #reach(client: SimulatedProcess, server: SimulatedProcess): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const gone = (): void => void this.simulation.after(latency(this.faults), client, () => reject(lost('the peer has died')));
      if (!server.alive) return gone();
      this.simulation.after(0, server, resolve);
      server.atDeath(gone);
    });
    if (!client.alive) await new Promise(() => {});
  }

  /** Somebody without the right token tries first. */
  #intrude(hello: Hello, listening: Listening): void {
    try {
      listening.open({ ...hello, token: forged(hello.token) }, { send: () => Promise.reject(lost('a stranger')), close: () => {} });
    } catch (thrown) {
      if (asSluiceError(thrown).code === 'UNAUTHORIZED') {
        this.faults.count('stranger');
        return;
      }
    }
    this.simulation.violate(`${listening.process.name} admits a forged token`);
  }
}

/** The token with another character somewhere in its signature. */
export const forged = (token: string): string => `${token.slice(0, -6)}${token.at(-6) === 'A' ? 'B' : 'A'}${token.slice(-5)}`;
const connectMs = 3000;
const latency = (faults: Faults): Millis => faults.number(0.05, 0.4);

type Side = 'client' | 'server';
const otherOf = (side: Side): Side => (side === 'client' ? 'server' : 'client');

interface Sending {
  readonly parts: readonly Uint8Array[];
  resolve(): void;
  reject(error: SluiceError): void;
}

interface Flight {
  readonly bytes: Uint8Array;
  readonly brings: Pick<Arrival, 'blocks' | 'acked' | 'asks'> & { readonly errors: readonly { readonly code: number; readonly text: string }[] };
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
  readonly early: Flight[];
  /** Waits until the way is open again. */
  readonly held: Flight[];
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
    const way = (from: Side): Way => ({
      from,
      handlers: null,
      waiting: [],
      taking: false,
      underWay: 0,
      clearAt: 0,
      early: [],
      held: [],
      closing: false,
    });
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
      this.#network.simulation.after(0, this[side], () => early.splice(0).forEach((flight) => void this.#give(side, flight)));
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
    const { simulation } = this.#network;
    const until = this.#network.blockedUntil(this[otherOf(side)], this[side]);
    simulation.after(Math.max(delayMs, until - simulation.now), this[side], () => this.#ways[side].handlers?.closed());
  }

  #end(way: Way): void {
    const to = otherOf(way.from);
    const until = this.#network.blockedUntil(this[way.from], this[to]);
    const wait = Math.max(way.clearAt, until) - this.#network.simulation.now;
    if (this.#silent) return;
    this.#network.simulation.after(Math.max(wait, 0) + latency(this.#network.faults), null, () => {
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
    const frames = framesOf(bytes);
    const toClient = way.from === 'server';
    if (faults.strikes('partition')) this.#network.block('partition', this[way.from], this[otherOf(way.from)], true);
    if (toClient && faults.strikes('oneWay')) this.#network.block('oneWay', this.server, this.client, false);
    if (faults.strikes('cut')) {
      // Some of it still arrives; the break comes behind that.
      const frame = faults.oneOf(frames);
      const upTo =
        faults.integer(0, 2) === 0 && frame ? Math.min(frame.at + faults.integer(0, headBytes), bytes.length - 1) : faults.integer(0, bytes.length);
      this.#fly(way, bytes.subarray(0, upTo), nothing);
      faults.count('cut');
      simulation.after(Math.max(way.clearAt - simulation.now, 0), null, () => this.cut('the connection broke'));
      way.closing = true;
      return;
    }
    if (!this.#silent && faults.strikes('silence')) {
      this.#fly(way, bytes.subarray(0, faults.integer(0, bytes.length)), nothing);
      faults.count('silence');
      this.silence();
      return;
    }
    if (this.#silent) return;
    const brings = {
      blocks: frames.some(({ type }) => type === 4),
      acked: frames.some(({ isFinal }) => isFinal),
      asks: frames.some(({ type }) => type === 2),
      errors: toClient
        ? frames.flatMap(({ at, type, code }) => (type === 9 ? [{ code, text: Buffer.from(bytes.subarray(at)).toString() }] : []))
        : [],
    };
    if (faults.strikes('flip')) {
      bytes[faults.integer(0, bytes.length)]! ^= 1 << faults.integer(0, 8);
      faults.count('flip');
    }
    let from = 0;
    while (from < bytes.length) {
      const piece = faults.integer(0, 4) === 0 ? faults.integer(1, Math.min(bytes.length - from, 70_000) + 1) : bytes.length - from;
      this.#fly(way, bytes.subarray(from, from + piece), from + piece === bytes.length ? brings : nothing);
      from += piece;
    }
  }

  #fly(way: Way, bytes: Uint8Array, brings: Flight['brings']): void {
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
      this.#land(way, { bytes, brings });
    });
  }

  /** What comes while the way is blocked comes when it is open again, in its order. */
  #land(way: Way, flight: Flight): void {
    const { simulation } = this.#network;
    const to = otherOf(way.from);
    const until = this.#network.blockedUntil(this[way.from], this[to]);
    if (until > 0 || way.held.length > 0) {
      way.held.push(flight);
      if (way.held.length > 1) return;
      way.clearAt = Math.max(way.clearAt, until + 1e-3);
      simulation.after(until - simulation.now, this[to], () => {
        for (const one of way.held.splice(0)) {
          if (this.#over || this.#silent) return;
          this.#land(way, one);
        }
      });
      return;
    }
    if (way.handlers === null) way.early.push(flight);
    else this.#give(to, flight);
  }

  #give(side: Side, { bytes, brings }: Flight): void {
    const { simulation } = this.#network;
    simulation.note(bytes.length, crc32(bytes));
    if (this.#told[side]) return;
    simulation.tell(() => `${this[otherOf(side)].name} -> ${this[side].name}: ${bytes.length} bytes`);
    this.#ways[side].handlers!.data(bytes);
    // The buffer is the system's again: whoever kept a view of it finds rubbish.
    bytes.fill(0xa5);
    for (const { code, text } of brings.errors) this.#network.refused(this[otherOf(side)], code, text);
    this.#network.arrived({ ...brings, from: this[otherOf(side)], to: this[side], toServer: side === 'server' });
  }
}

const nothing: Flight['brings'] = { blocks: false, acked: false, asks: false, errors: [] };
/** Frame header and block header. */
const headBytes = 16 + 64;

/** The frames of one send, as far as they can be made out: docs/PROTOCOL.md draws them. */
function framesOf(bytes: Uint8Array): { readonly at: number; readonly type: number; readonly isFinal: boolean; readonly code: number }[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frames = [];
  for (let at = 0; at + 16 <= bytes.length; at += 16 + view.getUint32(at, true)) {
    const type = bytes[at + 4]!;
    const word = (offset: number): number => (at + offset + 4 <= bytes.length ? view.getUint32(at + offset, true) : 0);
    frames.push({ at, type, isFinal: type === 5 && word(28) !== 0, code: word(16) });
  }
  return frames;
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
