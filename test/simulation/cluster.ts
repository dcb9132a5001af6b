/**
 * A cluster in one process: the product's manager, workers and remote driver on simulated clock, disk and network, and
 * what starts, kills and starts them again. A crash is the end of a process's timers, calls and connections; a restart is a
 * new object over the same disk. oracles.ts watches it.
 */
import type { Millis } from '#manager/process/ports.ts';
import { asSluiceError } from '#manager/protocol/errors.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import { createRemoteShuffle } from '#runtime/shuffle/remote.ts';
import { segmentPath } from '#worker/store/directory.ts';
import { indexOffset, regionHeaderBytes } from '#worker/store/region.ts';
import { Worker } from '#worker/worker.ts';
import { ControlPlane } from './control.ts';
import { type Crash, SimulatedDisk } from './disk.ts';
import type { FaultKind, Faults } from './faults.ts';
import { deathOf, type Executor } from './job.ts';
import { jump, ManagerPlace } from './manager-place.ts';
import { type Arrival, Network } from './network.ts';
import type { Scenario } from './scenario.ts';
import { SimulatedProcess, type Simulation } from './simulation.ts';

const secret = 'the secret of a simulated cluster';
const workerPort = 9000;
const mendMs = 3000;

/** One place for a worker: a host with a disk, on which one process runs after the other. */
export interface WorkerPlace {
  readonly name: string;
  readonly disk: SimulatedDisk;
  process: SimulatedProcess;
  /** Null while it is down, or starts. */
  worker: Worker | null;
  /** How the ones before it ended. */
  readonly crashes: Crash[];
}

export class Cluster {
  readonly simulation: Simulation;
  readonly faults: Faults;
  readonly scenario: Scenario;
  readonly network: Network;
  readonly control: ControlPlane;
  readonly places: WorkerPlace[] = [];
  readonly #manager: ManagerPlace;
  readonly #executors: (Executor | null)[] = [];
  /** Shuffles that are written to two places. */
  readonly replicated = new Set<string>();
  /** Told of a worker that has opened its folder, before it serves. */
  opened: (place: WorkerPlace, worker: Worker) => void = () => {};
  /** Told after everything that reached a worker. */
  reached: (place: WorkerPlace, worker: Worker) => void = () => {};

  constructor(simulation: Simulation, faults: Faults, scenario: Scenario) {
    this.simulation = simulation;
    this.faults = faults;
    this.scenario = scenario;
    const { leaseMs } = scenario;
    this.network = new Network(simulation, faults, leaseMs);
    this.control = new ControlPlane(simulation, faults, { secret, leaseMs });
    this.#manager = new ManagerPlace({ simulation, faults, control: this.control, secret, leaseMs, downMs: () => this.#downMs() });
    this.network.arrived = (arrival) => this.#arrived(arrival);
    this.control.kill = (process) => this.killExecutor(process);
  }

  start(): void {
    this.#manager.start();
    if (this.faults.has('eio') || this.faults.has('sync')) this.#mend();
    for (let i = 0; i < this.scenario.workers; i++) {
      const name = `worker-${i}`;
      const place: WorkerPlace = {
        name,
        disk: new SimulatedDisk(this.simulation, this.faults, true),
        process: new SimulatedProcess(this.simulation, name),
        worker: null,
        crashes: [],
      };
      this.places.push(place);
      this.#startWorker(place);
    }
  }

  /** The executors of a job, each with its own driver. */
  employ(job: number, token: string): void {
    for (let i = 0; i < this.scenario.executors; i++) this.#startExecutor(i, job, token);
  }

  get executors(): Executor[] {
    return this.#executors.filter((executor) => executor !== null);
  }

  /** The calls of a process that knows the cluster's secret. */
  clusterCalls(process: SimulatedProcess) {
    return this.control.callsOf(process, tokenSource(secret, process.clock.wall));
  }

  /** Closes the connections of the job that is over. */
  async dismiss(): Promise<void> {
    for (const executor of this.executors) await executor.driver.close();
    this.#executors.length = 0;
  }

  /** Somebody looks after workers that have given up their disk. */
  #mend(): void {
    this.simulation.after(mendMs, null, () => {
      for (const place of this.places) {
        if ((place.worker?.gauges().failedFolders ?? 0) > 0) this.#endWorker(place, 'kill', false);
      }
      this.#mend();
    });
  }

  #startWorker(place: WorkerPlace): void {
    const process = new SimulatedProcess(this.simulation, place.name);
    place.process = process;
    const { clock, random, log } = process;
    const { arenaBytes, segmentBytes } = this.scenario;
    const calls = this.clusterCalls(process);
    const recovered = Worker.recover({
      clock,
      random,
      log,
      disks: [place.disk.view(process)],
      manager: calls,
      secret,
      host: place.name,
      port: workerPort,
      hostLabel: place.name,
      pid: 1,
      arenaBytes,
      segmentBytes,
      diskBytes: 0,
      drainTimeoutMs: 1000,
    });
    const joined = recovered.then(async (worker) => {
      // What it believes is looked at before the manager tells it what was released.
      this.opened(place, worker);
      await worker.join();
      return worker;
    });
    joined.then(
      (worker) => {
        place.worker = worker;
        this.network.listen(workerPort, process, worker.incarnation, worker);
        // As its main does: a worker without a cluster ends.
        void worker.ended.then((error) => {
          if (error !== null && place.worker === worker) this.#endWorker(place, 'kill', false);
        });
      },
      (thrown: unknown) => {
        const error = asSluiceError(thrown);
        this.simulation.tell(() => `${place.name}: cannot start: ${error.message}`);
        this.#endWorker(place, 'kill', false);
      },
    );
  }

  /** How a worker's process ends, and when another begins. */
  #endWorker(place: WorkerPlace, how: Crash, silently: boolean, downMs: Millis = this.#downMs()): void {
    place.worker = null;
    place.crashes.push(how);
    place.process.kill();
    this.network.died(place.process, silently);
    this.control.died(place.process, silently);
    place.disk.crash(place.process, how);
    this.simulation.after(downMs, null, () => this.#startWorker(place));
  }

  #killWorker(place: WorkerPlace, kind: FaultKind, how: Crash): void {
    const { worker, process } = place;
    if (worker === null) return;
    if (this.#isReached(place, worker, kind)) this.faults.count(kind);
    this.simulation.tell(() => `${place.name}: ${how}`);
    // With the power goes the system, and with it who would say that the connections are closed.
    const silently = how !== 'kill' && this.faults.integer(0, 2) === 0;
    const again = kind === 'bounce' ? this.faults.number(1, 900) : undefined;
    if (kind === 'indexLost') this.#loseIndex(place, worker);
    if (process === place.process) this.#endWorker(place, how, silently, again);
  }

  /** Whether the end of the worker now is what the kind says. */
  #isReached({ process }: WorkerPlace, worker: Worker, kind: FaultKind): boolean {
    const { shuffles, streams, arenaUsedBytes } = worker.gauges();
    if (kind === 'killPushing' || kind === 'killFetching') return streams > 0;
    if (kind === 'killAcked') return arenaUsedBytes > 0;
    if (kind === 'killReplica') return [...worker.store.shuffles].some(([id, { cells }]) => cells.count > 0 && this.replicated.has(`${id}`));
    if (kind === 'bounce') return this.network.linksOf(process) > 0;
    if (kind === 'indexLost') return regionsOf(worker).length > 0;
    return this.network.linksOf(process) > 0 || shuffles > 0;
  }

  #loseIndex({ disk }: WorkerPlace, worker: Worker): void {
    const regions = regionsOf(worker);
    if (regions.length === 0) return;
    const { segment, offset, dataBytes, index } = this.faults.oneOf(regions);
    const from = offset + indexOffset({ dataBytes, indexBytes: index.byteLength });
    disk.wipe(segmentPath(segment.number), from, from + index.byteLength + regionHeaderBytes);
  }

  #downMs(): Millis {
    const { faults, scenario } = this;
    return [faults.number(1, 20), faults.number(20, 500), faults.number(500, 3000), scenario.leaseMs + faults.number(0, 3000)][faults.integer(0, 4)]!;
  }

  #arrived(arrival: Arrival): void {
    const { faults, simulation } = this;
    const { from, to, toServer } = arrival;
    const placeOf = (process: SimulatedProcess): WorkerPlace | undefined => this.places.find((one) => one.process === process && one.worker !== null);
    const kill = (place: WorkerPlace, kind: FaultKind, how: Crash, most: Millis): void => {
      if (faults.strikes(kind)) simulation.after(faults.number(0, most), place.process, () => this.#killWorker(place, kind, how));
    };
    if (faults.strikes('pause')) to.stop(pauseOf(faults), () => faults.count('pause'));
    if (toServer) {
      const place = placeOf(to);
      if (place === undefined) return;
      this.reached(place, place.worker!);
      for (const how of ['kill', 'power', 'torn'] as const) kill(place, how, how, 3);
      if (arrival.blocks) kill(place, 'killPushing', 'kill', 0.2);
      // Before anything of the answer can have come.
      if (arrival.asks) kill(place, 'killFetching', 'kill', 0.04);
      kill(place, 'bounce', 'kill', 3);
      if (regionsOf(place.worker!).length > 0) kill(place, 'indexLost', 'kill', 3);
      if (faults.strikes('drain')) simulation.after(0, to, () => void this.#drain(place));
      if (faults.strikes('clockJump')) jump(to, faults, simulation);
      return;
    }
    const place = placeOf(from);
    if (place !== undefined) {
      if (arrival.acked) kill(place, 'killAcked', 'kill', 1);
      if (arrival.blocks) kill(place, 'killFetching', 'kill', 0.5);
      if (arrival.acked || arrival.blocks) kill(place, 'killReplica', 'kill', 20);
    }
    if (faults.strikes('executorKill')) {
      simulation.after(faults.number(0, 2), to, () => {
        if (this.network.linksOf(to) > 0) faults.count('executorKill');
        this.killExecutor(to);
      });
    }
  }

  /** A worker leaves in order, as after SIGTERM, and comes back later. */
  async #drain(place: WorkerPlace): Promise<void> {
    const { worker, process } = place;
    if (worker === null || worker.isDraining) return;
    if (worker.gauges().shuffles > 0) this.faults.count('drain');
    this.simulation.tell(() => `${place.name}: drains`);
    worker.drain();
    await process.sleep(this.faults.number(0, 2000));
    await worker.close();
    if (place.worker === worker) this.#endWorker(place, 'kill', false);
  }

  readonly #startExecutor = (at: number, job: number, token: string): void => {
    const process = new SimulatedProcess(this.simulation, `executor-${at}`);
    const { clock, random, log } = process;
    const manager = this.control.callsOf(process, () => token);
    const transport = this.network.transport(process);
    const driver = createRemoteShuffle({ manager, transport, clock, random, log, job, token, name: process.name });
    process.atDeath(() => {
      this.simulation.after(this.faults.number(1, 500), null, () => {
        if (this.#executors.length > at) this.#startExecutor(at, job, token);
      });
    });
    this.#executors[at] = { process, driver, death: deathOf(process) };
  };

  /** Another takes its place. */
  killExecutor(process: SimulatedProcess): void {
    const at = this.#executors.findIndex((executor) => executor?.process === process);
    if (at < 0) return;
    this.simulation.tell(() => `${process.name}: kill`);
    this.#executors[at] = null;
    process.kill();
    const silently = this.faults.integer(0, 4) === 0;
    this.network.died(process, silently);
    this.control.died(process, silently);
  }
}

const regionsOf = ({ store }: Worker) => [...store.shuffles.values()].flatMap(({ shelves }) => shelves.flatMap(({ regions }) => regions));

/** Mostly short; a lease is 4 s, and a connection is given up after a minute and more. */
const pauseOf = (faults: Faults): Millis =>
  1000 * [faults.number(1, 4), faults.number(4, 20), faults.number(20, 120)][[0, 0, 0, 1, 1, 2][faults.integer(0, 6)]!]!;
