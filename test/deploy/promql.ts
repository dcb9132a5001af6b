/**
 * Reads an expression of Prometheus with Prometheus's own grammar and says what it asks for: metrics with the labels they are asked by,
 * and through which function. It computes nothing.
 */
import { parser } from '@prometheus-io/lezer-promql';

export interface Asked {
  readonly metric: string;
  /** Of its matchers, and of every grouping around it. */
  readonly labels: readonly string[];
  /** The function that takes the range; empty: an instant. */
  readonly over: string;
}

/** Grafana puts an interval there. */
const intervals = /\$__(rate_)?interval/g;
/** Words of the grammar that stand for themselves, and Grafana's variables inside of a matcher's text, need no care. */
type Node = ReturnType<typeof parser.parse>['topNode'];

/** @throws SyntaxError with the place, when it is none of Prometheus's expressions */
export function metricsOf(expression: string): Asked[] {
  const text = expression.replace(intervals, '5m');
  const read = (node: Node): string => text.slice(node.from, node.to);
  const asked: Asked[] = [];
  const walk = (node: Node, over: string, grouped: readonly string[]): void => {
    if (node.type.isError) throw new SyntaxError(`${text.slice(0, node.from)} <here> ${text.slice(node.from)}`);
    if (node.name === 'VectorSelector') {
      const labels = node.getChildren('LabelMatchers').flatMap((all) => childrenOf(all).flatMap((one) => one.getChildren('LabelName').map(read)));
      const name = node.getChild('Identifier');
      asked.push({ metric: name ? read(name) : '', labels: [...labels, ...grouped], over });
    }
    const called = node.name === 'FunctionCall' ? read(node.getChild('FunctionIdentifier')!) : '';
    const more = node.name === 'AggregateExpr' ? labelsOf(node, read) : [];
    for (const child of childrenOf(node)) walk(child, called || over, [...grouped, ...more]);
  };
  walk(parser.parse(text).topNode, '', []);
  return asked;
}

const childrenOf = (node: Node): Node[] => {
  const children: Node[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling) children.push(child);
  return children;
};

const labelsOf = (aggregate: Node, read: (node: Node) => string): string[] =>
  aggregate
    .getChildren('AggregateModifier')
    .flatMap((modifier) => modifier.getChildren('GroupingLabels').flatMap((all) => all.getChildren('LabelName').map(read)));
