/** Nulls asked for, and the choice of one value out of several; what is not chosen is not evaluated. */
import type { TypeKind } from '../../batch/batch.ts';
import type { Code, Emitted, Lanes } from '../code.ts';
import { compareValues, type Value } from '../values.ts';
import { always, anyNullable, bool, never, typesOf, unify, wantCount } from './arguments.ts';
import { compareCode, isPlain } from './compare.ts';
import { type FunctionRows, type Own, wrong } from './row.ts';

/** Assigns the first candidate that `accepts` into variables, evaluating as few as needed. */
function emitFirst(code: Code, kind: TypeKind, emit: (to: Lanes, isNull: string) => void): Emitted {
  const lanes = code.variables(kind);
  const [isNull] = code.variables('bool') as [string];
  emit(lanes, isNull);
  return { lanes, isNull };
}

/** The first argument that no other is below (`lt`) or above (`gt`); nulls do not count. */
const extreme = (beats: 'lt' | 'gt', doc: string): Own => ({
  doc,
  nulls: 'own',
  guarded: always,
  resolve(name, args) {
    wantCount(name, args, 1, Number.POSITIVE_INFINITY);
    return { ...unify(name, args), nullable: args.every((arg) => arg.nullable) };
  },
  interpret(value, node) {
    let best: Value = null;
    for (let k = 0; k < node.args.length; k++) {
      const x = value(k);
      if (x === null) continue;
      if (best === null || (beats === 'lt' ? compareValues(x, best) < 0 : compareValues(x, best) > 0)) best = x;
    }
    return best;
  },
  emit(code, node) {
    const all = node.args.map((arg) => code.value(arg));
    return emitFirst(code, node.type.kind, (to, isNull) => {
      code.line(`${isNull} = true;`);
      for (const x of all) {
        const better = `!${x.isNull} && (${isNull} || ${compareCode(beats, node.type.kind, x.lanes, to)})`;
        code.block(`if (${better})`, () => {
          code.assign(to, x.lanes);
          code.line(`${isNull} = false;`);
        });
      }
    });
  },
});

export const choices: FunctionRows = {
  isNull: {
    doc: 'True where the argument is null; never null itself.',
    nulls: 'own',
    nested: true,
    guarded: never,
    resolve(name, args) {
      wantCount(name, args, 1);
      return { args, type: bool, nullable: false };
    },
    interpret: (value) => value(0) === null,
    emit: (code, node) => ({ lanes: [code.value(node.args[0]!).isNull], isNull: 'false' }),
  },
  isNotNull: {
    doc: 'True where the argument is there; never null itself.',
    nulls: 'own',
    nested: true,
    guarded: never,
    resolve(name, args) {
      wantCount(name, args, 1);
      return { args, type: bool, nullable: false };
    },
    interpret: (value) => value(0) !== null,
    emit: (code, node) => ({ lanes: [code.hold(`!${code.value(node.args[0]!).isNull}`)], isNull: 'false' }),
  },
  coalesce: {
    doc: 'The first argument that is not null; those behind it are not evaluated.',
    nulls: 'own',
    guarded: never,
    resolve(name, args) {
      wantCount(name, args, 1, Number.POSITIVE_INFINITY);
      return { ...unify(name, args), nullable: args.every((arg) => arg.nullable) };
    },
    interpret(value, node) {
      for (let k = 0; k < node.args.length; k++) {
        const x = value(k);
        if (x !== null) return x;
      }
      return null;
    },
    emit(code, node) {
      const first = code.value(node.args[0]!);
      if (first.isNull === 'false' || node.args.length === 1) return first;
      return emitFirst(code, node.type.kind, (to, isNull) => {
        const attempt = ({ lanes, isNull: missing }: Emitted, k: number): void => {
          code.assign(to, lanes);
          code.line(`${isNull} = ${missing};`);
          if (missing !== 'false' && k + 1 < node.args.length) code.block(`if (${missing})`, () => attempt(code.value(node.args[k + 1]!), k + 1));
        };
        attempt(first, 0);
      });
    },
  },
  nullIf: {
    doc: 'Null where the two are equal, else the first.',
    nulls: 'own',
    guarded: (node) => node.type.kind === 'utf8',
    resolve(name, args) {
      wantCount(name, args, 2);
      return { ...unify(name, args), nullable: true };
    },
    interpret(value) {
      const [x, other] = [value(0), value(1)];
      return x !== null && other !== null && compareValues(x, other) === 0 ? null : x;
    },
    emit(code, node) {
      const [x, other] = node.args.map((arg) => code.value(arg)) as [Emitted, Emitted];
      const equal = compareCode('eq', node.type.kind, x.lanes, other.lanes, isPlain(node.args[1]!));
      const isNull = code.hold(`${x.isNull} || (!${other.isNull} && ${equal})`);
      return { lanes: node.type.kind === 'bool' ? [code.hold(`!${isNull} && ${x.lanes[0]}`)] : x.lanes, isNull };
    },
  },
  least: extreme('lt', 'The least of the arguments that are not null; null when all are.'),
  greatest: extreme('gt', 'The greatest of the arguments that are not null; null when all are.'),
  when: {
    doc: 'Condition, value, condition, value, ..., otherwise: the value of the first condition that is true; no other is evaluated.',
    nulls: 'own',
    guarded: always,
    resolve(name, args) {
      if (args.length < 3 || args.length % 2 === 0) wrong('when takes pairs of condition and value, then the value otherwise');
      const conditions = args.filter((_, k) => k % 2 === 0 && k < args.length - 1);
      if (conditions.some((condition) => condition.type.kind !== 'bool')) wrong(`a condition of when must be a bool, not ${typesOf(conditions)}`);
      const values = args.filter((_, k) => k % 2 === 1 || k === args.length - 1);
      const unified = unify(name, values);
      const ordered = unified.args.flatMap((value, k) => (k < conditions.length ? [conditions[k]!, value] : [value]));
      return { args: ordered, type: unified.type, nullable: anyNullable(values) };
    },
    interpret(value, node) {
      const last = node.args.length - 1;
      for (let k = 0; k < last; k += 2) if (value(k) === true) return value(k + 1);
      return value(last);
    },
    emit(code, node) {
      const last = node.args.length - 1;
      return emitFirst(code, node.type.kind, (to, isNull) => {
        const give = (k: number): void => {
          const chosen = code.value(node.args[k]!);
          code.assign(to, chosen.lanes);
          code.line(`${isNull} = ${chosen.isNull};`);
        };
        const attempt = (k: number): void => {
          if (k === last) {
            give(k);
            return;
          }
          const condition = code.value(node.args[k]!);
          code.block(`if (${condition.lanes[0]})`, () => give(k + 1));
          code.block('else', () => attempt(k + 2));
        };
        attempt(0);
      });
    },
  },
};
