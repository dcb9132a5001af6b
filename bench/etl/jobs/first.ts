/** The least that goes through a whole cluster: a few rows, one exchange. How soon its first row is there is what a cold start costs. */
import { count, int32, job, schema, utf8 } from 'sluice';

const words = schema({ word: utf8(), weight: int32() });

export default job({
  name: 'first',
  build(flow) {
    const rows = ['here', 'are', 'some', 'words', 'and', 'some', 'again'].map((word, weight) => ({ word, weight }));
    return flow
      .rows(words, rows)
      .groupBy('word')
      .aggregate((t) => ({ n: count(), weight: t.weight.sum() }));
  },
});
