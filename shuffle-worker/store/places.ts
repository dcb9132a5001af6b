/**
 * Waiting for room in a fixed memory: who asks first is served first, so that a large wish is not overtaken for ever. Read
 * streams take their places for pieces of files and frames here, and their accounts; it knows nothing of what lies in them.
 */
interface Room {
  /** The address, or -1 when there is no room now. */
  allocate(bytes: number): number;
  free(address: number, bytes: number): void;
}

export class Places {
  readonly #room: Room;
  readonly #waiting: { readonly bytes: number; readonly go: (address: number) => void }[] = [];

  constructor(room: Room) {
    this.#room = room;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** The address of `bytes` bytes, once there is room. Whoever does not want them any more when they come gives them back. */
  take(bytes: number): Promise<number> {
    const address = this.#waiting.length === 0 ? this.#room.allocate(bytes) : -1;
    if (address >= 0) return Promise.resolve(address);
    return new Promise((go) => this.#waiting.push({ bytes, go }));
  }

  give(address: number, bytes: number): void {
    this.#room.free(address, bytes);
    this.retry();
  }

  /** Others have freed something in the same memory. */
  retry(): void {
    while (this.#waiting.length > 0) {
      const { bytes, go } = this.#waiting[0]!;
      const address = this.#room.allocate(bytes);
      if (address < 0) return;
      this.#waiting.shift();
      go(address);
    }
  }
}
