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
  /** Ends its process. */
  readonly kill: (executor: Executor) => void;
  /** Called when a shuffle is released. */
  readonly released: (shuffle: string) => void;
  /** Called when a shuffle is open that is written to two places. */
  readonly replicated: (shuffle: string) => void;
  /** In how many places a committed map is. */
  readonly copiesOf: (shuffle: string, map: number) => number;
}

/** Errors of a task that faults explain, whatever the remedy says: no manager, no worker, or its disk refuses for a while. */
const outages: ReadonlySet<ErrorCode> = new Set(['CLUSTER_UNREACHABLE', 'NO_WORKERS', 'LEDGER_UNAVAILABLE', 'DISK_FAILED', 'EXECUTOR_LOST']);
/** Attempts of a stage attempt are numbered from so many times its number: none of them has the number of another. */
const attemptsPerStage = 1000;

export class Job {
  readonly #options: JobOptions;
  readonly #random: Random;
  readonly #payloads: Payloads;
  /** What goes on of runs that are over. */
  readonly #leftOver: Promise<unknown>[] = [];
  #turn = 0;
  readonly counters = { attempts: 0, superseded: 0, reruns: 0, reads: 0, rereads: 0, runs: 0 };

  constructor(options: JobOptions) {
    this.#options = options;
    this.#random = options.simulation.fork();
    this.#payloads = new Payloads(Math.max(0, ...options.scenario.shuffles.map(largestOf)));
  }

  /** Ends when every shuffle was written, read right and released. */
  async run(): Promise<void> {
    const { scenario } = this.#options;
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let number = next++; number < scenario.shuffles.length; number = next++) await this.#shuffle(number, scenario.shuffles[number]!);
    };
    await Promise.all(Array.from({ length: scenario.abreast }, lane));
    await Promise.all(this.#leftOver);
  }

  async #shuffle(number: number, plan: ShufflePlan): Promise<void> {
    const { calls, job, faults, process } = this.#options;
    const spec: ShuffleSpec = {
      maps: plan.maps,
      partitions: plan.partitions,
      order: plan.order,
      level: plan.level,
      deterministic: plan.deterministic,
      replicas: plan.replicas,
      bytesHint: plan.bytesHint,
      schema: 'AAAA',
    };
    for (let stageAttempt = 0; ; stageAttempt++) {
      this.counters.runs++;
      const layout = await this.#insist('resolve', () => calls.resolveShuffle({ job, name: `shuffle-${number}`, stageAttempt, spec }));
      const handle: ShuffleHandle = { driver: 'remote', id: layout.shuffle, maps: plan.maps, partitions: plan.partitions };
      if (plan.replicas > 1) this.#options.replicated(handle.id);
      const run = new ShuffleRun(this, this.#options, this.#payloads, this.#random, number, plan, handle, stageAttempt * attemptsPerStage);
      if (faults.strikes('stageRerun')) {
        this.#leftOver.push(run.play());
        await process.sleep(this.#random.next() * 60);
        run.abandon();
        if (run.isWriting) faults.count('stageRerun');
        continue;
      }
      if (!(await run.play())) continue;
      const late = faults.strikes('race') ? run.playLate() : null;
      if (late !== null) {
        this.#leftOver.push(late);
        await process.sleep(this.#random.next() * 5);
      }
      await this.#insist('release', () => calls.release({ shuffle: handle.id }));
      if (late !== null && run.isBusy) faults.count('race');
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
    const { simulation, faults } = this.#options;
    simulation.tell(() => `job: ${what}: ${error.code} ${error.message}`);
    // Memory may be short by itself.
    if (faults.fired.length === 0 && error.code !== 'NO_SPACE') {
      simulation.violate(`${what}: ${error.code}, though nothing has gone wrong: ${error.message}`);
    }
    if (error.remedy === 'retry' || error.remedy === 'recompute' || error.remedy === 'refresh') return;
    if (outages.has(error.code)) return;
    simulation.violate(`${what}: ${error.code}: ${error.message}\n${error.cause instanceof Error ? error.cause.stack : error.stack}`);
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
  /** Maps that said they had won. */
  readonly #committed = new Set<number>();
  /** Of a shuffle that is not deterministic, by map: the attempt that a reader got whole. */
  readonly #read = new Map<number, number>();
  #invalidated = false;
  /** Another run is due, or the shuffle is released: what still goes on may fail as it likes, but not be wrong. */
  #abandoned = false;
  #writes = 0;
  #reads = 0;

  constructor(
    job: Job,
    options: JobOptions,
    payloads: Payloads,
    random: Random,
    number: number,
    plan: ShufflePlan,
    handle: ShuffleHandle,
    firstAttempt: number,
  ) {
    this.#job = job;
    this.#options = options;
    this.#payloads = payloads;
    this.#random = random;
    this.#number = number;
    this.#plan = plan;
    this.#handle = handle;
    this.#attempts = new Array<number>(plan.maps).fill(firstAttempt);
  }

  get isWriting(): boolean {
    return this.#writes > 0;
  }
  get isBusy(): boolean {
    return this.#writes + this.#reads > 0;
  }

  /** What runs goes on; nothing new begins. */
  abandon(): void {
    this.#abandoned = true;
    this.#invalidated = true;
  }

  /** One more attempt and one more read of a shuffle that is about to be released. */
  async playLate(): Promise<void> {
    this.#abandoned = true;
    const { readers } = this.#plan;
    const executor = await this.#job.executor();
    const read = readers[Math.floor(this.#random.next() * readers.length)];
    await Promise.all([
      this.#attempt(0),
      read && Promise.race([this.#gather(executor, read), executor.death]).catch((thrown: unknown) => this.#judge(thrown, 'late read')),
    ]);
  }

  #judge(thrown: unknown, what: string): SluiceError {
    const error = asSluiceError(thrown);
    if (!this.#abandoned || error.code === 'INTERNAL') this.#job.judge(error, what);
    else this.#options.simulation.tell(() => `job: ${what}, left over: ${error.code} ${error.message}`);
    return error;
  }

  /** Writes and reads all. False: the run was invalidated, and another is due. */
  async play(): Promise<boolean> {
    await this.#writeAll();
    const { faults } = this.#options;
    const others: Promise<void>[] = [];
    if (!this.#plan.deterministic && !this.#invalidated && faults.strikes('partRerun')) others.push(this.#rerunPart());
    if (!this.#invalidated && faults.strikes('deafReader')) others.push(this.#hearNothing());
    await Promise.all([...this.#plan.readers.map((read) => this.#readAll(read)), ...others]);
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
      this.#judge(thrown, `vacant of shuffle ${this.#number} on ${process.name}`);
      await this.#options.process.sleep(50);
      return null;
    }
  }

  /** One attempt of a map, or up to four rivals; joins the one that runs already. */
  #map(map: number): Promise<void> {
    let running = this.#running.get(map);
    if (running === undefined) {
      const attempts = [this.#attempt(map)];
      if (this.#options.faults.strikes('rival')) {
        this.#options.faults.count('rival');
        for (let more = 1 + Math.floor(this.#random.next() * 3); more > 0; more--) attempts.push(this.#attempt(map, this.#random.next() * 20));
      }
      running = Promise.all(attempts).then(() => void this.#running.delete(map));
      this.#running.set(map, running);
    }
    return running;
  }

  /** @param restMs  how long it waits before it commits: who begins first does not end first */
  async #attempt(map: number, restMs = 0): Promise<void> {
    const { simulation, process } = this.#options;
    const number = this.#attempts[map]!++;
    const executor = await this.#job.executor();
    this.#job.counters.attempts++;
    const name = `map ${map}, attempt ${number} of shuffle ${this.#number} on ${executor.process.name}`;
    simulation.tell(() => `job: ${name}`);
    this.#mayRun(map, name);
    this.#writes++;
    try {
      await Promise.race([this.#write(executor, map, number, restMs), executor.death]);
    } catch (thrown) {
      const error = asSluiceError(thrown);
      if (error.remedy === 'superseded') {
        this.#job.counters.superseded++;
        if (!this.#plan.deterministic) this.#invalidated = true;
        return;
      }
      this.#judge(error, name);
      this.#job.counters.reruns++;
      await process.sleep(20 + this.#random.next() * 80);
    } finally {
      this.#writes--;
    }
  }

  /** While all that went wrong is that one of two copies died, what was committed is not written again. */
  #mayRun(map: number, name: string): void {
    const { faults, simulation } = this.#options;
    if (!this.#committed.has(map) || this.#abandoned || this.#options.copiesOf(this.#handle.id, map) < 2) return;
    if (faults.fired.length === 1 && faults.fired[0] === 'killReplica:1') simulation.violate(`${name} runs again, though it has one more copy`);
  }

  /** A map that was committed is written once more, though it may be another thing now: nobody may come to read it. */
  async #rerunPart(): Promise<void> {
    const { faults } = this.#options;
    const map = Math.floor(this.#random.next() * this.#plan.maps);
    const number = this.#attempts[map]!++;
    const executor = await this.#job.executor();
    try {
      const won = await Promise.race([this.#write(executor, map, number, 0), executor.death]);
      if (!won) faults.count('partRerun');
    } catch (thrown) {
      const error = asSluiceError(thrown);
      if (error.remedy === 'superseded') faults.count('partRerun');
      else this.#judge(error, `map ${map} once more`);
    }
  }

  /** Takes one block, and no other until faults end. */
  async #hearNothing(): Promise<void> {
    const { faults, process } = this.#options;
    const { maps, partitions } = this.#plan;
    const { driver, death } = await this.#job.executor();
    const reader = driver.createReader(this.#handle, { mapFrom: 0, mapTo: maps, partitionFrom: 0, partitionTo: partitions, ordered: false });
    try {
      const first = await Promise.race([reader[Symbol.asyncIterator]().next(), death]);
      if (first.done) return;
      await Promise.race([process.sleep(faults.leftMs), death]);
      faults.count('deafReader');
      await reader.close();
    } catch (thrown) {
      this.#judge(thrown, 'a reader that does not read');
    }
  }

  /** Answers whether it won. */
  async #write(executor: Executor, map: number, number: number, restMs: number): Promise<boolean> {
    const { driver, process } = executor;
    const { simulation, faults, kill } = this.#options;
    const tag = this.#plan.deterministic ? 0 : number;
    const writer = await driver.createWriter(this.#handle, map, number);
    const blocks = this.#plan.blocks[map]!;
    // A buffer of its own: other tasks fill theirs while this one waits inside write.
    const payloads = new Payloads(largestOf(this.#plan));
    for (const [place, { partition, bytes, records }] of blocks.entries()) {
      if (faults.strikes('dieWriting')) {
        faults.count('dieWriting');
        kill(executor);
      }
      const payload = payloads.make(this.#number, map, tag, place, bytes);
      await writer.write(partition, payload, records);
      if (this.#random.next() < 0.05) await process.sleep(this.#random.next() * 20);
    }
    if (restMs > 0) await process.sleep(restMs);
    let committing = true;
    if (faults.strikes('dieCommitting')) {
      simulation.after(faults.number(0, 4), process, () => {
        if (committing) faults.count('dieCommitting');
        kill(executor);
      });
    }
    const committed = await writer.commit();
    committing = false;
    simulation.tell(() => `job: map ${map}, attempt ${number} of shuffle ${this.#number} ${committed.won ? 'won' : 'was superseded'}`);
    if (committed.won) {
      this.#won.set(map, tag);
      this.#committed.add(map);
    } else this.#job.counters.superseded++;
    return committed.won;
  }

  /** Reads until it is right; what is missing is written again. */
  async #readAll(read: PlannedRead): Promise<void> {
    const { process } = this.#options;
    while (!this.#invalidated) {
      const executor = await this.#job.executor();
      this.#job.counters.reads++;
      try {
        await Promise.race([this.#gather(executor, read), executor.death]);
        return;
      } catch (thrown) {
        const error = this.#judge(
          thrown,
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

  async #gather(executor: Executor, read: PlannedRead): Promise<void> {
    this.#reads++;
    try {
      await this.#take(executor, read);
    } finally {
      this.#reads--;
    }
  }

  async #take(executor: Executor, read: PlannedRead): Promise<void> {
    const { driver, process } = executor;
    const { faults, kill } = this.#options;
    const gathered = new Gathered(this.#number, this.#plan, read);
    const { simulation } = this.#options;
    const where = `shuffle ${this.#number}, maps ${read.mapFrom} to ${read.mapTo}, partitions ${read.partitionFrom} to ${read.partitionTo}`;
    const reader = driver.createReader(this.#handle, read);
    let reading = true;
    if (faults.strikes('dieReading')) {
      simulation.after(faults.number(0, 3), process, () => {
        if (reading) faults.count('dieReading');
        kill(executor);
      });
    }
    for await (const block of reader) {
      const fault = gathered.add(block);
      if (fault !== null) return simulation.violate(`WRONG ${where}: ${fault}`);
      if (read.restMs > 0 && this.#random.next() < 0.2) await process.sleep(read.restMs);
    }
    reading = false;
    if (!process.alive) return;
    const difference = gathered.compare(this.#payloads, (map) => (this.#plan.deterministic ? 0 : (this.#won.get(map) ?? 0)));
    if (difference !== null) simulation.violate(`WRONG ${where}: ${difference}`);
    if (!this.#plan.deterministic) this.#agree(gathered.attempts, where);
    simulation.note(gathered.blocks);
    simulation.tell(() => `job: read ${where}: ${gathered.blocks} blocks`);
  }

  /** All readers of one run get the same attempt of a map: another one is another thing. */
  #agree(attempts: ReadonlyMap<number, number>, where: string): void {
    for (const [map, attempt] of attempts) {
      const before = this.#read.get(map) ?? attempt;
      if (before !== attempt)
        this.#options.simulation.violate(`WRONG ${where}: attempt ${attempt} of map ${map}, of which another reader got ${before}`);
      this.#read.set(map, attempt);
    }
  }
}

const largestOf = ({ blocks }: ShufflePlan): number => Math.max(0, ...blocks.flat().map(({ bytes }) => bytes));

/** Rejects when the process dies; never otherwise. */
export function deathOf(process: SimulatedProcess): Promise<never> {
  const death = new Promise<never>((_, reject) => {
    process.atDeath(() => reject(new SluiceError('EXECUTOR_LOST', { executor: process.name, what: 'it was killed' })));
  });
  death.catch(() => {});
  return death;
}
