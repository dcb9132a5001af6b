/** Does the faults of a list, one after another, each while a job runs and when whom it meets is well; counts what was done. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, Member } from './cluster.ts';
import type { JobRun } from './coordinator.ts';
import type { Fault, Target } from './faults.ts';
import type { Network } from './network.ts';

/** So many members at once are not well; of each kind at least one is. */
const illAtMost = 2;
const lookMs = 50;

export class Storm {
  /** Faults done, by kind and target. */
  readonly done = new Map<string, number>();
  readonly #cluster: Cluster;
  readonly #network: Network;
  readonly #faults: readonly Fault[];
  readonly #run: () => JobRun | null;
  readonly #tell: (text: string) => void;
  readonly #ill = new Set<string>();
  readonly #healing = new Set<Promise<void>>();
  #count = 0;
  /** Since when the manager is away; null: it is there. */
  #awaySince: number | null = null;
  #managerAwayMs = 0;

  /** @param run  the job that runs now */
  constructor(cluster: Cluster, network: Network, faults: readonly Fault[], run: () => JobRun | null, tell: (text: string) => void) {
    this.#cluster = cluster;
    this.#network = network;
    this.#faults = faults;
    this.#run = run;
    this.#tell = tell;
  }

  get count(): number {
    return this.#count;
  }

  /** The longest time the manager was away since this was asked last. */
  takeManagerAwayMs(): number {
    const ms = Math.max(this.#managerAwayMs, this.#awaySince === null ? 0 : performance.now() - this.#awaySince);
    this.#managerAwayMs = 0;
    return ms;
  }

  /** Settles when all have been done and are over. Aborted: heals what is open, and begins no more. */
  async rage(signal: AbortSignal): Promise<void> {
    for (const fault of this.#faults) {
      const ends = signal.aborted || !(await sleep(fault.pauseMs, true, { signal }).catch(() => false));
      if (ends) break;
      for (;;) {
        if (signal.aborted) break;
        if (this.#begin(fault, signal)) break;
        await sleep(lookMs);
      }
    }
    await this.calm();
  }

  async calm(): Promise<void> {
    await Promise.all(this.#healing);
  }

  /** Whether it has begun: the target is there, and may be hurt. */
  #begin(fault: Fault, signal: AbortSignal): boolean {
    const run = this.#run();
    if (run === null || run.coordinator === null || this.#ill.size >= illAtMost) return false;
    if (run.share < fault.share) return false;
    const name = this.#nameOf(fault);
    if (this.#ill.has(name)) return false;
    this.#count++;
    const key = `${fault.kind} ${fault.target}`;
    this.done.set(key, (this.done.get(key) ?? 0) + 1);
    this.#tell(`fault ${this.#count}: ${fault.kind} ${name} for ${fault.forMs} ms`);
    this.#ill.add(name);
    const isManager = fault.target === 'manager';
    if (isManager) this.#awaySince = performance.now();
    const healing = (fault.target === 'coordinator' ? this.#atCoordinator(fault, run, signal) : this.#atMember(fault, signal)).then(() => {
      this.#tell(`fault over: ${fault.kind} ${name}`);
      this.#ill.delete(name);
      if (isManager) this.#managerAwayMs = this.takeManagerAwayMs();
      if (isManager) this.#awaySince = null;
      this.#healing.delete(healing);
    });
    this.#healing.add(healing);
    return true;
  }

  #members(target: Target): readonly Member[] {
    const { manager, workers, executors } = this.#cluster;
    return target === 'worker' ? workers : target === 'executor' ? executors : [manager];
  }
  #member({ target, index }: Fault): Member {
    const members = this.#members(target);
    return members[index % members.length]!;
  }
  #nameOf(fault: Fault): string {
    return fault.target === 'coordinator' ? 'coordinator' : this.#member(fault).name;
  }

  async #atCoordinator({ kind, forMs }: Fault, run: JobRun, signal: AbortSignal): Promise<void> {
    if (kind === 'kill') return run.kill();
    const child = run.coordinator!;
    child.kill('SIGSTOP');
    await over(forMs, signal);
    child.kill('SIGCONT');
  }

  async #atMember(fault: Fault, signal: AbortSignal): Promise<void> {
    const member = this.#member(fault);
    const lasts = (): Promise<void> => over(fault.forMs, signal);
    switch (fault.kind) {
      case 'kill':
        await member.kill();
        await lasts();
        return member.start();
      case 'stop':
        member.signal('SIGSTOP');
        await lasts();
        return member.signal('SIGCONT');
      case 'full':
        member.disk?.fill();
        await lasts();
        return member.disk?.empty();
      case 'slow':
        member.disk?.slow();
        await lasts();
        return member.disk?.hurry();
      case 'cutTo':
      case 'cutFrom': {
        const way = fault.kind === 'cutTo' ? 'to' : 'from';
        this.#network.cut(member.port, way);
        await lasts();
        return this.#network.heal(member.port, way);
      }
    }
  }
}

const over = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal, ref: true }).catch(() => undefined);
