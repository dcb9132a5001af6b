/** Fields of JSON that stands in text. */
import { arena } from '../code.ts';
import { jsonField, parsePath } from '../json.ts';
import { decodeText, encodeText, TextArena } from '../text.ts';
import { always, literalText, text, utf8, want } from './arguments.ts';
import type { FunctionRows } from './row.ts';

export const jsons: FunctionRows = {
  json: {
    doc: 'What a path like $.a.b[0] leads to in JSON, as text: strings without quotes, all else as it is written, less space; null when it leads to nothing or to null, VALUE_OUT_OF_RANGE when the text is not JSON.',
    nulls: 'own',
    resolve(name, args) {
      want(name, args, text, text);
      parsePath(literalText(name, args[1]!));
      return { args, type: utf8, nullable: true };
    },
    interpret(value, { args }) {
      const a = value(0);
      if (a === null) return null;
      const [bytes, out] = [encodeText(a as string), new TextArena(16)];
      return jsonField(out, bytes, 0, bytes.length, parsePath(literalText('json', args[1]!))) ? decodeText(out.bytes, 0, out.top) : null;
    },
    guarded: always,
    emit(code, node) {
      const { lanes, isNull } = code.value(node.args[0]!);
      const path = code.constant(parsePath(literalText('json', node.args[1]!)));
      const start = code.hold(`${arena}.top`);
      const found = code.hold(`!${isNull} && ${code.kernel(jsonField)}(${arena}, ${lanes.join(', ')}, ${path})`);
      return { lanes: [code.hold(`${arena}.bytes`), start, code.hold(`${arena}.top`)], isNull: code.hold(`!${found}`) };
    },
  },
};
