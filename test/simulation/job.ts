/**
 * One job over the simulated cluster, as a coordinator would run it: open shuffles, run the maps that are vacant, read, run
 * again what was lost, release. It moves plain payloads through the product's remote driver and judges every outcome: a wrong
 * read, or an error that no fault explains, is a violation. Which attempt runs where is all it decides.
 */
import type { Random } from '#manager/process/ports.ts';
import type { ManagerCalls, ShuffleSpec } from '#manager/protocol/control.ts';
import { asSluiceError, type ErrorCode, SluiceError } from '#manager/protocol/errors.ts';
import type { ShuffleDriver, ShuffleHandle } from '#runtime/shuffle/spi.ts';
import type { Faults } from './faults.ts';
import { Gathered, Payloads } from './payloads.ts';
import type { PlannedRead, Scenario, ShufflePlan } from './scenario.ts';
import type { SimulatedProcess, Simulation } from './simulation.ts';

/** A process that runs tasks; it may die, and another one takes its place. */
export interface Executor {
  readonly process: SimulatedProcess;
  readonly driver: ShuffleDriver;
  /** Rejects when it dies. */
  readonly death: Promise<never>;
}

export interface JobOptions {
  readonly simulation: Simulation;
  readonly faults: Faults;
  readonly scenario: Scenario;
  readonly process: SimulatedProcess;
  readonly calls: ManagerCalls;
  readonly job: number;
  /** Executors that are there now. */
  readonly executors: () => readonly Executor[];
  /** Called when a shuffle is released. */
  readonly released: (shuffle: string) => void;
}

/** Errors of a task that faults explain, whatever the remedy says: no manager, no worker, or its disk refuses for a while. */
const outages: ReadonlySet<ErrorCode> = new Set(['CLUSTER_UNREACHABLE', 'NO_WORKERS', 'LEDGER_UNAVAILABLE', 'DISK_FAILED', 'EXECUTOR_LOST']);

export class Job {
  readonly #options: JobOptions;
  readonly #random: Random;
  readonly #payloads = new Payloads();
  #turn = 0;
  readonly counters = { attempts: 0, superseded: 0, reruns: 0, reads: 0, rereads: 0, runs: 0 };

  constructor(options: JobOptions) {
    this.#options = options;
    this.#random = options.simulation.fork();
  }

  /** Ends when every shuffle was written, read right and released. */
  async run(): Promise<void> {
    const { scenario } = this.#options;
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let number = next++; number < scenario.shuffles.length; number = next++) await this.#shuffle(number, scenario.shuffles[number]!);
    };
    await Promise.all(Array.from({ length: scenario.abreast }, lane));
  }

  async #shuffle(number: number, plan: ShufflePlan): Promise<void> {
    const { calls, job } = this.#options;
    const spec: ShuffleSpec = {
      maps: plan.maps,
      partitions: plan.partitions,
      order: plan.order,
      level: plan.level,
      deterministic: plan.deterministic,
      replicas: 1,
      bytesHint: plan.bytesHint,
      schema: 'AAAA',
    };
    for (let stageAttempt = 0; ; stageAttempt++) {
      this.counters.runs++;
      const layout = await this.#insist('resolve', () => calls.resolveShuffle({ job, name: `shuffle-${number}`, stageAttempt, spec }));
      const handle: ShuffleHandle = { driver: 'remote', id: layout.shuffle, maps: plan.maps, partitions: plan.partitions };
      const run = new ShuffleRun(this, this.#options, this.#payloads, this.#random, number, plan, handle);
      if (!(await run.play())) continue;
      await this.#insist('release', () => calls.release({ shuffle: handle.id }));
      this.#options.released(handle.id);
      return;
    }
  }

  /** Asks until it is answered: the coordinator does not give up while faults last. */
  async #insist<T>(what: string, call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call();
      } catch (thrown) {
        const error = asSluiceError(thrown);
        this.judge(error, what);
        await this.#options.process.sleep(100);
      }
    }
  }

  /** Returns when the error is one that trying again may overcome; else it is a violation. */
  judge(error: SluiceError, what: string): void {
    this.#options.simulation.tell(() => `job: ${what}: ${error.code} ${error.message}`);
    if (error.remedy === 'retry' || error.remedy === 'recompute' || error.remedy === 'refresh') return;
    if (outages.has(error.code)) return;
    this.#options.simulation.violate(`${what}: ${error.code}: ${error.message}\n${error.cause instanceof Error ? error.cause.stack : error.stack}`);
  }

  /** The next executor in turn; waits for one when none is there. */
  async executor(): Promise<Executor> {
    for (;;) {
      const executors = this.#options.executors();
      if (executors.length > 0) return executors[this.#turn++ % executors.length]!;
      await this.#options.process.sleep(50);
    }
  }
}

/** One run of one shuffle. */
class ShuffleRun {
  readonly #job: Job;
  readonly #options: JobOptions;
  readonly #payloads: Payloads;
  readonly #random: Random;
  readonly #number: number;
  readonly #plan: ShufflePlan;
  readonly #handle: ShuffleHandle;
  /** By map: the next attempt's number. */
  readonly #attempts: number[];
  /** Of a shuffle that is not deterministic: the attempts that said they won. */
  readonly #won = new Map<number, number>();
  /** Attempts under way, by map. */
  readonly #running = new Map<number, Promise<void>>();
  #invalidated = false;

  constructor(job: Job, options: JobOptions, payloads: Payloads, random: Random, number: number, plan: ShufflePlan, handle: ShuffleHandle) {
    this.#job = job;
    this.#options = options;
    this.#payloads = payloads;
    this.#random = random;
    this.#number = number;
    this.#plan = plan;
    this.#handle = handle;
    this.#attempts = new Array<number>(plan.maps).fill(0);
  }

  /** Writes and reads all. False: the run was invalidated, and another is due. */
  async play(): Promise<boolean> {
    await this.#writeAll();
    await Promise.all(this.#plan.readers.map((read) => this.#read(read)));
    return !this.#invalidated;
  }

  /** Runs vacant maps until there are none. */
  async #writeAll(): Promise<void> {
    while (!this.#invalidated) {
      const vacant = await this.#ask();
      if (vacant === null) continue;
      if (vacant.length === 0) return;
      await Promise.all(vacant.map((map) => this.#map(map)));
    }
  }

  async #ask(): Promise<readonly number[] | null> {
    const { driver, death, process } = await this.#job.executor();
    try {
      const layout = await Promise.race([driver.vacant(this.#handle), death]);
      if (!this.#plan.deterministic && layout.length === this.#plan.maps && this.#won.size > 0) {
        const { invalidated } = await this.#options.calls.layout({ shuffle: this.#handle.id, after: -1, waitMs: 0 });
        if (invalidated) this.#invalidated = true;
      }
      return layout;
    } catch (thrown) {
      this.#job.judge(asSluiceError(thrown), `vacant of shuffle ${this.#number} on ${process.name}`);
      await this.#options.process.sleep(50);
      return null;
    }
  }

  /** One attempt of a map, or two rivals; joins the one that runs already. */
  #map(map: number): Promise<void> {
    let running = this.#running.get(map);
    if (running === undefined) {
      const attempts = [this.#attempt(map)];
      if (this.#options.faults.strikes('rival')) {
        this.#options.faults.count('rival');
        attempts.push(this.#attempt(map));
      }
      running = Promise.all(attempts).then(() => void this.#running.delete(map));
      this.#running.set(map, running);
    }
    return running;
  }

  async #attempt(map: number): Promise<void> {
    const { simulation, process } = this.#options;
    const number = this.#attempts[map]!++;
    const executor = await this.#job.executor();
    this.#job.counters.attempts++;
    const name = `map ${map}, attempt ${number} of shuffle ${this.#number} on ${executor.process.name}`;
    simulation.tell(() => `job: ${name}`);
    try {
      await Promise.race([this.#write(executor, map, number), executor.death]);
    } catch (thrown) {
      const error = asSluiceError(thrown);
      if (error.remedy === 'superseded') {
        this.#job.counters.superseded++;
        if (!this.#plan.deterministic) this.#invalidated = true;
        return;
      }
      this.#job.judge(error, name);
      this.#job.counters.reruns++;
      await process.sleep(20 + this.#random.next() * 80);
    }
  }

  async #write({ driver, process }: Executor, map: number, number: number): Promise<void> {
    const { simulation } = this.#options;
    const tag = this.#plan.deterministic ? 0 : number;
    const writer = await driver.createWriter(this.#handle, map, number);
    const blocks = this.#plan.blocks[map]!;
    // A buffer of its own: other tasks fill theirs while this one waits inside write.
    const payloads = new Payloads();
    for (const [place, { partition, bytes, records }] of blocks.entries()) {
      const payload = payloads.make(this.#number, map, tag, place, bytes);
      await writer.write(partition, payload, records);
      if (this.#random.next() < 0.05) await process.sleep(this.#random.next() * 20);
    }
    const committed = await writer.commit();
    simulation.tell(() => `job: map ${map}, attempt ${number} of shuffle ${this.#number} ${committed.won ? 'won' : 'was superseded'}`);
    if (committed.won) this.#won.set(map, tag);
    else this.#job.counters.superseded++;
  }

  /** Reads until it is right; what is missing is written again. */
  async #read(read: PlannedRead): Promise<void> {
    const { process } = this.#options;
    while (!this.#invalidated) {
      const executor = await this.#job.executor();
      this.#job.counters.reads++;
      try {
        await Promise.race([this.#gather(executor, read), executor.death]);
        return;
      } catch (thrown) {
        const error = asSluiceError(thrown);
        this.#job.judge(
          error,
          `read of shuffle ${this.#number}, partitions ${read.partitionFrom} to ${read.partitionTo} on ${executor.process.name}`,
        );
        this.#job.counters.rereads++;
        if (error.code === 'MISSING') {
          const maps = error.facts['maps'];
          if (!Array.isArray(maps) || maps.length === 0) this.#options.simulation.violate(`MISSING names no maps: ${error.message}`);
          await this.#writeAll();
        } else await process.sleep(50 + this.#random.next() * 100);
      }
    }
  }

  async #gather({ driver, process }: Executor, read: PlannedRead): Promise<void> {
    const gathered = new Gathered(this.#number, this.#plan, read);
    const { simulation } = this.#options;
    const where = `shuffle ${this.#number}, maps ${read.mapFrom} to ${read.mapTo}, partitions ${read.partitionFrom} to ${read.partitionTo}`;
    const reader = driver.createReader(this.#handle, read);
    for await (const block of reader) {
      const fault = gathered.add(block);
      if (fault !== null) return simulation.violate(`WRONG ${where}: ${fault}`);
      if (read.restMs > 0 && this.#random.next() < 0.2) await process.sleep(read.restMs);
    }
    if (!process.alive) return;
    const difference = gathered.compare(this.#payloads, (map) => (this.#plan.deterministic ? 0 : (this.#won.get(map) ?? 0)));
    if (difference !== null) simulation.violate(`WRONG ${where}: ${difference}`);
    simulation.note(gathered.blocks);
    simulation.tell(() => `job: read ${where}: ${gathered.blocks} blocks`);
  }
}

/** Rejects when the process dies; never otherwise. */
export function deathOf(process: SimulatedProcess): Promise<never> {
  const death = new Promise<never>((_, reject) => {
    process.atDeath(() => reject(new SluiceError('EXECUTOR_LOST', { executor: process.name, what: 'it was killed' })));
  });
  death.catch(() => {});
  return death;
}
