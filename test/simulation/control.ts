/**
 * The control plane between simulated processes: requests and answers are late or lost, a manager that dies takes its calls
 * with it, a caller that dies is noticed or not. Each process gets the manager's calls as its undici client gives
 * them, with the same rules for what is sent again; tokens are checked as the server does.
 */
import type { Manager } from '#manager/manager.ts';
import { retry } from '#manager/process/retry.ts';
import { type Answer, type CallName, calls, type ManagerCalls, type Request } from '#manager/protocol/control.ts';
import { asSluiceError, fromJson, SluiceError, toJson } from '#manager/protocol/errors.ts';
import type { Faults } from './faults.ts';
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

interface UnderWay {
  readonly caller: SimulatedProcess;
  readonly abort: AbortController;
  /** The caller hears that nobody is there any more. */
  drop(): void;
}

const notTwice: ReadonlySet<CallName> = new Set(['openJob', 'mintToken']);
const patienceMs = 5000;

export class ControlPlane {
  readonly #simulation: Simulation;
  readonly #faults: Faults;
  #manager: Manager | null = null;
  #process: SimulatedProcess | null = null;
  #starts = 0;
  readonly #underWay = new Set<UnderWay>();
  /** Told of every call the manager has answered, before anyone else is. */
  readonly watchers: ((exchange: Exchange) => void)[] = [];
  /** Called when a call has reached the manager: crashes are drawn from it. */
  arrived: (process: SimulatedProcess) => void = () => {};

  constructor(simulation: Simulation, faults: Faults) {
    this.#simulation = simulation;
    this.#faults = faults;
  }

  get isUp(): boolean {
    return this.#manager !== null;
  }
  get calls(): number {
    return this.#underWay.size;
  }

  up(manager: Manager, process: SimulatedProcess): void {
    this.#manager = manager;
    this.#process = process;
    this.#starts++;
  }

  down(): void {
    this.#manager = null;
    this.#process = null;
    for (const call of [...this.#underWay]) call.drop();
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
    await caller.sleep(this.#latency());
    const manager = this.#manager;
    const process = this.#process;
    if (manager === null || process === null || faults.strikes('lostCall')) {
      if (manager !== null) faults.count('lostCall');
      await caller.sleep(faults.number(1, 300));
      throw unreachable(manager !== null);
    }
    const abort = new AbortController();
    const hangUp = (): void => abort.abort();
    signal?.addEventListener('abort', hangUp);
    this.arrived(process);
    return await new Promise<Answer<N>>((resolve, reject) => {
      const call: UnderWay = {
        caller,
        abort,
        drop: () => end(() => reject(unreachable(true))),
      };
      let over = false;
      /** The caller hears of it after a while, if he is alive. */
      const end = (tell: () => void): void => {
        if (over) return;
        over = true;
        this.#underWay.delete(call);
        signal?.removeEventListener('abort', hangUp);
        this.#simulation.after(this.#latency(), caller, tell);
      };
      const answered = (answer: unknown, error: SluiceError | null): void => {
        if (!process.alive) return;
        this.#simulation.note(this.#starts, error === null ? 0 : 1);
        for (const watch of this.watchers) watch({ name, request, answer, error, start: this.#starts });
        if (over) return;
        if (faults.strikes('lostAnswer')) {
          faults.count('lostAnswer');
          end(() => reject(unreachable(true)));
          return;
        }
        end(() =>
          error === null ? resolve(JSON.parse(JSON.stringify(answer)) as Answer<N>) : reject(fromJson(JSON.parse(JSON.stringify(toJson(error))))),
        );
      };
      this.#underWay.add(call);
      signal?.addEventListener('abort', () => end(() => reject(signal.reason)), { once: true });
      const run = async (): Promise<Answer<N>> => {
        const grant = manager.admit(name, token);
        manager.reach(name, grant, request);
        return await manager.handle(name, request, { signal: abort.signal });
      };
      run().then(
        (answer) => answered(answer, null),
        (thrown: unknown) => answered(null, asSluiceError(thrown)),
      );
    });
  }

  #latency(): number {
    const slow = this.#faults.strikes('slowCall');
    if (slow) this.#faults.count('slowCall');
    return slow ? this.#faults.number(100, 2500) : this.#faults.number(0.1, 0.8);
  }
}

/** As the client over HTTP decides it. */
function isWorthAnother(name: CallName, error: SluiceError): boolean {
  if (error.code === 'LEDGER_UNAVAILABLE') return true;
  return error.code === 'CLUSTER_UNREACHABLE' && !(notTwice.has(name) && error.facts['sent'] === true);
}
