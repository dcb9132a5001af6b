/**
 * Leaves out rows whose key is not among those of another side (keys.ts), before they are sent anywhere. It only spares work: the join behind
 * it would drop them, too. So it passes every row when there are too many keys, when they do not fit in memory, when the rows come first,
 * and once it has seen that it leaves nearly nothing out.
 */
import type { Batch, Schema } from '../batch/batch.ts';
import { nullCount } from '../batch/column.ts';
import { GroupTable } from '../batch/groups.ts';
import { KeyEncoder } from '../batch/keys.ts';
import { take } from '../batch/take.ts';
import type { StageOperator } from '../graph/stage.ts';
import type { Share } from '../spill/memory.ts';
import { indexesOf, keyField } from './join.ts';
import type { TablePlace } from './kept-tables.ts';
import type { Operator } from './operator.ts';

/** After so many rows of which more than this part has passed, the others are not looked at. */
const [judgedRows, idlePart] = [1 << 16, 0.8];

/** The keys of the other side once they are whole. */
export interface KnownKeys {
  readonly encoder: KeyEncoder;
  /** null: there are too many. */
  readonly keys: GroupTable | null;
}

/**
 * @param upTo   keys of all tasks of the other side together
 * @param place  where the keys are kept for the next task; null: they are not
 * Memory: some 40 bytes per key, of `upTo` keys. Cost: about 20 ns per row.
 */
export function createKeyFilter(
  spec: Extract<StageOperator, { kind: 'join' }>,
  upTo: number,
  inputs: readonly Schema[],
  share: Share,
  place: TablePlace | null = null,
): Operator {
  const [probeSchema, buildSchema] = [inputs[0]!, inputs[1]!];
  const probeKeys = indexesOf(probeSchema, spec.probeKeys);
  const buildKeys = indexesOf(buildSchema, spec.buildKeys);
  const found = place?.get()?.table;
  const kept = found !== undefined && 'keys' in found && share.hold(found.keys?.bytes ?? 0) ? found : null;
  if (kept !== null) place!.taken = true;
  const encoder =
    kept?.encoder ?? new KeyEncoder(probeKeys.map((p, k) => keyField(probeSchema[p]!, { ...buildSchema[buildKeys[k]!]!, nullable: false })));
  let keys = kept === null ? new GroupTable(encoder.width) : kept.keys;
  let isWhole = kept !== null;
  let [seen, passed] = [0, 0];
  let lanes = new Int32Array(0);
  let groups = new Int32Array(0);

  const encode = (batch: Batch, columns: readonly number[]): void => {
    if (groups.length < batch.length) {
      groups = new Int32Array(batch.length);
      lanes = new Int32Array(batch.length * encoder.width);
    }
    encoder.encode(
      columns.map((c) => batch.columns[c]!),
      batch.length,
      true,
      lanes,
    );
  };
  const add = (to: GroupTable, batch: Batch): void => {
    const isMark = nullCount(batch.columns[buildKeys[0]!]!) > 0;
    if (!isMark) {
      encode(batch, buildKeys);
      to.add(lanes, batch.length, groups);
    }
    if (!isMark && to.size <= upTo && share.hold(to.bytes)) return;
    keys = null;
    share.hold(0);
  };
  const filtered = (among: GroupTable, batch: Batch): Batch => {
    encode(batch, probeKeys);
    among.lookup(lanes, batch.length, groups);
    const rows = new Int32Array(batch.length);
    let count = 0;
    for (let i = 0; i < batch.length; i++) if (groups[i]! >= 0) rows[count++] = i;
    seen += batch.length;
    passed += count;
    return count === batch.length ? batch : take(batch, rows, count);
  };

  return {
    *process(element, port) {
      if (port === 1) {
        if (element.kind === 'batch' && keys !== null) add(keys, element.batch);
        if (element.kind !== 'end') return;
        isWhole = true;
        place?.put({ table: { encoder, keys }, bytes: keys?.bytes ?? 0, rows: keys?.size ?? 0 });
        return;
      }
      const isIdle = seen >= judgedRows && passed > idlePart * seen;
      if (element.kind !== 'batch' || !isWhole || keys === null || isIdle) yield element;
      else {
        const batch = filtered(keys, element.batch);
        if (batch.length > 0) yield { kind: 'batch', batch };
      }
    },
  };
}
