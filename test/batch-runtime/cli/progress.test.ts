import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { createProgress } from '#runtime/cli/progress.ts';
import type { EventBody, JobEvent } from '#runtime/schedule/events.ts';

function screen(isTTY: boolean) {
  const written: string[] = [];
  const stream = { isTTY, columns: 100, write: (text: string) => written.push(text), getColorDepth: () => 1, hasColors: () => false };
  return { stream: stream as unknown as NodeJS.WriteStream, written, text: () => stripVTControlCharacters(written.join('')) };
}
const at = (ms: number, body: EventBody): JobEvent => ({ at: ms, job: 'words', ...body });
const plan: EventBody = {
  type: 'plan',
  name: 'words',
  stages: [
    { stage: 0, operators: ['scan read-1', 'aggregate aggregate-1', 'store store-1'], after: [] },
    { stage: 1, operators: ['fetch fetch-1', 'store store-2'], after: [0] },
  ],
};
const progress = (done: number): EventBody => ({
  type: 'progress',
  stages: [
    { stage: 0, tasks: 4, done, running: 1 },
    { stage: 1, tasks: 0, done: 0, running: 0 },
  ],
  rows: 3_000_000,
  bytesShuffled: 5 * 1024 * 1024,
});

test('on a terminal one block is drawn over itself: tasks, rows, bytes, rows per second, time left, a bar per stage', () => {
  const { stream, written, text } = screen(true);
  const view = createProgress(stream);
  view.take(at(0, plan));
  view.take(at(2_000, progress(1)));
  assert.match(text(), /words: 1\/4 tasks · 3,000,000 rows · 1,500,000 rows\/s · 5\.0 MiB shuffled · 2\.0 s · time left unknown\n/);
  assert.match(text(), / stage {2}0 \[█{5}▒{5} {10}\] 1\/4 scan → aggregate → store\n/);
  assert.doesNotMatch(text(), /stage {2}1/);
  const before = written.length;
  view.take(at(4_000, progress(2)));
  assert.match(text(), /2\/4 tasks .* 4\.0 s · about 2 s left, th/);
  // Two lines up, and everything below is cleared.
  assert.equal(written[before], '\u001b[2A\u001b[0J');
  view.end();
  assert.equal(written.at(-1), '\u001b[2A\u001b[0J');
  view.end();
  assert.equal(written.filter((one) => one.startsWith('\u001b[2A')).length, 2);
});

test('a line is never wider than the terminal, which would break the redrawing', () => {
  const { stream, written } = screen(true);
  Object.assign(stream, { columns: 40 });
  const view = createProgress(stream);
  view.take(at(0, plan));
  view.take(at(2_000, progress(1)));
  for (const line of written.join('').split('\n')) assert.ok(line.length < 40, line);
});

test('off a terminal there is a line now and then, without control characters', () => {
  const { stream, written, text } = screen(false);
  const view = createProgress(stream);
  view.take(at(0, plan));
  for (let ms = 250; ms <= 5_000; ms += 250) view.take(at(ms, progress(1)));
  view.end();
  assert.equal(written.length, 2);
  assert.equal(text(), written.join(''));
});

test('what goes wrong and is mended is said and stays', () => {
  const { stream, text } = screen(false);
  const view = createProgress(stream);
  const because = { code: 'EXECUTOR_LOST', message: 'Executor 1 is lost', facts: {} };
  view.take(at(1, { type: 'retry', stage: 0, task: 2, attempt: 0, because }));
  view.take(at(2, { type: 'lost', what: 'Committed blocks are lost', stage: 0, maps: [1, 2] }));
  view.take(at(3, { type: 'warning', text: 'worker-1 has died (SIGKILL)' }));
  assert.equal(
    text(),
    [
      'stage 0 task 2 runs again (EXECUTOR_LOST: Executor 1 is lost)',
      'lost: Committed blocks are lost; 2 map tasks of stage 0 run again',
      'worker-1 has died (SIGKILL)',
      '',
    ].join('\n'),
  );
});

test('the table by stage has a row for each stage that is done, in order', () => {
  const view = createProgress(screen(false).stream);
  view.take(at(0, plan));
  const done = (stage: number): EventBody => ({ type: 'stage', stage, state: 'done', tasks: 2, ms: 1_500, rows: 10_000, bytesShuffled: 2048 });
  view.take(at(1, done(1)));
  view.take(at(2, done(0)));
  const lines = view.stages().split('\n');
  assert.match(lines[0] ?? '', /^stage +tasks +rows in +shuffled +time +operators$/);
  assert.match(lines[2] ?? '', /^ +0 +2 +10,000 +2\.0 KiB +1\.50 s +scan → aggregate → store$/);
  assert.match(lines[3] ?? '', /^ +1 /);
});
