/**
 * Random lives of a cluster, from a seed: jobs come and go, shuffles open, maps commit, cells are lost, workers restart and announce
 * what they kept. Each call is sent to a real manager; refusals of the table are part of life. Used by the tests of ledger,
 * journal and manager, which look at the state after each step.
 */
import assert from 'node:assert/strict';
import type { CommittedCell, Layout } from '#manager/protocol/control.ts';
import { type ErrorCode, SluiceError } from '#manager/protocol/errors.ts';
import { protocolVersion } from '#manager/protocol/ids.ts';
import { viewLayout } from '#manager/protocol/layout.ts';
import { hex, seededRandom, specOf, type World } from './world.ts';

/** Answers of a manager that are no fault of it. */
const expected: readonly ErrorCode[] = [
  'ATTEMPT_SUPERSEDED',
  'WRONG_INCARNATION',
  'SHUFFLE_RELEASED',
  'JOB_UNKNOWN',
  'NO_WORKERS',
  'REQUEST_INVALID',
  'FENCED',
];

interface Kept {
  readonly shuffle: string;
  readonly map: number;
  readonly attempt: number;
  readonly location: number;
  readonly manifestHash: string;
}

export class Story {
  readonly #world: World;
  readonly #roll: () => number;
  readonly jobs: number[] = [];
  readonly shuffles: string[] = [];
  /** Per worker what its disk holds, whoever won. */
  readonly #disks = new Map<number, Kept[]>();
  readonly #incarnations = new Map<number, number>();
  #names = 0;
  #attempts = 0;
  /** Commits the manager said were won: what must not be forgotten. */
  readonly won: { shuffle: string; map: number; attempt: number }[] = [];

  constructor(world: World, seed: number) {
    this.#world = world;
    this.#roll = seededRandom(seed).next;
  }

  #below(limit: number): number {
    return Math.floor(this.#roll() * limit);
  }

  #oneOf<T>(values: readonly T[]): T | undefined {
    return values[this.#below(values.length)];
  }

  /** One call, or a move of the clock. Answers what happened in a word; the error's code when it was refused. */
  async step(): Promise<string> {
    const steps = [
      this.#register,
      this.#openJob,
      this.#openShuffle,
      ...Array.from({ length: 6 }, () => this.#commit),
      this.#lost,
      this.#restart,
      this.#closeOrRelease,
      this.#executor,
      this.#tick,
    ];
    const step = this.#oneOf(steps) as () => Promise<string>;
    try {
      return await step.call(this);
    } catch (thrown) {
      assert.ok(thrown instanceof SluiceError, String(thrown instanceof Error ? thrown.stack : thrown));
      assert.ok(expected.includes(thrown.code), `${thrown.code}: ${thrown.message}`);
      return thrown.code;
    }
  }

  async #register(worker = this.#below(4)): Promise<string> {
    const incarnation = this.#incarnations.get(worker) ?? worker * 1000 + 1;
    this.#incarnations.set(worker, incarnation);
    await this.#world.calls.registerWorker({
      worker: hex(worker),
      incarnation: hex(incarnation),
      host: '127.0.0.1',
      port: 1000 + worker,
      hostLabel: `h${worker}`,
      pid: worker,
      protocol: protocolVersion,
    });
    return 'registered';
  }

  async #openJob(): Promise<string> {
    const { job } = await this.#world.calls.openJob({ name: 'story', url: 'http://c', slots: this.#below(4) });
    this.jobs.push(job);
    return 'job';
  }

  async #openShuffle(): Promise<string> {
    const job = this.#oneOf(this.jobs);
    if (job === undefined) return 'nothing';
    const spec = specOf({
      maps: 1 + this.#below(5),
      partitions: 1 + this.#below(5),
      replicas: this.#roll() < 0.2 ? 2 : 1,
      deterministic: this.#roll() < 0.9,
      bytesHint: this.#roll() < 0.5 ? 1e12 : 0,
    });
    const { shuffle } = await this.#world.calls.openShuffle({ job, name: `s${this.#names++}`, spec });
    this.shuffles.push(shuffle);
    return 'shuffle';
  }

  async layout(shuffle: string): Promise<Layout> {
    return this.#world.calls.layout({ shuffle, after: -1, waitMs: 0 });
  }

  /** A new attempt of a map writes to its targets and commits; sometimes an old layout is used, sometimes the call is sent twice. */
  async #commit(): Promise<string> {
    const shuffle = this.#oneOf(this.shuffles);
    if (shuffle === undefined) return 'nothing';
    const layout = await this.layout(shuffle);
    const view = viewLayout(layout);
    const map = this.#below(layout.spec.maps);
    const attempt = this.#attempts++;
    const targets = view.targets(map);
    const manifestHash = ((BigInt(attempt) * 0x9e3779b97f4a7c15n) & 0xffff_ffff_ffff_ffffn).toString();
    const cells = targets.map(
      ({ id, replicas }): CommittedCell => ({ location: id, incarnations: replicas.map((one) => one.incarnation), manifestHash }),
    );
    for (const { id, replicas } of targets) {
      for (const { worker } of replicas) {
        const number = Number.parseInt(worker, 16);
        const disk = this.#disks.get(number) ?? [];
        disk.push({ shuffle, map, attempt, location: id, manifestHash });
        this.#disks.set(number, disk);
      }
    }
    const request = { shuffle, map, attempt, cells };
    const answer = await this.#world.calls.commit(request);
    if (!answer.won) return 'superseded';
    this.won.push({ shuffle, map, attempt });
    if (this.#roll() < 0.2) assert.deepEqual((await this.#world.calls.commit(request)).winner, attempt);
    return 'committed';
  }

  async #lost(): Promise<string> {
    const shuffle = this.#oneOf(this.shuffles);
    if (shuffle === undefined) return 'nothing';
    const layout = await this.layout(shuffle);
    const location = this.#oneOf(layout.locations);
    const replica = this.#oneOf(location?.replicas ?? []);
    if (location === undefined || replica === undefined) return 'nothing';
    const because = this.#oneOf(['missing', 'corrupt', 'incarnation', 'unreachable'] as const) as 'missing';
    const maps = this.#roll() < 0.5 ? [] : [this.#below(layout.spec.maps)];
    const { vacated } = await this.#world.calls.lost({ shuffle, location: location.id, incarnation: replica.incarnation, maps, because });
    return vacated ? 'vacated' : 'reported';
  }

  /** A worker starts again; a part of what it held is still there. */
  async #restart(): Promise<string> {
    const worker = this.#oneOf([...this.#incarnations.keys()]);
    if (worker === undefined) return 'nothing';
    this.#incarnations.set(worker, (this.#incarnations.get(worker) as number) + 1);
    await this.#register(worker);
    const held = (this.#disks.get(worker) ?? []).filter(() => this.#roll() < 0.7);
    this.#disks.set(worker, held);
    const request = { worker: hex(worker), incarnation: hex(this.#incarnations.get(worker) as number), held };
    const answer = await this.#world.calls.announce(request);
    if (this.#roll() < 0.3) assert.deepEqual(await this.#world.calls.announce(request), answer);
    return 'announced';
  }

  async #closeOrRelease(): Promise<string> {
    const job = this.#oneOf(this.jobs);
    const shuffle = this.#oneOf(this.shuffles);
    if (this.#roll() < 0.2 && job !== undefined) {
      await this.#world.calls.closeJob({ job });
      await this.#world.calls.closeJob({ job });
      return 'closed';
    }
    if (shuffle === undefined) return 'nothing';
    await this.#world.calls.release({ shuffle });
    await this.#world.calls.release({ shuffle });
    return 'released';
  }

  async #executor(): Promise<string> {
    const executor = hex(500 + this.#below(2));
    await this.#world.calls.registerExecutor({ executor, incarnation: executor, host: 'h', pid: 1, slots: 2, protocol: protocolVersion });
    return 'executor';
  }

  async #tick(): Promise<string> {
    await this.#world.clock.advance(this.#below(3000));
    for (const job of this.jobs) await this.#world.calls.keepJob({ job, after: 0, slots: 1, waitMs: 0 }).catch(() => {});
    return 'time';
  }
}
