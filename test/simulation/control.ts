/**
 * The control plane between simulated processes: requests and answers are late, lost or doubled, a manager that dies takes its calls
 * with it, a caller that dies is noticed or not, and of two managers either may be asked. Each process gets the manager's calls as its undici client gives
 * them, with the same rules for what is sent again; tokens are checked as the server does.
 */
import type { Manager } from '#manager/manager.ts';
import { retry } from '#manager/process/retry.ts';
import { type Answer, type CallName, calls, type ManagerCalls, type Request } from '#manager/protocol/control.ts';
import { asSluiceError, fromJson, SluiceError, toJson } from '#manager/protocol/errors.ts';
import { mintToken } from '#manager/protocol/token.ts';
import type { FaultKind, Faults } from './faults.ts';
import { forged } from './network.ts';
import type { SimulatedProcess, Simulation } from './simulation.ts';

/** A call as it was answered, or refused. */
export interface Exchange {
  readonly name: CallName;
  readonly request: unknown;
  readonly answer: unknown;
  readonly error: SluiceError | null;
  /** Which start of the manager answered: 1, 2 .. */
  readonly start: number;
}

/** A manager that can be called. */
interface Target {
  readonly manager: Manager;
  readonly process: SimulatedProcess;
  readonly start: number;
}

/** What is on its way to a manager, or judged there. */
export interface UnderWay {
  readonly name: CallName;
  readonly caller: SimulatedProcess;
  readonly process: SimulatedProcess;
  readonly abort: AbortController;
  over: boolean;
  /** The caller hears that nobody is there any more. */
  drop(): void;
}

/** Which of its callers a worker cannot reach, for a while. */
interface CutOff {
  readonly kind: FaultKind;
  readonly until: number;
  readonly answersOnly: boolean;
  counted: boolean;
}

interface Held {
  readonly request: Request<'commit'>;
  readonly token: string;
}

/** A poll that nobody waits for any more ends so soon. */
const ghostMs = 2000;
/** A commit that was held back is delivered at the latest after this. */
const heldMs = 15_000;
const notTwice: ReadonlySet<CallName> = new Set(['openJob', 'mintToken']);
const patienceMs = 5000;

export class ControlPlane {
  readonly #simulation: Simulation;
  readonly #faults: Faults;
  readonly #secret: string;
  readonly #leaseMs: number;
  /** The newest first. */
  #targets: Target[] = [];
  #starts = 0;
  readonly #cutOff = new Map<string, CutOff>();
  #held: Held[] = [];
  readonly #underWay = new Set<UnderWay>();
  /** Told of every call the manager has answered, before anyone else is. */
  readonly watchers: ((exchange: Exchange) => void)[] = [];
  /** Called when a call has reached the manager: crashes are drawn from it. */
  arrived: (call: UnderWay) => void = () => {};
  /** Kills the process of a caller. */
  kill: (caller: SimulatedProcess) => void = () => {};

  constructor(simulation: Simulation, faults: Faults, options: { readonly secret: string; readonly leaseMs: number }) {
    this.#simulation = simulation;
    this.#faults = faults;
    this.#secret = options.secret;
    this.#leaseMs = options.leaseMs;
  }

  /** Whether nothing but long polls is under way. */
  get isIdle(): boolean {
    for (const { name } of this.#underWay) if (!polls.has(name)) return false;
    return true;
  }

  up(manager: Manager, process: SimulatedProcess): void {
    this.#targets.unshift({ manager, process, start: ++this.#starts });
  }

  down(process: SimulatedProcess): void {
    this.#targets = this.#targets.filter((target) => target.process !== process);
    for (const call of [...this.#underWay]) if (call.process === process) call.drop();
  }

  /** A caller has died; the manager notices when its connections close, or never. */
  died(caller: SimulatedProcess, silently: boolean): void {
    for (const call of [...this.#underWay]) {
      if (call.caller !== caller) continue;
      this.#underWay.delete(call);
      if (!silently) this.#simulation.after(this.#faults.number(0.1, 1), null, () => call.abort.abort());
    }
  }

  /** The calls of one process, which shows the token it has at the time. */
  callsOf(caller: SimulatedProcess, token: () => string): ManagerCalls {
    const { clock, random } = caller;
    const names = Object.keys(calls) as CallName[];
    return Object.fromEntries(
      names.map((name) => [
        name,
        (request: Request<typeof name>, options?: { signal?: AbortSignal }) =>
          retry({ clock, random, patienceMs, signal: options?.signal, again: (error) => isWorthAnother(name, error) }, () =>
            this.#once(caller, name, JSON.parse(JSON.stringify(request)), token(), options?.signal),
          ),
      ]),
    ) as ManagerCalls;
  }

  async #once<N extends CallName>(caller: SimulatedProcess, name: N, request: Request<N>, token: string, signal?: AbortSignal): Promise<Answer<N>> {
    const faults = this.#faults;
    const unreachable = (sent: boolean): SluiceError => new SluiceError('CLUSTER_UNREACHABLE', { url: 'http://manager', sent });
    await caller.sleep(this.#latency(name));
    // The newest manager, or while there are two of them either.
    const target = this.#targets.length > 1 ? faults.oneOf(this.#targets) : this.#targets[0];
    this.#drawCutOff(caller);
    const isCut = this.#isCutOff(caller, false);
    if (target === undefined || isCut || faults.strikes('lostCall')) {
      if (target !== undefined && !isCut) faults.count('lostCall');
      await caller.sleep(isCut ? faults.number(300, 1500) : faults.number(1, 300));
      throw unreachable(target !== undefined);
    }
    if (name === 'commit' && faults.strikes('lateCommit')) {
      this.#hold({ request: request as Request<'commit'>, token });
      this.kill(caller);
      return await new Promise(() => {});
    }
    const { manager, process, start } = target;
    const abort = new AbortController();
    const hangUp = (): void => abort.abort();
    signal?.addEventListener('abort', hangUp);
    return await new Promise<Answer<N>>((resolve, reject) => {
      const call: UnderWay = {
        name,
        caller,
        process,
        abort,
        over: false,
        drop: () => {
          for (const watch of this.watchers) watch({ name, request, answer: null, error: unreachable(true), start });
          end(() => reject(unreachable(true)));
        },
      };
      /** The caller hears of it after a while, if he is alive. */
      const end = (tell: () => void): void => {
        if (call.over) return;
        call.over = true;
        this.#underWay.delete(call);
        signal?.removeEventListener('abort', hangUp);
        this.#simulation.after(this.#latency(name), caller, tell);
      };
      const answered = (answer: unknown, error: SluiceError | null): void => {
        if (!process.alive) return;
        this.#simulation.note(start, error === null ? 0 : 1);
        for (const watch of this.watchers) watch({ name, request, answer, error, start });
        if (name === 'commit') this.#follow(request as Request<'commit'>, target);
        if (call.over) return;
        const lost = faults.strikes('lostAnswer');
        if (lost) faults.count('lostAnswer');
        if (lost || this.#isCutOff(caller, true)) call.drop();
        else if (error === null) end(() => resolve(JSON.parse(JSON.stringify(answer)) as Answer<N>));
        else end(() => reject(fromJson(JSON.parse(JSON.stringify(toJson(error))))));
      };
      this.#underWay.add(call);
      signal?.addEventListener('abort', () => end(() => reject(signal.reason)), { once: true });
      // It is judged in a turn of the manager's own: one that is stopped judges nothing.
      this.#simulation.after(0, process, () => {
        this.arrived(call);
        if (faults.strikes('stranger')) this.#intrude(manager, name, request, token, process.clock.wall());
        if (!notTwice.has(name) && faults.strikes('twice')) {
          this.#simulation.after(faults.number(0.1, 3000), process, () => {
            faults.count('twice');
            this.#deliverAgain(target, name, request, token);
          });
        }
        judge(manager, name, request, token, abort.signal).then(
          (answer) => answered(answer, null),
          (thrown: unknown) => answered(null, asSluiceError(thrown)),
        );
      });
    });
  }

  /** A call whose caller is gone, or has his answer: nobody hears of this one. */
  #deliverAgain<N extends CallName>({ manager, process, start }: Target, name: N, request: Request<N>, token: string): void {
    const abort = new AbortController();
    if ('waitMs' in request) this.#simulation.after(this.#faults.number(0, ghostMs), null, () => abort.abort());
    const tell = (answer: unknown, error: SluiceError | null): void => {
      if (!process.alive) return;
      for (const watch of this.watchers) watch({ name, request, answer, error, start });
    };
    judge(manager, name, request, token, abort.signal).then(
      (answer) => tell(answer, null),
      (thrown: unknown) => tell(null, asSluiceError(thrown)),
    );
  }

  #hold(held: Held): void {
    this.#held.push(held);
    this.#simulation.after(heldMs, null, () => this.#release(held));
  }

  /** A commit of the same map was judged: the one held back comes now. */
  #follow({ shuffle, map, attempt }: Request<'commit'>, target: Target): void {
    const held = this.#held.find(({ request }) => request.shuffle === shuffle && request.map === map && request.attempt !== attempt);
    if (held === undefined) return;
    this.#simulation.after(this.#faults.number(0, 5), target.process, () => {
      if (this.#release(held)) this.#faults.count('lateCommit');
    });
  }

  #release(held: Held): boolean {
    const target = this.#targets[0];
    if (!this.#held.includes(held)) return false;
    this.#held = this.#held.filter((one) => one !== held);
    if (target === undefined || target.process.stoppedUntil > this.#simulation.now) return false;
    this.#deliverAgain(target, 'commit', held.request, held.token);
    return true;
  }

  /** A worker loses sight of the manager; its polls end for it, for the manager, for both, or for none of them. */
  #drawCutOff(caller: SimulatedProcess): void {
    const faults = this.#faults;
    if (!caller.name.startsWith('worker')) return;
    for (const kind of ['cutOff', 'cutOffLong'] as const) {
      if (!faults.strikes(kind)) continue;
      const ms = kind === 'cutOff' ? faults.number(50, 0.8 * this.#leaseMs) : faults.number(1.2 * this.#leaseMs, 5 * this.#leaseMs);
      this.#cutOff.set(caller.name, { kind, until: this.#simulation.now + ms, answersOnly: faults.integer(0, 3) === 0, counted: false });
      const [callerHears, managerHears] = [faults.integer(0, 2) === 0, faults.integer(0, 2) === 0];
      for (const call of [...this.#underWay]) {
        if (call.caller !== caller) continue;
        if (managerHears) this.#simulation.after(faults.number(1, 500), call.process, () => call.abort.abort());
        if (callerHears) this.#simulation.after(faults.number(1, 500), caller, () => call.drop());
      }
    }
  }

  #isCutOff({ name }: SimulatedProcess, isAnswer: boolean): boolean {
    const cut = this.#cutOff.get(name);
    if (cut === undefined || this.#simulation.now >= cut.until || (cut.answersOnly && !isAnswer)) return false;
    if (!cut.counted) this.#faults.count(cut.kind);
    cut.counted = true;
    return true;
  }

  /** Somebody without the right token asks the same. */
  #intrude<N extends CallName>(manager: Manager, name: N, request: Request<N>, token: string, wall: number): void {
    const { scope } = calls[name];
    if (scope === 'open') return;
    const key = { secret: this.#secret, cluster: manager.cluster };
    const other = mintToken(key, { scope: 'job', job: 4_000_000 }, 4e12);
    const expired = mintToken(key, { scope: 'cluster' }, wall - 1000);
    for (const wrong of ['', forged(token), other, expired]) {
      try {
        manager.reach(name, manager.admit(name, wrong), request);
      } catch (thrown) {
        if (asSluiceError(thrown).code === 'UNAUTHORIZED') continue;
      }
      this.#simulation.violate(`the manager takes ${name} with a wrong token`);
    }
    this.#faults.count('stranger');
  }

  /** What keeps a job is slow twice, there and back, and a wrong clock may come on top: together that stays below a lease. */
  #latency(name: CallName): number {
    const slow = this.#faults.strikes('slowCall');
    if (slow) this.#faults.count('slowCall');
    const ms = slow ? this.#faults.number(100, 2500) : this.#faults.number(0.1, 0.8);
    return name === 'keepJob' ? Math.min(ms, this.#leaseMs / 4) : ms;
  }
}

const polls: ReadonlySet<CallName> = new Set(['orders', 'keepJob', 'layout']);

async function judge<N extends CallName>(manager: Manager, name: N, request: Request<N>, token: string, signal: AbortSignal): Promise<Answer<N>> {
  manager.reach(name, manager.admit(name, token), request);
  return await manager.handle(name, request, { signal });
}

/** As the client over HTTP decides it. */
function isWorthAnother(name: CallName, error: SluiceError): boolean {
  if (error.code === 'LEDGER_UNAVAILABLE') return true;
  return error.code === 'CLUSTER_UNREACHABLE' && !(notTwice.has(name) && error.facts['sent'] === true);
}
