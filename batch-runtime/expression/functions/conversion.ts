/** Values as values of another type. */
import { SluiceError } from '#manager/protocol/errors.ts';
import { type ColumnType, columnTypeText, type TypeKind } from '../../batch/batch.ts';
import { canCast, castValue, emitCast, isFreeCast, tryCastBytes } from '../cast.ts';
import { type Code, type Emitted, type Lanes, nullLanes, scratch, takeScratch } from '../code.ts';
import type { Expression } from '../expression.ts';
import { always, wantCount } from './arguments.ts';
import { type FunctionRow, type FunctionRows, wrong } from './row.ts';

const toTarget =
  (mayFail: boolean): FunctionRow['resolve'] =>
  (name, args, target) => {
    wantCount(name, args, 1);
    const [from] = args as [Expression];
    if (target === undefined) return wrong(`${name} needs the type to cast to`);
    if (!canCast(from.type, target)) wrong(`${columnTypeText(from.type)} cannot be cast to ${columnTypeText(target)}`);
    return { args, type: target, nullable: from.nullable || mayFail };
  };

/** That a value does not fit is what tryCast asks for; anything else goes on. */
function mustNotFit(thrown: unknown): void {
  if (!(thrown instanceof SluiceError && thrown.code === 'VALUE_OUT_OF_RANGE')) throw thrown;
}

/** What text is tried as without an error being made: dirty columns have many. */
const tried: ReadonlySet<TypeKind> = new Set(['bool', 'int32', 'integer', 'int64', 'float64', 'decimal', 'date', 'timestamp']);
function tryText(code: Code, lanes: Lanes, isNull: string, target: ColumnType): Emitted {
  const to = target.kind;
  const value = code.hold(`${isNull} ? null : ${code.kernel(tryCastBytes)}(${lanes.join(', ')}, ${code.constant(target)}, ${scratch})`);
  const wide = to === 'int64' || to === 'timestamp';
  return { lanes: wide ? takeScratch(code) : [code.hold(`${value} ?? ${nullLanes(to)[0]}`)], isNull: code.hold(`${value} === null`) };
}

export const conversions: FunctionRows = {
  cast: {
    doc: 'The value as another type; one that does not fit is VALUE_OUT_OF_RANGE.',
    nulls: 'strict',
    resolve: toTarget(false),
    interpret: ([a], node) => castValue(a!, node.args[0]!.type, node.type),
    guarded: (node) => !isFreeCast(node.args[0]!.type, node.type),
    emit: (code, [a], node) => emitCast(code, a!, node.args[0]!.type, node.type),
  },
  tryCast: {
    doc: 'The value as another type; null where it does not fit.',
    nulls: 'own',
    resolve: toTarget(true),
    interpret(value, node) {
      const a = value(0);
      if (a === null) return null;
      try {
        return castValue(a, node.args[0]!.type, node.type);
      } catch (thrown) {
        mustNotFit(thrown);
        return null;
      }
    },
    guarded: always,
    emit(code, node) {
      const { lanes, isNull } = code.value(node.args[0]!);
      if (node.args[0]!.type.kind === 'utf8' && tried.has(node.type.kind)) return tryText(code, lanes, isNull, node.type);
      const [missing] = code.variables('bool') as [string];
      const to = code.variables(node.type.kind);
      code.line(`${missing} = true;`);
      const attempt = (): void => {
        code.assign(to, emitCast(code, lanes, node.args[0]!.type, node.type));
        code.line(`${missing} = false;`);
      };
      code.block(`if (!${isNull})`, () => {
        code.block('try', attempt);
        code.line(`catch (thrown) { ${code.kernel(mustNotFit)}(thrown); }`);
      });
      return { lanes: to, isNull: missing };
    },
  },
};
