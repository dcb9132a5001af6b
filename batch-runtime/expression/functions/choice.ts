/** Nulls asked for, and the choice of one value out of several; what is not chosen is not evaluated. */
import type { TypeKind } from '../../batch/batch.ts';
import type { Code, Emitted, Lanes } from '../code.ts';
import { anyNullable, bool, typesOf, unify, wantCount } from './arguments.ts';
import { type FunctionRows, wrong } from './row.ts';

/** Assigns the first candidate that `accepts` into variables, evaluating as few as needed. */
function emitFirst(code: Code, kind: TypeKind, emit: (to: Lanes, isNull: string) => void): Emitted {
  const lanes = code.variables(kind);
  const [isNull] = code.variables('bool') as [string];
  emit(lanes, isNull);
  return { lanes, isNull };
}

export const choices: FunctionRows = {
  isNull: {
    doc: 'True where the argument is null; never null itself.',
    nulls: 'own',
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
  when: {
    doc: 'Condition, value, condition, value, ..., otherwise: the value of the first condition that is true; no other is evaluated.',
    nulls: 'own',
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
