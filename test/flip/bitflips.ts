/**
 * Every bit of a segment flipped, and every end of it cut off, one at a time; then a worker starts on it and all is read. Either what
 * was committed comes, or what does not is named, by an error that names maps, and the other maps come right. Anything
 * else is a miss, and so is damage of something wanted that nobody has noticed. Called by the program and by the test.
 */
import type { ShuffleId } from '#manager/protocol/ids.ts';
import { HarmedWorker, type Held } from './harmed-worker.ts';
import { type Place, places, segmentBytes, type WrittenSegment, type WrittenShuffle, writeSegment } from './segment.ts';

export interface BitflipOptions {
  /** Each so many bits, and each so many lengths. */
  readonly step: number;
  /** Does the harm; another one than the plain flip is a test of this test. */
  readonly harm?: (bytes: Uint8Array, bit: number, written: WrittenSegment) => void;
  readonly say: (text: string) => void;
}

/** How often harm was noticed, by the code of the error (`lost`: the worker says at its start that it does not hold a map); none: it made no difference. */
type Row = Record<string, number>;

export interface Bitflips {
  readonly flips: number;
  readonly cuts: number;
  readonly reads: number;
  readonly byPlace: Record<Place, Row>;
  /** Of a worker that starts on a file without its end, and of one that runs while it is cut off. */
  readonly byCut: Record<'started' | 'running', Row>;
  readonly misses: number;
}

const plainFlip = (bytes: Uint8Array, bit: number): void => {
  bytes[bit >>> 3]! ^= 1 << (bit & 7);
};

/** A block of a loser is not asked for, and where nothing is stored nothing is harmed. */
const isWanted = (place: Place): boolean => place !== 'loser' && place !== 'unused';
const dataCodes: readonly string[] = ['MISSING', 'CORRUPT_BLOCK', 'INCOMPLETE'];
const missesSaid = 20;

export async function bitflips({ step, harm = plainFlip, say }: BitflipOptions): Promise<Bitflips> {
  const written = await writeSegment();
  const { bytes: clean, shuffles } = written;
  const worker = new HarmedWorker(written);
  const whole = await worker.start(clean.slice());
  const judge = new Judge(worker, whole);
  const result = {
    flips: 0,
    cuts: 0,
    reads: 0,
    byPlace: Object.fromEntries(places.map((place) => [place, {}])) as Record<Place, Row>,
    byCut: { started: {} as Row, running: {} as Row },
    misses: 0,
  };
  const note = (row: Row, what: string, { code, miss }: Verdict): void => {
    row[code] = (row[code] ?? 0) + 1;
    if (miss !== null && result.misses++ < missesSaid) say(`${what}: ${miss}`);
  };
  const harmed = clean.slice();

  for (let bit = 0; bit < segmentBytes * 8; bit += step) {
    const byte = bit >>> 3;
    const place = written.placeOf(byte);
    harm(harmed, bit, written);
    const held = await worker.start(harmed);
    const touched = written.shuffleAt(byte);
    const facts = { isTouched: (shuffle: ShuffleId) => shuffle === touched, mustBeSeen: isWanted(place), isMany: false };
    note(result.byPlace[place], `bit ${bit} (${place})`, await judge.all(shuffles, held, facts));
    harmed.set(clean);
    if (++result.flips % 50_000 === 0) say(`${result.flips} flips, ${judge.reads} reads, ${result.misses} missed`);
  }

  // What is cut off is zeros afterwards: it is missed as far as it was anything else.
  let end = segmentBytes;
  while (end > 0 && (clean[end - 1] === 0 || !isWanted(written.placeOf(end - 1)))) end--;
  const running = new HarmedWorker(written);
  const file = clean.slice();
  await running.start(file);
  const judgeRunning = new Judge(running, whole);
  for (let length = 0; length < segmentBytes; length += step) {
    const facts = { isTouched: () => length < end, mustBeSeen: length < end, isMany: true };
    note(result.byCut.started, `cut at ${length}`, await judge.all(shuffles, await worker.start(clean.slice(0, length)), facts));
    file.fill(0, length);
    note(result.byCut.running, `cut at ${length} while it runs`, await judgeRunning.all(shuffles, whole, { ...facts, mustBeSeen: false }));
    file.set(clean);
    result.cuts++;
  }
  worker.close();
  running.close();
  await written.close();
  return { ...result, reads: judge.reads + judgeRunning.reads };
}

interface Expected {
  /** Whether bytes of this shuffle's regions are harmed. */
  readonly isTouched: (shuffle: ShuffleId) => boolean;
  /** Something wanted is harmed. */
  readonly mustBeSeen: boolean;
  /** More than one map may be. */
  readonly isMany: boolean;
}

interface Verdict {
  readonly code: string;
  readonly miss: string | null;
}

class Judge {
  readonly #worker: HarmedWorker;
  readonly #whole: ReadonlyMap<ShuffleId, Held>;
  reads = 0;

  /** @param whole  what a worker over the segment without harm holds */
  constructor(worker: HarmedWorker, whole: ReadonlyMap<ShuffleId, Held>) {
    this.#worker = worker;
    this.#whole = whole;
  }

  async all(shuffles: readonly WrittenShuffle[], held: ReadonlyMap<ShuffleId, Held>, { isTouched, mustBeSeen, isMany }: Expected): Promise<Verdict> {
    for (const shuffle of held.keys()) if (!this.#whole.has(shuffle)) return { code: 'invented', miss: `it holds shuffle ${shuffle}` };
    let code = 'none';
    for (const one of shuffles) {
      const now = held.get(one.shuffle) ?? { cells: [], regions: '' };
      const before = this.#whole.get(one.shuffle)!;
      const invented = now.cells.find((cell) => !before.cells.includes(cell));
      if (invented !== undefined) return { code: 'invented', miss: `it holds ${invented}, which nobody wrote` };
      // A read that would see the same bytes by the same indexes as without harm is not made again.
      const isSame = now.cells.length === before.cells.length && now.regions === before.regions && !isTouched(one.shuffle);
      if (isSame) continue;
      const lost = lostMaps(one, before, now);
      const found = await this.#one(one, lost, isMany);
      if (found.miss !== null) return found;
      if (lost.length > 0) code = 'lost';
      else if (found.code !== 'none') code = found.code;
    }
    return { code, miss: mustBeSeen && code === 'none' ? 'nobody has noticed' : null };
  }

  /** Reads the whole shuffle; when that fails by naming maps, each of the others, which must be right, or (`isMany`) be named in its turn. */
  async #one(shuffle: WrittenShuffle, lost: readonly number[], isMany: boolean): Promise<Verdict> {
    this.reads++;
    const first = await this.#worker.read(shuffle);
    if (first.kind === 'wrong') return { code: 'wrong', miss: first.what };
    if (first.kind === 'right') return { code: 'none', miss: lost.length === 0 ? null : `maps ${lost} are not held, and were read` };
    const { code, facts } = first.error;
    const named = Array.isArray(facts['maps']) ? (facts['maps'] as number[]) : [];
    if (!dataCodes.includes(code) || named.length === 0) return { code, miss: `${code} names no maps: ${first.error.message}` };
    if (lost.length > 0 && String(named) !== String(lost)) return { code, miss: `maps ${lost} are not held, ${named} are named` };
    for (let map = 0; map < shuffle.maps; map++) {
      if (named.includes(map)) continue;
      this.reads++;
      const other = await this.#worker.read(shuffle, map, map + 1);
      if (other.kind === 'wrong') return { code: 'wrong', miss: other.what };
      if (other.kind === 'right') continue;
      const isNamed = isMany && dataCodes.includes(other.error.code) && String(other.error.facts['maps']) === String(map);
      if (!isNamed) return { code, miss: `map ${map} was not named: ${other.error.message}` };
    }
    return { code, miss: null };
  }
}

/** Maps whose committed attempt is not held: what the worker does not announce, the manager makes vacant by name. */
function lostMaps({ view, maps }: WrittenShuffle, before: Held, now: Held): number[] {
  const lost: number[] = [];
  for (let map = 0; map < maps; map++) {
    const name = `${map}.${view.winner(map, 0)} `;
    const cell = before.cells.find((one) => one.startsWith(name));
    if (cell === undefined || !now.cells.includes(cell)) lost.push(map);
  }
  return lost;
}
