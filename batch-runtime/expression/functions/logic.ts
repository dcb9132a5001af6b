/** Three-valued logic. */
import { bool, fixed, never } from './arguments.ts';
import type { FunctionRows, Own } from './row.ts';

/** `and`: decided by false, `or`: by true. The second argument is not evaluated when the first decides. */
const logic = (fn: 'and' | 'or', doc: string): Own => ({
  doc,
  nulls: 'own',
  guarded: never,
  resolve: fixed(bool, ['bool'], ['bool']),
  interpret(value) {
    const decides = fn === 'or';
    const left = value(0);
    if (left === decides) return decides;
    const right = value(1);
    return right === decides ? decides : left === null || right === null ? null : !decides;
  },
  emit(code, node) {
    const left = code.value(node.args[0]!);
    const a = left.lanes[0]!;
    if (code.isCheap(node.args[1]!)) {
      const right = code.value(node.args[1]!);
      const b = right.lanes[0]!;
      if (left.isNull === 'false' && right.isNull === 'false')
        return { lanes: [code.hold(fn === 'and' ? `${a} && ${b}` : `${a} || ${b}`)], isNull: 'false' };
      const [an, bn] = [left.isNull, right.isNull];
      const isNull = fn === 'and' ? `(${an} || ${bn}) && (${an} || ${a}) && (${bn} || ${b})` : `(${an} || ${bn}) && !${a} && !${b}`;
      return { lanes: [code.hold(fn === 'and' ? `${a} && ${b}` : `${a} || ${b}`)], isNull: code.hold(isNull) };
    }
    const [result] = code.variables('bool') as [string];
    const [isNull] = code.variables('bool') as [string];
    code.line(`${result} = ${a}; ${isNull} = ${left.isNull};`);
    const undecided = fn === 'and' ? `if (${a} || ${left.isNull})` : `if (!${a})`;
    code.block(undecided, () => {
      const right = code.value(node.args[1]!);
      const b = right.lanes[0]!;
      const bn = right.isNull;
      if (fn === 'and') code.line(`${isNull} = (${left.isNull} && (${bn} || ${b})) || ${bn}; ${result} = ${a} && ${b};`);
      else code.line(`${isNull} = !${b} && (${left.isNull} || ${bn}); ${result} = ${b};`);
    });
    return { lanes: [result], isNull };
  },
});

export const logics: FunctionRows = {
  and: logic('and', 'Three-valued; the second argument is not evaluated when the first is false.'),
  or: logic('or', 'Three-valued; the second argument is not evaluated when the first is true.'),
  not: {
    doc: 'The opposite; null stays null.',
    nulls: 'strict',
    resolve: fixed(bool, ['bool']),
    interpret: ([a]) => !a,
    guarded: never,
    emit: (_, [a]) => [`!${a![0]}`],
  },
};
