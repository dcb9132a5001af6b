/**
 * Shows a running job to people: on a terminal one live block that is rewritten in place, else a line on stderr now and
 * then. Reads the job's events only. Called by `sluice run`.
 */
import { styleText } from 'node:util';
import type { JobEvent, StageProgress } from '../schedule/events.ts';
import { digits, size, table } from './table.ts';
import { TimeLeft } from './time-left.ts';

export interface ProgressView {
  take(event: JobEvent): void;
  /** Leaves the screen as it is for what comes after. */
  end(): void;
  /** The table by stage. */
  stages(): string;
}

const lineEveryMs = 2_000;

interface StageEnd {
  readonly ms: number;
  readonly rows: number;
  readonly bytes: number;
  readonly tasks: number;
}

/** @param screen where it is drawn; a terminal gets the live block */
export function createProgress(screen: NodeJS.WriteStream): ProgressView {
  const live = screen.isTTY === true;
  const names = new Map<number, string>();
  const ends = new Map<number, StageEnd>();
  const notes: string[] = [];
  const timeLeft = new TimeLeft();
  let drawn = 0;
  let saidAt = 0;

  const erase = (): void => {
    if (drawn > 0) screen.write(`\u001b[${drawn}A\u001b[0J`);
    drawn = 0;
  };
  const note = (text: string): void => {
    if (live) {
      erase();
      screen.write(`${styleText('yellow', text, { stream: screen })}\n`);
    } else screen.write(`${text}\n`);
    notes.push(text);
  };

  const draw = (event: JobEvent & { type: 'progress' }): void => {
    const seconds = Math.max(event.at, 1) / 1000;
    const [done, tasks] = [sum(event.stages, 'done'), sum(event.stages, 'tasks')];
    const said = timeLeft.say(event.stages, event.at);
    const left = said === '' ? '' : ` · ${said}`;
    const line = `${event.job}: ${done}/${tasks} tasks · ${digits(event.rows)} rows · ${digits(Math.round(event.rows / seconds))} rows/s · ${size(event.bytesShuffled)} shuffled · ${seconds.toFixed(1)} s${left}`;
    if (!live) {
      if (event.at - saidAt < lineEveryMs) return;
      saidAt = event.at;
      screen.write(`${line}\n`);
      return;
    }
    erase();
    const width = Math.max(20, (screen.columns || 80) - 1);
    const lines = [line, ...event.stages.filter(({ tasks: n }) => n > 0).map((stage) => `  ${bar(stage)} ${names.get(stage.stage) ?? ''}`)].map(
      (one) => one.slice(0, width),
    );
    screen.write(`${lines.join('\n')}\n`);
    drawn = lines.length;
  };

  return {
    take(event) {
      if (event.type === 'plan')
        for (const { stage, operators } of event.stages) names.set(stage, operators.map((one) => one.split(' ')[0]).join(' → '));
      else if (event.type === 'opened') note(event.epoch === 1 ? `job ${event.id}` : `job ${event.id} goes on: ${event.done} tasks are done`);
      else if (event.type === 'stage' && event.state === 'done')
        ends.set(event.stage, { ms: event.ms, rows: event.rows, bytes: event.bytesShuffled, tasks: event.tasks });
      else if (event.type === 'progress') draw(event);
      else if (event.type === 'retry') note(`stage ${event.stage} task ${event.task} runs again (${event.because.code}: ${event.because.message})`);
      else if (event.type === 'straggler') note(`stage ${event.stage} task ${event.task} takes long: it runs a second time, the first end counts`);
      else if (event.type === 'lost') note(`lost: ${event.what}; ${event.maps.length} map tasks of stage ${event.stage} run again`);
      else if (event.type === 'warning') note(event.text);
    },
    end: erase,
    stages() {
      const rows = [...ends]
        .sort(([a], [b]) => a - b)
        .map(([stage, { ms, rows: n, bytes, tasks }]) => [
          String(stage),
          String(tasks),
          digits(n),
          size(bytes),
          `${(ms / 1000).toFixed(2)} s`,
          names.get(stage) ?? '',
        ]);
      return table(['stage', 'tasks', 'rows in', 'shuffled', 'time', 'operators'], rows);
    },
  };
}

const sum = (stages: readonly StageProgress[], name: 'done' | 'tasks'): number => stages.reduce((total, stage) => total + stage[name], 0);

function bar({ stage, done, running, tasks }: StageProgress): string {
  const cells = 20;
  const full = Math.round((done / tasks) * cells);
  const part = Math.min(cells - full, Math.ceil((running / tasks) * cells));
  return `stage ${String(stage).padStart(2)} [${'█'.repeat(full)}${'▒'.repeat(part)}${' '.repeat(cells - full - part)}] ${done}/${tasks}`;
}
