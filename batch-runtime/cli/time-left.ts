/**
 * How long a job may still take, as far as that can be known: a stage is timed by its own tasks, once as many have ended as run
 * at a time, and a stage that has not begun is not guessed at, since nobody has seen how fast it is. Pure, but for what it
 * remembers of when stages began. Called by progress.ts.
 */
import type { StageProgress } from '../schedule/events.ts';

export class TimeLeft {
  /** By stage, when its first task was seen to run. */
  readonly #began = new Map<number, number>();

  /** @param at  milliseconds since the job began  @returns the words for it; '' when all is done */
  say(stages: readonly StageProgress[], at: number): string {
    let leftMs = 0;
    let unknown = 0;
    let known = 0;
    for (const { stage, tasks, done, running } of stages) {
      if (!this.#began.has(stage) && running + done > 0) this.#began.set(stage, at);
      if (tasks > 0 && done === tasks) continue;
      const took = at - (this.#began.get(stage) ?? at);
      // Until a first wave has ended, those that have ended are the short ones.
      if (done === 0 || done < running || took <= 0) unknown++;
      else {
        known++;
        leftMs += (took / done) * (tasks - done);
      }
    }
    if (known + unknown === 0) return '';
    if (known === 0) return 'time left unknown';
    const about = `about ${Math.max(1, Math.ceil(leftMs / 1000))} s left`;
    return unknown === 0 ? about : `${about}, then ${unknown} more stage${unknown === 1 ? '' : 's'}`;
  }
}
