/**
 * The worker's side of one data connection: frames in, streams on it, credit both ways, and who may do what. It is what
 * connection.ts is to the client. Made by worker.ts, which knows all sessions; a session knows only its own streams.
 */
import type { Channel, ChannelHandlers, Millis } from '#manager/process/ports.ts';
import { asSluiceError, SluiceError } from '#manager/protocol/errors.ts';
import { jobOf, type ShuffleId, shuffleText } from '#manager/protocol/ids.ts';
import type { CreditAccount, Credits } from './credits.ts';
import { maxStreams } from './limits.ts';
import { blockBytes } from './protocol/block.ts';
import {
  blocksFrameHeader,
  closeReasons,
  encodeMessage,
  errorMessage,
  errorOfMessage,
  FrameParser,
  type Message,
  type MessageOf,
} from './protocol/frames.ts';
import { type ReadServing, ReadStream } from './read-stream.ts';
import { type WriteServing, WriteStream } from './write-stream.ts';

export interface SessionServing extends ReadServing, WriteServing {
  readonly credits: Credits;
  /** Why a job may store no more; null when it may. */
  overQuota(job: number): string | null;
  readonly counters: ReadServing['counters'] & { framesReceived: number; streamErrors: number };
}

export interface SessionOptions {
  readonly serving: SessionServing;
  readonly channel: Channel;
  /** Whose shuffles may be touched; null: everyone's. */
  readonly job: number | null;
  /** For the log. */
  readonly client: string;
  readonly account: CreditAccount;
  /** Called once, when the connection is over. */
  readonly ended: () => void;
}

type Sink = Parameters<FrameParser['push']>[1];
const quiet = (): void => {};

export class Session implements ChannelHandlers {
  readonly #serving: SessionServing;
  readonly #options: SessionOptions;
  readonly #parser = new FrameParser();
  readonly #sink: Sink;
  readonly #writes = new Map<number, WriteStream>();
  readonly #reads = new Map<number, ReadStream>();
  /** Write streams that have had a frame since the last acknowledgement. */
  readonly #due = new Set<WriteStream>();
  /** Where the frame that is coming in lies; -1: nowhere. */
  #incoming = -1;
  #incomingBytes = 0;
  #over = false;
  /** What is to be said when all that came together has been looked at: the answers to a small map task are one packet. */
  #answers: Message[] | null = null;
  /** When something last came. */
  #heard: Millis;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#serving = options.serving;
    this.#heard = options.serving.clock.now();
    this.#sink = {
      beginBlocks: (id, length) => this.#beginBlocks(id, length),
      endBlocks: (id) => this.#endBlocks(id),
      message: (message) => this.#message(message),
    };
  }

  get streams(): number {
    return this.#writes.size + this.#reads.size;
  }

  data(bytes: Uint8Array): void {
    if (this.#over) return;
    this.#heard = this.#serving.clock.now();
    this.#answers = [];
    try {
      this.#parser.push(bytes, this.#sink);
    } catch (thrown) {
      const error = asSluiceError(thrown);
      if (error.code === 'INTERNAL') this.#serving.log.error({ stack: (thrown as Error).stack }, error.message);
      this.end(error);
      return;
    }
    for (const writing of this.#due) writing.acknowledge();
    this.#due.clear();
    this.#answer();
  }

  /** Says what was kept until now. */
  #answer(): void {
    const answers = this.#answers;
    this.#answers = null;
    if (answers && answers.length > 0) this.#tell(...answers);
  }

  place(): Uint8Array | null {
    return this.#over ? null : this.#parser.place;
  }

  closed(): void {
    if (this.#over) return;
    this.#over = true;
    const { memory, credits } = this.#serving;
    if (this.#incoming >= 0) memory.arena.free(this.#incoming, this.#incomingBytes);
    for (const writing of this.#writes.values()) writing.leave();
    for (const reading of this.#reads.values()) reading.stop();
    credits.close(this.#options.account);
    this.#options.ended();
  }

  /** Ends the connection, with an error the client is told, or without a word. */
  end(error: SluiceError | null): void {
    if (this.#over) return;
    this.#answer();
    if (error) {
      this.#serving.log.warn({ client: this.#options.client, code: error.code }, `a connection is ended: ${error.message}`);
      this.#tell(errorMessage(0, error));
    }
    this.#options.channel.close();
    this.closed();
  }

  /** Cuts a connection that is only open on this side: a client that waits for something sends PING, and one that rests hangs up. */
  endIfSilent(before: Millis): void {
    if (this.#heard < before) this.end(null);
  }

  /** Says that new attempts go elsewhere. */
  sayGoodbye(deadlineMs: number): void {
    this.#tell({ type: 'goaway', stream: 0, deadlineMs });
  }

  /** A grant that was waited for. */
  grant(bytes: number): void {
    this.#tell({ type: 'credit', stream: 0, grantBytes: bytes, wantedBytes: 0 });
  }

  /** Ends attempts that cannot go on here. */
  refuseWhenStuck(starved: ReadonlySet<CreditAccount>): void {
    for (const writing of this.#writes.values()) writing.refuseWhenStuck(starved.has(this.#options.account));
  }

  /** Shuffles have been released: streams of them end. */
  released(): void {
    for (const writing of this.#writes.values()) writing.released();
    // A read looks for itself when it goes on; one that waits for credit is woken.
    for (const reading of this.#reads.values()) reading.grant(0);
  }

  #tell(...messages: readonly Message[]): void {
    if (this.#over) return;
    if (this.#answers) {
      this.#answers.push(...messages);
      return;
    }
    for (const { type } of messages) if (type === 'error') this.#serving.counters.streamErrors++;
    const [first] = messages;
    const bytes = first && messages.length === 1 ? encodeMessage(first) : Buffer.concat(messages.map(encodeMessage));
    this.#options.channel.send([bytes]).catch(quiet);
  }

  #beginBlocks(id: number, length: number): Uint8Array | null {
    const { credits, memory, store, counters } = this.#serving;
    counters.framesReceived++;
    credits.spend(this.#options.account, length);
    const writing = this.#writes.get(id);
    // Of a stream that has ended here while this was on its way.
    if (!writing || length === 0) return null;
    const address = memory.arena.allocate(length);
    if (address < 0) {
      // The bytes are free, but not in one place.
      store.flushSoon();
      writing.fail(new SluiceError('NO_SPACE', { what: `no room for a frame of ${length} bytes in one place` }));
      return null;
    }
    this.#incoming = address;
    this.#incomingBytes = length;
    return memory.bytes.subarray(address, address + length);
  }

  #endBlocks(id: number): void {
    const address = this.#incoming;
    this.#incoming = -1;
    const writing = this.#writes.get(id);
    if (!writing) {
      this.#serving.memory.arena.free(address, this.#incomingBytes);
      return;
    }
    writing.take(address, this.#incomingBytes);
    this.#due.add(writing);
  }

  #message(message: Message): void {
    const { credits, memory } = this.#serving;
    const { account } = this.#options;
    const id = message.stream;
    switch (message.type) {
      case 'openWrite':
        this.#openWrite(message);
        return;
      case 'openRead':
        this.#openRead(message);
        return;
      case 'credit':
        if (id !== 0) this.#reads.get(id)?.grant(message.grantBytes);
        else {
          if (message.grantBytes > 0) credits.giveBack(account, message.grantBytes);
          if (message.wantedBytes > 0) credits.want(account, message.wantedBytes, blockBytes(memory.maxBlockBytes));
        }
        return;
      case 'close':
        if (message.reason === closeReasons.abort) this.#writes.get(id)?.abort();
        else this.#writes.get(id)?.leave();
        this.#reads.get(id)?.stop();
        return;
      case 'error':
        if (id === 0) throw errorOfClient(message);
        this.#writes.get(id)?.leave();
        this.#reads.get(id)?.stop();
        return;
      case 'ping':
        this.#tell({ type: 'pong', stream: 0, nonce: message.nonce });
        return;
      case 'pong':
        return;
      default:
        throw new SluiceError('CORRUPT_FRAME', { what: `a client does not send ${message.type}` });
    }
  }

  #openWrite(message: MessageOf<'openWrite'>): void {
    const id = message.stream;
    this.#refuseTaken(id, this.#reads.has(id));
    this.#writes.get(id)?.leave();
    const link = {
      tell: (told: Message) => this.#tell(told),
      refill: () => this.#serving.credits.refill(this.#options.account),
      ended: (ended: number) => this.#writes.delete(ended),
    };
    try {
      this.#admit(message.shuffle as ShuffleId);
      const over = this.#serving.overQuota(jobOf(message.shuffle as ShuffleId));
      if (over !== null) throw new SluiceError('QUOTA_EXCEEDED', { what: over });
      this.#writes.set(id, new WriteStream(this.#serving, link, message));
    } catch (thrown) {
      this.#tell(errorMessage(id, asSluiceError(thrown)));
    }
  }

  #openRead(message: MessageOf<'openRead'>): void {
    const id = message.stream;
    this.#refuseTaken(id, this.#reads.has(id) || this.#writes.has(id));
    const link = {
      tell: (...told: readonly Message[]) => this.#tell(...told),
      send: (_: number, address: number, length: number, before: Message | null, behind: Message | null) => {
        const { bytes } = this.#serving.memory;
        const header = blocksFrameHeader(id, length);
        return this.#options.channel.send([
          before ? Buffer.concat([encodeMessage(before), header]) : header,
          bytes.subarray(address, address + length),
          ...(behind ? [encodeMessage(behind)] : []),
        ]);
      },
      ended: () => this.#reads.delete(id),
      cut: (what: string) => this.end(new SluiceError('CONNECTION_LOST', { what })),
    };
    try {
      this.#admit(message.shuffle as ShuffleId);
      const reading = new ReadStream(this.#serving, link, message);
      this.#reads.set(id, reading);
      void reading.run();
    } catch (thrown) {
      this.#tell(errorMessage(id, asSluiceError(thrown)));
    }
  }

  #refuseTaken(id: number, isTaken: boolean): void {
    if (id === 0 || isTaken) throw new SluiceError('CORRUPT_FRAME', { what: `stream ${id} cannot be opened` });
  }

  /** Token x message: a job's token reaches that job's shuffles only. @throws UNAUTHORIZED · SHUFFLE_RELEASED · NO_SPACE */
  #admit(shuffle: ShuffleId): void {
    const { job } = this.#options;
    if (job !== null && jobOf(shuffle) !== job)
      throw new SluiceError('UNAUTHORIZED', { what: `a token of job ${job} for a shuffle of job ${jobOf(shuffle)}` });
    if (this.#serving.isReleased(shuffle)) throw new SluiceError('SHUFFLE_RELEASED', { shuffle: shuffleText(shuffle) });
    if (this.streams >= maxStreams) throw new SluiceError('NO_SPACE', { what: `a connection has at most ${maxStreams} streams` });
  }
}

/** What a client ends its connection with. A number that is none is its mistake, and none of this worker's. */
function errorOfClient(message: MessageOf<'error'>): SluiceError {
  const error = errorOfMessage(message);
  return error.code === 'INTERNAL' ? new SluiceError('CORRUPT_FRAME', { what: `an error of number ${message.code}: ${message.text}` }) : error;
}
