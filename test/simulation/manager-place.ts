/**
 * The place where the manager runs: one folder with its journal, and on it one process after the other, or for a while two at once.
 * What kills it is drawn from the calls that reach it and from the writes of its journal. cluster.ts builds it.
 */
import { Manager } from '#manager/manager.ts';
import type { Millis } from '#manager/process/ports.ts';
import type { CallName } from '#manager/protocol/control.ts';
import { asSluiceError } from '#manager/protocol/errors.ts';
import type { ControlPlane, UnderWay } from './control.ts';
import { type Crash, SimulatedDisk } from './disk.ts';
import type { FaultKind, Faults } from './faults.ts';
import { SimulatedProcess, type Simulation } from './simulation.ts';

interface Running {
  readonly process: SimulatedProcess;
  /** Null while it starts. */
  manager: Manager | null;
}

/** What a manager does during which call. */
const moments: readonly (readonly [FaultKind, readonly CallName[]])[] = [
  ['killAllocating', ['openJob', 'openShuffle', 'resolveShuffle', 'registerWorker', 'announce']],
  ['killCommitting', ['commit']],
  ['killReleasing', ['release', 'closeJob']],
];
const polls: readonly CallName[] = ['orders', 'keepJob', 'layout'];

export interface ManagerPlaceOptions {
  readonly simulation: Simulation;
  readonly faults: Faults;
  readonly control: ControlPlane;
  readonly secret: string;
  readonly leaseMs: Millis;
  /** How long a process that has died is not there. */
  readonly downMs: () => Millis;
}

export class ManagerPlace {
  readonly #options: ManagerPlaceOptions;
  readonly #disk: SimulatedDisk;
  #running: Running[] = [];

  constructor(options: ManagerPlaceOptions) {
    this.#options = options;
    this.#disk = new SimulatedDisk(options.simulation, options.faults, false);
    this.#disk.writing = (process) => this.#writing(process);
    options.control.arrived = (call) => this.#called(call);
  }

  start(): void {
    const { simulation, secret, leaseMs, control } = this.#options;
    const process = new SimulatedProcess(simulation, 'manager');
    const running: Running = { process, manager: null };
    this.#running.push(running);
    const { clock, random, log } = process;
    const options = { secret, release: 'simulated', leaseMs, resumeMs: 60_000, workerWaitMs: 5000, jobQuotaBytes: 0 };
    Manager.open({ clock, random, log, disk: this.#disk.view(process) }, options).then(
      (manager) => {
        running.manager = manager;
        control.up(manager, process);
        // As its main does: a manager without a journal ends.
        void manager.ended.then(() => {
          if (this.#end(running, 'kill') !== null && this.#running.length === 0) simulation.after(this.#options.downMs(), null, () => this.start());
        });
        this.#succeed(running);
      },
      (thrown: unknown) => {
        const error = asSluiceError(thrown);
        simulation.tell(() => `manager: cannot start: ${error.message}`);
        // Another one began at the same time.
        const isSecond = error.code === 'FENCED' && this.#running.length > 1;
        if (error.code !== 'NO_SPACE' && error.code !== 'DISK_FAILED' && !isSecond)
          simulation.violate(`the manager cannot start: ${error.message}\n${error.stack}`);
        this.#end(running, 'kill');
        // Also beside another one, which its claim may have fenced already.
        simulation.after(500, null, () => this.start());
      },
    );
  }

  /** Those before it go on for a while, until somebody sees that they do nothing any more. */
  #succeed(newest: Running): void {
    const { simulation, faults } = this.#options;
    for (const older of this.#running) {
      if (older === newest) continue;
      faults.count('twoManagers');
      simulation.after(faults.number(50, 2000), null, () => this.#end(older, 'kill'));
    }
  }

  /** Answers whether a write was cut short; null: it had ended before. */
  #end(running: Running, how: Crash): boolean | null {
    if (!this.#running.includes(running)) return null;
    this.#running = this.#running.filter((one) => one !== running);
    running.process.kill();
    this.#options.control.down(running.process);
    return this.#disk.crash(running.process, how);
  }

  /** All of them go: they are on one machine. Answers whether a write was cut short; null: nothing was there to kill. */
  #kill(process: SimulatedProcess, how: Crash): boolean | null {
    const { simulation } = this.#options;
    if (!this.#running.some((one) => one.process === process && one.manager !== null)) return null;
    simulation.tell(() => `manager: ${how}`);
    let cut = false;
    for (const running of [...this.#running]) cut = (this.#end(running, how) ?? false) || cut;
    simulation.after(this.#options.downMs(), null, () => this.start());
    return cut;
  }

  #called(call: UnderWay): void {
    const { simulation, faults, control } = this.#options;
    const { process, name } = call;
    const soon = (from: Millis, to: Millis, run: () => void): void => void simulation.after(faults.number(from, to), null, run);
    for (const [kind, how] of [
      ['managerKill', 'kill'],
      ['managerPower', 'power'],
    ] as const) {
      if (faults.strikes(kind)) soon(0, 2, () => this.#kill(process, how) !== null && faults.count(kind));
    }
    for (const [kind, names] of moments) {
      if (!names.includes(name) || !faults.strikes(kind)) continue;
      soon(0, 0.3, () => {
        const wasOver = call.over;
        if (this.#kill(process, 'kill') !== null && !wasOver) faults.count(kind);
      });
    }
    if (polls.includes(name) && faults.strikes('killIdle')) {
      soon(5, 200, () => {
        const { isIdle } = control;
        if (this.#kill(process, 'kill') !== null && isIdle) faults.count('killIdle');
      });
    }
    if (this.#running.length === 1 && faults.strikes('twoManagers')) soon(0, 5, () => this.#running.length === 1 && this.start());
    if (faults.strikes('pause')) process.stop(faults.number(1, 20) * 1000, () => faults.count('pause'));
    if (faults.strikes('clockJump')) jump(process, faults, simulation);
  }

  #writing(process: SimulatedProcess): void {
    const { simulation, faults } = this.#options;
    if (faults.strikes('tear')) simulation.after(0.01, null, () => this.#kill(process, 'tear') === true && faults.count('tear'));
  }
}

const dayMs: Millis = 24 * 3_600_000;

/** The wall clock of a process goes wrong by a day, and is put right well before a lease is over, also of calls that are slow: tokens made meanwhile are refused as expired. */
export function jump(process: SimulatedProcess, faults: Faults, simulation: Simulation): void {
  process.wallOffsetMs = faults.oneOf([-dayMs, dayMs]);
  faults.count('clockJump');
  simulation.tell(() => `${process.name}: the wall clock is off by ${process.wallOffsetMs} ms`);
  simulation.after(Math.min(faults.leftMs, faults.number(100, 1200)), null, () => {
    process.wallOffsetMs = 0;
  });
}
