/**
 * Who may send how much: bytes of BLOCKS bodies, granted before they come, so that memory is never promised twice.
 * Invariant: arena in use + outstanding grants <= arena, less a sixteenth for what is lost at the ends of runs. One object
 * per worker; each connection has an account in it. It grants in the order of asking and knows no frames.
 */
import { SluiceError } from '#manager/protocol/errors.ts';
import { idleGrantBytes } from './limits.ts';
import type { StoreMemory } from './store/memory.ts';

/** The smallest block: what each byte granted may cost in index entries. */
const smallestBlockBytes = 64;

export interface CreditAccount {
  /** Granted and not yet come. */
  outstanding: number;
  /** Asked for and not yet granted. */
  wanted: number;
  /** Keeps a grant while it says nothing. */
  readonly idle: boolean;
  /** Hands a grant to the client. */
  readonly grant: (bytes: number) => void;
}

export class Credits {
  readonly #memory: StoreMemory;
  readonly #limit: number;
  readonly #idleGrant: number;
  #outstanding = 0;
  #idle = 0;
  readonly #waiting: CreditAccount[] = [];

  constructor(memory: StoreMemory) {
    this.#memory = memory;
    this.#limit = memory.arenaBytes - memory.arenaBytes / 16;
    this.#idleGrant = Math.min(idleGrantBytes, memory.arenaBytes / 64);
  }

  get outstandingBytes(): number {
    return this.#outstanding;
  }
  /** Somebody waits for memory. */
  get isShort(): boolean {
    return this.#waiting.length > 0;
  }
  /** Arena in use and promised. Never above the arena. */
  get committedBytes(): number {
    return this.#memory.arena.usedBytes + this.#outstanding;
  }

  /** A connection's account; its first grant, 0 when idle grants have used up their eighth of the arena, is `outstanding`. */
  open(grant: (bytes: number) => void): CreditAccount {
    const idle = (this.#idle + 1) * this.#idleGrant <= this.#memory.arenaBytes / 8 && this.#fits(this.#idleGrant);
    const account: CreditAccount = { outstanding: idle ? this.#idleGrant : 0, wanted: 0, idle, grant };
    if (idle) this.#idle++;
    this.#outstanding += account.outstanding;
    return account;
  }

  close(account: CreditAccount): void {
    this.#outstanding -= account.outstanding;
    account.outstanding = 0;
    if (account.idle) this.#idle--;
    const at = this.#waiting.indexOf(account);
    if (at >= 0) this.#waiting.splice(at, 1);
    this.pump();
  }

  /** A frame has begun to come. @throws CORRUPT_FRAME when more comes than was granted: nothing is allocated for it */
  spend(account: CreditAccount, bytes: number): void {
    if (bytes > account.outstanding)
      throw new SluiceError('CORRUPT_FRAME', { what: `${bytes} bytes of blocks where ${account.outstanding} were granted` });
    account.outstanding -= bytes;
    this.#outstanding -= bytes;
  }

  /** The client gives back what it does not need. @throws CORRUPT_FRAME when it never had it */
  giveBack(account: CreditAccount, bytes: number): void {
    this.spend(account, bytes);
    this.pump();
  }

  /** The client asks for more; it gets all of it at once, after those who asked before. */
  want(account: CreditAccount, bytes: number, mostBytes: number): void {
    if (account.wanted === 0) this.#waiting.push(account);
    account.wanted = Math.min(account.wanted + bytes, mostBytes);
    this.pump();
  }

  /** What a connection that has used its idle grant gets back with an acknowledgement. */
  refill(account: CreditAccount): number {
    const bytes = account.idle && account.wanted === 0 ? this.#idleGrant - account.outstanding : 0;
    if (bytes < this.#idleGrant / 2 || this.isShort || !this.#fits(bytes)) return 0;
    this.#add(account, bytes);
    return bytes;
  }

  /** Memory may have become free: serves those who wait. */
  pump(): void {
    while (this.#waiting.length > 0) {
      const account = this.#waiting[0]!;
      // A large wish is not split: half a grant would be of no use to anyone.
      if (!this.#fits(account.wanted)) return;
      this.#waiting.shift();
      const bytes = account.wanted;
      account.wanted = 0;
      this.#add(account, bytes);
      account.grant(bytes);
    }
  }

  /** Those who wait for memory, in their order. */
  get waiting(): readonly CreditAccount[] {
    return this.#waiting;
  }

  #add(account: CreditAccount, bytes: number): void {
    account.outstanding += bytes;
    this.#outstanding += bytes;
  }

  #fits(bytes: number): boolean {
    const { arena, index } = this.#memory;
    const promised = this.#outstanding + bytes;
    return arena.usedBytes + promised <= this.#limit && promised / smallestBlockBytes <= index.freeEntries;
  }
}
