/**
 * A cluster in one process: the product's manager, workers and remote driver on simulated clock, disk and network, and
 * what starts, kills and starts them again. A crash is the end of a process's timers, calls and connections; a restart is a
 * new object over the same disk. oracles.ts watches it.
 */
import { Manager } from '#manager/manager.ts';
import type { Millis } from '#manager/process/ports.ts';
import { asSluiceError } from '#manager/protocol/errors.ts';
import { tokenSource } from '#manager/protocol/token.ts';
import { createRemoteShuffle } from '#runtime/shuffle/remote.ts';
import { Worker } from '#worker/worker.ts';
import { ControlPlane } from './control.ts';
import { type Crash, SimulatedDisk } from './disk.ts';
import type { FaultKind, Faults } from './faults.ts';
import { deathOf, type Executor } from './job.ts';
import { Network } from './network.ts';
import type { Scenario } from './scenario.ts';
import { SimulatedProcess, type Simulation } from './simulation.ts';

const secret = 'the secret of a simulated cluster';
const workerPort = 9000;

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
  readonly #journal: SimulatedDisk;
  readonly #executors: (Executor | null)[] = [];
  #managerProcess: SimulatedProcess | null = null;
  manager: Manager | null = null;
  /** Told of a worker that has opened its folder, before it serves. */
  opened: (place: WorkerPlace, worker: Worker) => void = () => {};
  /** Told after everything that reached a worker. */
  reached: (place: WorkerPlace, worker: Worker) => void = () => {};

  constructor(simulation: Simulation, faults: Faults, scenario: Scenario) {
    this.simulation = simulation;
    this.faults = faults;
    this.scenario = scenario;
    this.network = new Network(simulation, faults);
    this.control = new ControlPlane(simulation, faults);
    this.#journal = new SimulatedDisk(simulation, faults, false);
    this.network.arrived = (process) => this.#arrived(process);
    this.control.arrived = (process) => this.#called(process);
  }

  start(): void {
    this.#startManager();
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

  #startManager(): void {
    const process = new SimulatedProcess(this.simulation, 'manager');
    this.#managerProcess = process;
    const { clock, random, log } = process;
    const options = { secret, release: 'simulated', leaseMs: this.scenario.leaseMs, resumeMs: 60_000, workerWaitMs: 5000, jobQuotaBytes: 0 };
    Manager.open({ clock, random, log, disk: this.#journal.view(process) }, options).then(
      (manager) => {
        this.manager = manager;
        this.control.up(manager, process);
      },
      (thrown: unknown) => {
        const error = asSluiceError(thrown);
        this.simulation.tell(() => `manager: cannot start: ${error.message}`);
        if (error.code !== 'NO_SPACE' && error.code !== 'DISK_FAILED')
          this.simulation.violate(`the manager cannot start: ${error.message}\n${error.stack}`);
        process.kill();
        this.#journal.crash('kill');
        this.simulation.after(500, null, () => this.#startManager());
      },
    );
  }

  #killManager(kind: FaultKind, how: Crash): void {
    const process = this.#managerProcess;
    if (process === null || this.manager === null || !process.alive) return;
    this.faults.count(kind);
    this.simulation.tell(() => `manager: ${how}`);
    process.kill();
    this.manager = null;
    this.control.down();
    this.#journal.crash(how);
    this.simulation.after(this.#downMs(), null, () => this.#startManager());
  }

  #called(process: SimulatedProcess): void {
    for (const [kind, how] of [
      ['managerKill', 'kill'],
      ['managerPower', 'power'],
    ] as const) {
      if (this.faults.strikes(kind)) this.simulation.after(this.faults.number(0, 2), process, () => this.#killManager(kind, how));
    }
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
  #endWorker(place: WorkerPlace, how: Crash, silently: boolean): void {
    place.worker = null;
    place.crashes.push(how);
    place.process.kill();
    this.network.died(place.process, silently);
    this.control.died(place.process, silently);
    place.disk.crash(how);
    this.simulation.after(this.#downMs(), null, () => this.#startWorker(place));
  }

  #killWorker(place: WorkerPlace, kind: FaultKind, how: Crash): void {
    const { worker } = place;
    if (worker === null) return;
    if (this.network.linksOf(place.process) > 0 || worker.gauges().shuffles > 0) this.faults.count(kind);
    this.simulation.tell(() => `${place.name}: ${how}`);
    // With the power goes the system, and with it who would say that the connections are closed.
    this.#endWorker(place, how, how !== 'kill' && this.faults.integer(0, 2) === 0);
  }

  #downMs(): Millis {
    const { faults, scenario } = this;
    return [faults.number(1, 20), faults.number(20, 500), faults.number(500, 3000), scenario.leaseMs + faults.number(0, 3000)][faults.integer(0, 4)]!;
  }

  #arrived(process: SimulatedProcess): void {
    const place = this.places.find((one) => one.process === process);
    if (place?.worker) {
      this.reached(place, place.worker);
      for (const how of ['kill', 'power', 'torn'] as const) {
        if (this.faults.strikes(how)) this.simulation.after(this.faults.number(0, 3), process, () => this.#killWorker(place, how, how));
      }
      if (this.faults.strikes('drain')) this.simulation.after(0, process, () => void this.#drain(place));
      return;
    }
    const at = this.#executors.findIndex((executor) => executor?.process === process);
    if (at >= 0 && this.faults.strikes('executorKill')) this.simulation.after(this.faults.number(0, 2), process, () => this.#killExecutor(at));
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

  #killExecutor(at: number): void {
    const executor = this.#executors[at];
    if (executor === undefined || executor === null) return;
    if (this.network.linksOf(executor.process) > 0) this.faults.count('executorKill');
    this.simulation.tell(() => `${executor.process.name}: kill`);
    this.#executors[at] = null;
    executor.process.kill();
    const silently = this.faults.integer(0, 4) === 0;
    this.network.died(executor.process, silently);
    this.control.died(executor.process, silently);
  }
}
