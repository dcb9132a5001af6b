/**
 * Records that cannot be read, for those who look at a file and run no job: how many there are, and where the first few stand and
 * what is wrong with them. A job stops at such a record or writes it to its rejects (csv-rejects.ts). Used by inspect.ts and `sluice peek`.
 */

/** Where records go that cannot be read. */
export interface RejectsTaker {
  add(path: string, line: number, column: number, what: string, text: string): Promise<void>;
}

const keptMost = 5;

export class BadLines implements RejectsTaker {
  #count = 0;
  readonly #first: string[] = [];

  get count(): number {
    return this.#count;
  }

  async add(path: string, line: number, column: number, what: string): Promise<void> {
    this.#count++;
    if (this.#first.length < keptMost) this.#first.push(`  ${path}:${line}:${column}: ${what}`);
  }

  /** Lines for people; none when all could be read. */
  report(): string[] {
    if (this.#count === 0) return [];
    const more = this.#count > this.#first.length ? [`  and ${this.#count - this.#first.length} more`] : [];
    const they = this.#count === 1 ? '1 record cannot be read and is' : `${this.#count} records cannot be read and are`;
    return [`${they} left out; a job stops there, or takes \`rejects: FILE\` for them:`, ...this.#first, ...more];
  }
}
